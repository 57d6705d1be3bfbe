"""Concepts as steering sees them: who tells whether a text shows one, which tokens stand for it, its word.

On stories the generator's judge reads texts, on any other corpus a lexicon does. Where features come from
that carry concepts: `survey.py`.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ..concepts import Lexicon, StoryConcepts, all_stories, english, label, read_lexicon
from ..core.errors import CorpusError
from ..data import Packed
from ..data.tokenizer import token_bytes
from ..index.text import documents_behind
from ..stories import judge
from ..stories.registry import word_concepts
from ..training import Run

if TYPE_CHECKING:
    from ..concepts import ConceptLabels
    from ..index import FeatureIndex

MOST_TOKENS = 100_000
"""Of an index's text, so much is labelled at most: whole documents from its beginning."""
OWN_SHARE = 0.5
"""A token type belongs to a concept where at least this share of its occurrences carries it."""
WORD = re.compile(r"[^\W\d_]+")
FEWEST = 3
"""Occurrences that a token type or word needs to stand for a concept."""


class Judge(Protocol):
    """Knows concepts, both in a labelled text and in one that a model wrote."""

    name: str
    """How results call it: `stories` or `lexicon`."""
    labeller: Any
    """Marks the tokens of a corpus; see `concepts.labels.Labeller`."""

    def shown(self, text: str) -> frozenset[str]:
        """Return the names of the concepts that a text shows."""
        ...

    def words(self, text: str, concept: str) -> list[tuple[int, int]]:
        """Return where a text's words of a concept stand: (first character, the one after the last)."""
        ...


class StoryJudge:
    """The stories' own judge."""

    name = "stories"

    def __init__(self) -> None:
        self.labeller = StoryConcepts()

    def shown(self, text: str) -> frozenset[str]:
        """Let the generator's judge read the text."""
        return judge(text).concepts

    def words(self, text: str, concept: str) -> list[tuple[int, int]]:
        """Find the words that carry the concept wherever they stand."""
        carried = word_concepts()
        return [word.span() for word in WORD.finditer(text) if concept in carried.get(word[0].lower(), ())]


class LexiconJudge:
    """A text shows a concept where it holds one of the concept's words."""

    name = "lexicon"

    def __init__(self, lexicon: Lexicon) -> None:
        self.labeller = lexicon

    def shown(self, text: str) -> frozenset[str]:
        """Look for the lexicon's words."""
        return frozenset(span.concept for span in self.labeller.spans(text))

    def words(self, text: str, concept: str) -> list[tuple[int, int]]:
        """Look for the lexicon's words."""
        return [(span.start, span.end) for span in self.labeller.spans(text) if span.concept == concept]


def judge_for(run: Run, lexicon: Path | str | None = None) -> Judge:
    """Choose who judges a run's texts: the stories' judge if it learnt stories, else a lexicon.

    lexicon: a file; without one, that of general English. Given one, it judges stories too.
    """
    if lexicon is not None:
        return LexiconJudge(read_lexicon(lexicon))
    return StoryJudge() if all_stories(run.settings.data) else LexiconJudge(english())


class Target(NamedTuple):
    """A concept that is steered towards."""

    name: str
    tokens: Tensor
    """Ids of the token types that mostly stand for it; may be none, where only the context tells."""
    word: str
    """The word that tells it best, for a prompt."""


@dataclass(frozen=True)
class LabelledText:
    """The text of an index, with the concepts that its tokens carry."""

    packed: Packed
    labels: "ConceptLabels"
    judge: Judge
    tokenizer: Any

    @property
    def names(self) -> tuple[str, ...]:
        """The concepts' names."""
        return self.labels.names

    @cached_property
    def ids(self) -> Tensor:
        """int64, shape (tokens,)."""
        return torch.from_numpy(self.packed.tokens.astype(np.int64))

    def target(self, name: str) -> Target:
        """Return a concept's tokens and word. Raises InputError that names similar ones where it is none."""
        concept = self.labels.index(name)
        carried = self.labels.occurrences
        rows = carried.rows[carried.indices == concept]
        count = len(token_bytes(self.tokenizer))
        hits = torch.bincount(self.ids[rows], minlength=count)
        seen = torch.bincount(self.ids, minlength=count)
        own = (hits >= FEWEST) & (hits >= OWN_SHARE * seen)
        return Target(name, own.nonzero().flatten(), self._word(rows))

    def _word(self, rows: Tensor) -> str:
        """Return the word with the best F1 for the tokens in `rows`, in small letters as it stands there."""
        carried = torch.zeros(len(self.ids), dtype=torch.bool)
        carried[rows] = True
        number, words = self._words
        hits = torch.bincount(number[carried & (number >= 0)], minlength=len(words))
        seen = torch.bincount(number[number >= 0], minlength=len(words))
        f1 = 2 * hits / (seen + len(rows)).clamp(min=1)
        return words[int(f1.argmax())] if len(words) and int(hits.sum()) else ""

    @cached_property
    def _words(self) -> tuple[Tensor, list[str]]:
        """Which word each token belongs to (-1: none), and the words: runs of letters and apostrophes."""
        pieces = [piece.decode("utf-8", "replace") for piece in token_bytes(self.tokenizer)]
        starts = {int(one) for one in self.packed.documents[:, 0]}
        words: dict[str, int] = {}
        numbers = torch.full((len(self.ids),), -1)
        begun: list[int] = []

        def close() -> None:
            word = "".join(pieces[int(self.ids[place])] for place in begun).strip().lower()
            if word.isalpha():
                numbers[begun] = words.setdefault(word, len(words))
            begun.clear()

        for place, token in enumerate(self.ids.tolist()):
            piece = pieces[token]
            if place in starts or not piece.strip().isalpha() or piece[:1].isspace():
                close()
            if place not in starts and piece.strip().isalpha():
                begun.append(place)
        close()
        return numbers, list(words)


def labelled_text(
    index: "FeatureIndex", run: Run, tokenizer: Any, judge: Judge, *, tokens: int = MOST_TOKENS
) -> LabelledText:
    """Label the beginning of an index's text with the concepts that a judge knows.

    The documents are found again in the corpus that was indexed. Raises InputError where they are not, and
    CorpusError where that corpus is not here, as with a model that ships without its text.
    """
    ends = np.append(index.starts[1:], index.n_tokens)
    count = min(len(ends), 1 + int(np.searchsorted(ends, tokens)))
    sizes = index.ask("SELECT bytes FROM documents ORDER BY document")["bytes"].to_numpy()[:count]
    documents = np.stack([index.starts[:count], sizes], axis=1).astype(np.int64)
    about = {"tokens_sha256": index.about["corpus"]["sha256"]}
    asked = index.about.get("request", {}).get("data")
    packed = Packed(index.tokens[: int(ends[count - 1])], documents, about)
    sources = documents_behind(run, asked)
    try:
        labels = label(packed, tokenizer, sources, [judge.labeller])
    except CorpusError as error:
        raise CorpusError(
            f"the text of {index.path} is not here, so what it says cannot be labelled ({error}); index a "
            f"text that you have, and name its index: topklm index {run.path} --data TEXT --out DIR"
        ) from None
    return LabelledText(packed, labels, judge, tokenizer)
