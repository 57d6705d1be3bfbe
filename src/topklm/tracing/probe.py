"""The probe text: the same tokens for every checkpoint, layer and run, with the concepts they carry.

Documents stand in the order of a hash of their tokens, so that the order in which they came changes nothing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from ..concepts import (
    ConceptLabels,
    StoryConcepts,
    TokenClasses,
    all_stories,
    english,
    label,
    read_lexicon,
    story_words,
)
from ..core.errors import InputError
from ..data import Packed
from ..data.tokenizer import token_bytes, vocabulary_size
from ..features import FeatureSource, capture
from ..features.hooks import read_sites
from ..index.text import documents_behind, find_text, spec_of
from ..metrics.batch import Batch, take_rows
from ..metrics.examples import text_of
from ..metrics.oracle import Oracle, TypeOracle
from ..metrics.senses import Word, carriers
from ..model import SparseCodes
from ..training import Run

FEWEST_TOKENS = 100


@dataclass(frozen=True)
class Probe:
    """A packed text with its labels, in an order of documents that depends on their content alone."""

    packed: Packed
    labels: ConceptLabels
    spec: list[str]
    """Where it comes from, as for `load_corpus`."""
    sha256: str
    """Of the token ids in this order, as little-endian uint32."""
    tokenizer: Any

    @property
    def n_tokens(self) -> int:
        """How many tokens it has, document boundaries included."""
        return len(self.packed.tokens)

    @cached_property
    def ids(self) -> Tensor:
        """int64, shape (tokens,)."""
        return torch.from_numpy(np.asarray(self.packed.tokens, np.int64))

    @cached_property
    def texts(self) -> list[str]:
        """The text of each token type."""
        return [piece.decode("utf-8", "replace") for piece in token_bytes(self.tokenizer)]

    @cached_property
    def oracle(self) -> Oracle:
        """How well the token type alone tells each concept."""
        oracle = TypeOracle(vocabulary_size(self.tokenizer), len(self.labels.names))
        oracle.update(self._nothing())
        return oracle.result()

    @cached_property
    def words(self) -> list[Word]:
        """The ambiguous words whose meanings are labelled; only the stories have any."""
        return story_words(self.labels) if set(StoryConcepts().names) <= set(self.labels.names) else []

    @cached_property
    def carriers(self) -> list[list[np.ndarray[Any, Any]]]:
        """Which tokens carry each of these words' meanings and topics."""
        return carriers(text_of(self._nothing()), self.words)

    def _nothing(self) -> Batch:
        return self.batch(SparseCodes.from_dense(torch.zeros(self.n_tokens, 1)))

    def batch(self, codes: SparseCodes) -> Batch:
        """Put the codes of the whole text beside ids and labels."""
        return self.labels.batch(codes, self.ids)


def find_probe(
    run: Run,
    tokenizer: Any,
    directory: Path,
    *,
    data: str | Sequence[str] | None,
    tokens: int,
    lexicon: Path | str | None,
    console: Console | None = None,
) -> Probe:
    """Find the text (see `find_text`), label it, and put its documents in order.

    Concepts: the stories' own for a run that learnt stories, else general English, or a lexicon; and classes
    of tokens. Raises InputError where there is no text or it is too short.
    """
    text = find_text(tokenizer, directory, run=run, data=data, tokens=tokens, console=console)
    if len(text.packed.tokens) < FEWEST_TOKENS:
        raise InputError(
            f"the text has {len(text.packed.tokens)} tokens; give at least {FEWEST_TOKENS} to compare on"
        )
    known = StoryConcepts() if all_stories(spec_of(run, data)) else english()
    labellers = [read_lexicon(lexicon) if lexicon is not None else known, TokenClasses()]
    labels = label(text.packed, tokenizer, documents_behind(run, data), labellers)
    return in_order(text.packed, labels, text.hashes, spec=text.spec, tokenizer=tokenizer)


def in_order(
    packed: Packed, labels: ConceptLabels, hashes: np.ndarray[Any, Any], *, spec: list[str], tokenizer: Any
) -> Probe:
    """Sort a text's documents by their hashes, labels with them."""
    starts = packed.documents[:, 0]
    ends = np.append(starts[1:], len(packed.tokens))
    order = np.argsort(hashes, kind="stable")
    sizes = (ends - starts)[order]
    rows = np.concatenate([np.arange(starts[one], ends[one]) for one in order])
    tokens = np.asarray(packed.tokens)[rows]
    sha256 = hashlib.sha256(np.asarray(tokens, "<u4").tobytes()).hexdigest()
    documents = np.stack([sizes.cumsum() - sizes, packed.documents[order, 1]], axis=1)
    labels = replace(
        labels,
        occurrences=take_rows(labels.occurrences, torch.from_numpy(rows)),
        documents=torch.from_numpy(np.repeat(np.arange(len(order)), sizes)),
        corpus=sha256,
    )
    about = {**packed.about, "tokens_sha256": sha256}
    return Probe(Packed(tokens, documents, about), labels, spec, sha256, tokenizer)


def read_codes(sources: Sequence[FeatureSource], probe: Probe) -> list[dict[int, SparseCodes]]:
    """Read the probe with some sources, and return each one's codes by site, one row a token.

    Sources of one model whose codes are made from its residual stream share a forward pass.
    """
    parts: list[dict[int, list[SparseCodes]]] = [{} for _ in sources]
    for reader, members in shared(sources):
        for batch in capture(reader, probe.packed):
            for place, member in enumerate(members):
                for site in sources[member].sites:
                    found = batch.codes[site if len(members) == 1 else (place, site)]  # type: ignore[index]
                    parts[member].setdefault(site, []).append(found.to("cpu"))
    return [{site: SparseCodes.cat(found) for site, found in one.items()} for one in parts]


def shared(sources: Sequence[FeatureSource]) -> list[tuple[Any, list[int]]]:
    """Put sources together that one forward pass can serve: (who reads, which sources)."""
    groups: dict[Any, list[int]] = {}
    for place, source in enumerate(sources):
        model = getattr(source, "model", None) if hasattr(source, "encode") else None
        groups.setdefault(place if model is None else f"model {id(model)}", []).append(place)
    return [
        (sources[members[0]] if len(members) == 1 else _Together([sources[one] for one in members]), members)
        for members in groups.values()
    ]


class _Together:
    """Several sources of one model, read in one pass; codes by (place of the source, site)."""

    def __init__(self, sources: list[Any]) -> None:
        self.sources = sources
        self.context = sources[0].context

    def codes(self, token_ids: Tensor) -> dict[tuple[int, int], SparseCodes]:
        """Return the codes of each source at each of its sites."""
        sites = sorted({site for source in self.sources for site in source.sites})

        def encode(site: int, hidden: Tensor) -> list[tuple[int, SparseCodes]]:
            return [
                (place, source.encode(site, hidden))
                for place, source in enumerate(self.sources)
                if site in source.sites
            ]

        found = read_sites(self.sources[0].model, token_ids, None, sites, encode)
        return {(place, site): codes for site, made in found.items() for place, codes in made}
