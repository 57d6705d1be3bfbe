"""Who knows concepts: the story generator, documents, tokens themselves. Words: `lexicon.py`."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import ColumnError
from ..data import Packed
from ..metrics.senses import Word
from ..stories import AMBIGUOUS, CONCEPTS, align
from .labels import ConceptLabels
from .texts import Read, Source, read_packed

MOST_VALUES = 50
FEWEST_DOCUMENTS = 5


class StoryConcepts:
    """The concepts of the labelled stories, as the generator knows them."""

    def __init__(self) -> None:
        self.names = tuple(concept.name for concept in CONCEPTS)
        self.kinds = tuple(concept.kind for concept in CONCEPTS)
        self._places = {name: place for place, name in enumerate(self.names)}

    def mark(self, read: Read) -> Iterator[tuple[int, int]]:
        """Mark the tokens that share a character with a span."""
        for at, concepts in enumerate(align(read.source.spans, read.offsets)):
            for concept in concepts:
                yield at, self._places[concept]


def story_words(labels: ConceptLabels) -> list[Word]:
    """Return the stories' ambiguous words, for `metrics.senses`."""
    return [
        Word(
            word,
            meanings=(labels.index(first), labels.index(second)),
            topics=(labels.index(f"topic:{topics[0]}"), labels.index(f"topic:{topics[1]}")),
        )
        for word, by_topic in AMBIGUOUS.items()
        for topics, (first, second) in [(tuple(by_topic), tuple(by_topic.values()))]
    ]


@dataclass(frozen=True)
class DocumentColumn:
    """A label of whole documents: each value of a column is a concept, carried by all their tokens."""

    column: str
    values: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """`column=value` for each value."""
        return tuple(f"{self.column}={value}" for value in self.values)

    @property
    def kinds(self) -> tuple[str, ...]:
        """All are `document`."""
        return ("document",) * len(self.values)

    def mark(self, read: Read) -> Iterator[tuple[int, int]]:
        """Mark every token of a document whose value is known."""
        value = read.source.labels.get(self.column)
        if value in self.values:
            concept = self.values.index(value)
            yield from ((at, concept) for at in range(len(read.ids)))


def document_columns(
    packed: Packed, tokenizer: Any, sources: Iterable[Source], *, columns: Sequence[str] | None = None
) -> list[DocumentColumn]:
    """Find what a packed text's documents are labelled with: one `DocumentColumn` per column.

    columns: which (default: all). Of each, the values that at least 5 documents have, the 50
    commonest at most; a column of which fewer than two remain is no label and is left out, unless it
    was asked for. Raises ColumnError where a column asked for is not there, or has no such values.
    """
    return columns_among(
        (read.source.labels for read in read_packed(packed, tokenizer, sources)), columns=columns
    )


def columns_among(
    labels: Iterable[Mapping[str, str]], *, columns: Sequence[str] | None = None
) -> list[DocumentColumn]:
    """Find the columns of documents whose labels are at hand, as `document_columns` does."""
    counts: dict[str, Counter[str]] = {}
    for one in labels:
        for column, value in one.items():
            counts.setdefault(column, Counter())[value] += 1
    found = []
    for column in sorted(counts) if columns is None else columns:
        if column not in counts:
            has = ", ".join(sorted(counts)) or "none"
            raise ColumnError(f"documents have no column {column!r}; they have {has}")
        commonest = counts[column].most_common(MOST_VALUES)
        common = [value for value, count in commonest if count >= FEWEST_DOCUMENTS]
        if len(common) >= 2:
            found.append(DocumentColumn(column, tuple(sorted(common))))
        elif columns is not None:
            raise ColumnError(
                f"the column {column!r} tells no documents apart: fewer than two of its values stand in "
                f"{FEWEST_DOCUMENTS} documents"
            )
    return found


class KeptLabels:
    """Marks nothing, but keeps what the first documents are labelled with, while other labellers mark."""

    names: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def __init__(self, documents: int) -> None:
        self.documents = documents
        self.labels: list[Mapping[str, str]] = []

    def mark(self, read: Read) -> Iterator[tuple[int, int]]:
        """Keep the document's labels."""
        if read.number < self.documents:
            self.labels.append(read.source.labels)
        return iter(())


@dataclass(frozen=True)
class TokenClasses:
    """What a token is by its own characters and its place.

    context: the length of the blocks the model reads, to mark their first tokens; without it, those
    are not marked.
    """

    context: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The classes' names, each `token:...`."""
        classes = ("part of word", "punctuation", "capital", "digit", "sentence start", "document start")
        return tuple(f"token:{name}" for name in (*classes, *(["block start"] if self.context else [])))

    @property
    def kinds(self) -> tuple[str, ...]:
        """All are `token`."""
        return ("token",) * len(self.names)

    def mark(self, read: Read) -> Iterator[tuple[int, int]]:
        """Mark the classes of each token."""
        text = read.source.text
        ended = True  # whether a sentence has ended before this token
        for at, (start, end) in enumerate(read.offsets):
            letters = text[start:end].strip()
            before = text[start - 1 : start] if text[start:end][:1].strip() else ""
            classes = (
                bool(_WORDLIKE.match(letters)) and bool(_WORDLIKE.match(before)),
                bool(letters) and not any(letter.isalnum() for letter in letters),
                letters[:1].isupper(),
                any(letter.isdigit() for letter in letters),
                ended and bool(_WORDLIKE.match(letters)),
                at < DOCUMENT_START,
                bool(self.context) and (read.first + 1 + at) % (self.context or 1) < BLOCK_START,
            )
            yield from ((at, concept) for concept, holds in enumerate(classes[: len(self.names)]) if holds)
            if letters:
                closed = letters.rstrip("\"')\u201d\u2019")
                ended = closed[-1:] in (".", "!", "?") or (ended and not _WORDLIKE.match(letters))


_WORDLIKE = re.compile(r"\w")
DOCUMENT_START = 8
BLOCK_START = 4
