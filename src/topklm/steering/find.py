"""Finding features to steer: what they fire on, and what raising them does, kept apart.

A feature that fires on a concept need not write it, and the other way round (arXiv 2512.05794). So candidates
come from both sides, each is shown with both numbers, and the order is that of the causal one. Beside them
stand the directions that a difference of means gives, layer by layer.

Here: features for words and for concepts of an indexed text. For texts of one's own: `contrast.py`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.stats import Estimate
from ..data import Packed
from ..features import Directions, SteerableSource
from ..features.effects import probe_contexts
from ..index.search import find as find_words
from ..metrics.labelled import CHOOSING, READING
from ..model import SparseCodes
from .concepts import LabelledText
from .edits import Edit
from .effects import mass_rises
from .survey import Survey, mean_directions, survey

if TYPE_CHECKING:
    from ..index import FeatureIndex

STRENGTH = 1.0
CANDIDATES = 40
CONTEXTS, CONTEXT_TOKENS = 64, 32
MOST_TOKENS = 20_000
"""Of the text, so much is read for the difference of means."""


@dataclass(frozen=True)
class Found:
    """A feature, or a reference direction, with both numbers."""

    feature: str
    fires: float
    """How well its firing goes with what was asked for; of a reference NaN. Which number: `Finding.fires`."""
    causes: Estimate
    """What raising it to the strength does. Which number: `Finding.causes`."""
    unit: float
    """What 1x is: the 99th percentile of its firings; of a reference, the distance of the means."""
    density: float
    top_token: str


@dataclass(frozen=True)
class Finding:
    """What was found; features and references in the order of the causal number."""

    asked: str
    fires: str
    """What the column `fires` holds."""
    causes: str
    strength: float
    """Features are set to so many times their 99th percentile, references added so many times."""
    n_contexts: int
    features: tuple[Found, ...]
    references: tuple[Found, ...]
    tokens: tuple[int, ...] = ()
    """The output tokens whose probability was measured."""


def find_by_word(
    source: SteerableSource,
    index: "FeatureIndex",
    words: str,
    *,
    strength: float = STRENGTH,
    candidates: int = CANDIDATES,
) -> Finding:
    """Find the features that fire on words, and those that write them.

    The output tokens are those that are the words, or else the first tokens of the words' occurrences.
    Raises InputError where the words never occur in the indexed text.
    """
    found = index.search(words, limit=candidates)
    if not found.occurrences:
        raise InputError(f"{found.message}; nothing can be found for it")
    matches = find_words(index.tokens, index.vocabulary, words, case=False)
    single = matches.first == matches.last
    first = matches.first[single] if single.any() else matches.first  # a piece of a word may be many words'
    tokens = torch.from_numpy(np.unique(index.tokens[first]).astype(np.int64))
    part = min(MOST_TOKENS, index.n_tokens)
    rows = np.concatenate([np.arange(a, b + 1) for a, b in zip(matches.first, matches.last, strict=True)])
    marks = marks_of(np.unique(rows[rows < part]), part)
    fires = {hit.feature: hit.score for hit in found.hits}
    asked = _Asked(repr(words), "how specific its firing is to the words", tokens, marks)
    return _ranked(source, index, asked, fires, strength=strength, candidates=candidates)


def find_by_concept(
    source: SteerableSource,
    index: "FeatureIndex",
    text: LabelledText,
    name: str,
    *,
    strength: float = STRENGTH,
    candidates: int = CANDIDATES,
    surveyed: Survey | None = None,
    contexts: Tensor | None = None,
) -> Finding:
    """Find the features that fire on a concept, and those that write its tokens.

    Features are chosen by their F1 on one half of the documents; the column shows that of the other half.
    surveyed: `survey(source, text)`, where it was made before. contexts: token ids, shape (context, token),
    at whose ends effects are measured; by default 64 stretches of the indexed text.
    Raises InputError where the concept is unknown or no token type stands for it.
    """
    target = text.target(name)
    concept = text.labels.index(name)
    if not len(target.tokens):
        raise InputError(
            f"no token stands for the concept {name!r} more often than not, so there is no probability to "
            "raise; find features for it by texts that have it and texts that have not (--with, --without)"
        )
    fires, chosen = {}, {}
    for site, scores in (surveyed or survey(source, text)).scores.items():
        best = scores.f1[CHOOSING, :, concept].topk(min(candidates, scores.f1.shape[1]))
        for value, feature in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            chosen[str(source.kind(site, feature))] = value
            fires[str(source.kind(site, feature))] = float(scores.f1[READING, feature, concept])
    best_names = sorted(chosen, key=lambda one: -chosen[one])[:candidates]
    carried = text.labels.occurrences
    part = min(MOST_TOKENS, len(text.ids))
    rows = carried.rows[carried.indices == concept].numpy()
    asked = _Asked(name, "held-out F1 for the concept", target.tokens, marks_of(rows[rows < part], part))
    kept = {one: fires[one] for one in best_names}
    return _ranked(source, index, asked, kept, strength=strength, candidates=candidates, contexts=contexts)


@dataclass(frozen=True)
class _Asked:
    name: str
    fires: str
    tokens: Tensor
    marks: SparseCodes
    """Which tokens carry it, for the difference of means."""


def _ranked(
    source: SteerableSource,
    index: "FeatureIndex",
    asked: _Asked,
    fires: dict[str, float],
    *,
    strength: float,
    candidates: int,
    contexts: Tensor | None = None,
) -> Finding:
    """Measure the causal effect of the candidates of both sides, and of the references."""
    names = dict.fromkeys([*fires, *_promoting(index, asked.tokens.tolist(), candidates)])
    rows = rows_of(index, list(names))
    if contexts is None:
        tokens = torch.from_numpy(index.tokens.astype(np.int64))
        contexts = probe_contexts(tokens, count=CONTEXTS, length=min(CONTEXT_TOKENS, source.context))
    edits = [Edit(row["feature"], set_to=strength * row["q99"]) for row in rows]
    rises = mass_rises(source, contexts, edits, asked.tokens)
    found = [
        found_of(row, fires.get(row["feature"], 0.0), rise) for row, rise in zip(rows, rises, strict=True)
    ]
    references = []
    if 0 < len(asked.marks.indices) < len(asked.marks):
        text = index.tokens[: len(asked.marks)]
        for site, (directions, length) in mean_differences(source, text, asked.marks).items():
            edit = Edit(directions.kind(site, 0), add=strength * length)
            rise = mass_rises(directions, contexts, [edit], asked.tokens)[0]
            references.append(reference(site, rise, length))
    return Finding(
        asked=asked.name,
        fires=asked.fires,
        causes="rise of the probability of its tokens, at the last token of a context",
        strength=strength,
        n_contexts=len(contexts),
        features=by_cause(found),
        references=by_cause(references),
        tokens=tuple(asked.tokens.tolist()),
    )


def marks_of(rows: Any, count: int) -> SparseCodes:
    """Mark some of `count` tokens as carrying the one concept that is asked for."""
    counts = torch.zeros(count, dtype=torch.int64)
    counts[torch.from_numpy(np.asarray(rows, np.int64))] = 1
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    marked = int(counts.sum())
    return SparseCodes(offsets, torch.zeros(marked, dtype=torch.int32), torch.ones(marked), 1)


def mean_differences(
    source: SteerableSource, tokens: Any, marks: SparseCodes
) -> dict[int, tuple[Directions, float]]:
    """Return at each site how the mean state of marked tokens differs from the others', and its length."""
    packed = Packed(tokens, np.zeros((1, 2), np.int64), {})
    directions, lengths = mean_directions(source.model, source.tokenizer, packed, marks, source.sites)
    return {site: (directions, float(lengths[site][0])) for site in source.sites}


def found_of(row: dict[str, Any], fires: float, causes: Estimate) -> Found:
    """Put a feature's two numbers beside its row of the index."""
    return Found(row["feature"], fires, causes, row["q99"], row["density"], row["top_token"] or "")


def reference(site: int, causes: Estimate, length: float) -> Found:
    """Put what a difference of means causes beside its length."""
    return Found(f"difference of means, L{site}", np.nan, causes, length, np.nan, "")


def by_cause(found: list[Found]) -> tuple[Found, ...]:
    """Sort by the causal number, the largest first."""
    return tuple(sorted(found, key=lambda one: -one.causes.value))


def _promoting(index: "FeatureIndex", tokens: list[int], count: int) -> list[str]:
    """List the features that most promote one of some tokens, as the index has measured them."""
    query = (
        "SELECT feature, max(one.change) AS change "
        "FROM (SELECT feature, unnest(promoted) AS one FROM features) "
        "WHERE one.token IN (SELECT unnest(?)) GROUP BY feature ORDER BY change DESC, feature LIMIT ?"
    )
    return [str(name) for name in index.ask(query, [tokens, count])["feature"].to_pylist()]


def rows_of(index: "FeatureIndex", names: list[str] | None = None) -> list[dict[str, Any]]:
    """Read from the index what it knows of some features, or of all, that have a unit of strength."""
    chosen = "" if names is None else "WHERE feature IN (SELECT unnest(?))"
    query = f"SELECT feature, q99, density, top_token FROM features {chosen} ORDER BY site, index"  # noqa: S608
    rows: list[dict[str, Any]] = index.ask(query, [] if names is None else [names]).to_pylist()
    return [row for row in rows if row["q99"] is not None and row["q99"] > 0]
