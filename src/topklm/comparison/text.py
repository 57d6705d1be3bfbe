"""The text that every source is measured on: its tokens, what they carry, and what follows from those alone.

Concepts to probe, classes of words and embeddings are chosen here, once, so that no source has a say in them.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

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
    label_batches,
    read_lexicon,
    story_words,
)
from ..concepts.labellers import DocumentColumn, KeptLabels, columns_among
from ..core.errors import InputError
from ..core.hashing import hashed
from ..core.progress import counted
from ..data import Packed
from ..data.tokenizer import token_bytes
from ..index.text import documents_behind, find_text, spec_of
from ..metrics.batch import Batch, halves
from ..metrics.embeddings import CoOccurrence, Embedder, SentenceModel, semantic_classes
from ..metrics.oracle import FAMILIES, Oracle, TypeOracle
from ..metrics.probing import FEWEST
from ..metrics.senses import Word
from ..model import SparseCodes
from ..training import Loaded, Run
from .stored import DocumentOf, StoredLabels

if TYPE_CHECKING:
    from .measuring import Settings

MOST_DOCUMENTS = 2_000
"""Documents whose labels are probed, at most: the first ones."""
CLASSES = 50
DEFAULT_TOKENS = 200_000


class DocumentLabels(NamedTuple):
    """What the first documents are labelled with."""

    names: tuple[str, ...]
    """`column=value`."""
    occurrences: SparseCodes
    """An entry (document, value) of value 1 wherever a document has a value."""

    @property
    def digest(self) -> str:
        """A SHA-256 of which document has which value."""
        seen = hashlib.sha256()
        for part in (self.occurrences.rows, self.occurrences.indices):
            seen.update(np.ascontiguousarray(part.numpy(), "<i8").tobytes())
        return seen.hexdigest()


@dataclass(frozen=True)
class MeasuredText:
    """A text with all that is known of it before any model reads it."""

    packed: Packed
    spec: list[str]
    sha256: str
    """Of its token ids."""
    names: tuple[str, ...]
    """The concepts."""
    kinds: tuple[str, ...]
    absent: list[str]
    """Concepts that never occur: nothing is said of them."""
    labels: StoredLabels
    oracle: Oracle
    embedder: Embedder
    classes: Tensor
    """The class of each token type, for semantic entropy."""
    class_name: str
    probed: tuple[int, ...]
    """The concepts that are probed: evenly many of each family, drawn among those with enough examples."""
    words: list[Word]
    """Ambiguous words; only stories have any."""
    documents: DocumentLabels | None
    pieces: list[bytes]
    """The bytes of each token type."""

    @property
    def document_of(self) -> DocumentOf:
        """The number of each token's document."""
        return DocumentOf(self.packed)

    def decode(self, ids: Sequence[int] | int) -> str:
        """Turn tokens into text."""
        return decoded(self.pieces, [ids] if isinstance(ids, int) else ids)


def find_measured(
    loaded: Loaded,
    directory: Path,
    settings: "Settings",
    *,
    say: Callable[[str], None],
    console: Console | None,
) -> MeasuredText:
    """Find the text, label it, and draw from both what does not depend on any source.

    directory: what is stored of the labels lies there. Raises InputError where text, lexicon, columns or
    embedding cannot be had, or none of the concepts occurs.
    """
    run, tokenizer = loaded.run, loaded.tokenizer
    pieces = token_bytes(tokenizer)
    embedder: Embedder | None = None
    if settings.embedding is not None:
        embedder = SentenceModel(settings.embedding, lambda ids: decoded(pieces, ids))
    spec = spec_of(run, settings.data)
    labellers = labellers_for(settings, spec, loaded.model.config.max_position_embeddings)
    text = find_text(
        tokenizer,
        directory / "text",
        run=run,
        data=settings.data,
        tokens=tokens_wanted(settings, run),
        console=console,
    )
    kept = KeptLabels(MOST_DOCUMENTS)
    counts = _Counts(text.packed, len(pieces))
    sources = documents_behind(run, settings.data)
    with counted(console, "labelling", unit="tokens", total=len(text.packed.tokens)) as report:
        for part in label_batches(text.packed, tokenizer, sources, [*labellers, kept]):
            counts.update(part, directory)
            report(part.start + len(part))
    first = counts.first
    assert first is not None
    absent = absent_concepts(first.names, counts.carried, where=text.words, say=say)
    oracle = counts.oracle.result()
    vectors = counts.words.vectors()
    return MeasuredText(
        text.packed,
        text.spec,
        text.sha256,
        first.names,
        first.kinds,
        absent,
        counts.labels,
        oracle,
        vectors if embedder is None else embedder,
        semantic_classes(vectors, classes=CLASSES),
        f"{CLASSES} clusters of {vectors.name}",
        choose_probed(counts.halves, oracle, settings.probed),
        story_words(first) if isinstance(labellers[0], StoryConcepts) else [],
        label_documents(kept, columns_among(kept.labels, columns=settings.labels)),
        pieces,
    )


def absent_concepts(
    names: Sequence[str], carried: Sequence[int], *, where: str, say: Callable[[str], None]
) -> list[str]:
    """List concepts that no token carries, and say so. Raises InputError where that is all of them."""
    absent = [name for name, count in zip(names, carried, strict=True) if not count]
    if len(absent) == len(names):
        raise InputError(f"none of the {len(absent)} concepts occurs in {where}; give another lexicon")
    if absent:
        shown = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
        say(f"{len(absent)} of {len(names)} concepts never occur here and are left out: {shown}")
    return absent


def tokens_wanted(settings: "Settings", run: Run) -> int:
    """Return how much text to read where nothing is said: not more than the run has packed of its own."""
    if settings.tokens is not None:
        return settings.tokens
    own = run.about.get("corpus", {}).get("validation", {}).get("tokens", DEFAULT_TOKENS)
    return DEFAULT_TOKENS if settings.data else min(DEFAULT_TOKENS, int(own))


def labellers_for(settings: "Settings", spec: Sequence[str], context: int) -> list[Any]:
    """Choose who knows concepts: the generator on stories, else a lexicon; a lexicon given always; classes.

    spec: the corpus of the text. Raises InputError where the lexicon cannot be read.
    """
    told = all_stories(spec)
    found: list[Any] = [StoryConcepts()] if told else []
    if settings.lexicon is not None:
        found.append(read_lexicon(settings.lexicon))
    elif not told:
        found.append(english())
    return [*found, TokenClasses(context=context)]


def choose_probed(counts: "HalfCounts", oracle: Oracle, wanted: int) -> tuple[int, ...]:
    """Draw concepts to probe: `wanted` of each family, among those with enough examples on both halves."""
    enough = (counts.carried >= FEWEST).all(0) & (counts.tokens[:, None] - counts.carried >= FEWEST).all(0)
    families = oracle.families
    found: list[int] = []
    for family in FAMILIES:
        members = [one for one in np.flatnonzero(enough).tolist() if families[one] == family]
        order = np.argsort(hashed(np.array(members, np.int64)), kind="stable")[:wanted]
        found += [members[place] for place in order.tolist()]
    return tuple(sorted(found))


def label_documents(kept: KeptLabels, columns: Sequence[DocumentColumn]) -> DocumentLabels | None:
    """Put down which of the kept documents has which value; None where nothing tells documents apart."""
    names = tuple(name for column in columns for name in column.names)
    if not names:
        return None
    table = torch.zeros(len(kept.labels), len(names))
    for row, labels in enumerate(kept.labels):
        for column in columns:
            if (value := labels.get(column.column)) in column.values:
                table[row, names.index(f"{column.column}={value}")] = 1
    return DocumentLabels(names, SparseCodes.from_dense(table))


class HalfCounts(NamedTuple):
    """How many tokens carry each concept, on each half of the documents."""

    carried: np.ndarray[Any, Any]
    """Shape (2, concepts)."""
    tokens: np.ndarray[Any, Any]
    """Shape (2,)."""


class _Counts:
    """What is counted while the labels go by."""

    labels: StoredLabels
    oracle: TypeOracle
    halves: HalfCounts

    def __init__(self, packed: Packed, vocabulary: int) -> None:
        self.packed, self.vocabulary = packed, vocabulary
        self.words = CoOccurrence(vocabulary)
        self.first: ConceptLabels | None = None

    @property
    def carried(self) -> list[int]:
        """How many tokens carry each concept."""
        total: list[int] = self.halves.carried.sum(0).tolist()
        return total

    def update(self, part: ConceptLabels, directory: Path) -> None:
        """Count one stretch, and store its labels."""
        count = len(part.names)
        if self.first is None:
            self.first = part[:0]
            self.labels = StoredLabels(directory, concepts=count)
            self.oracle = TypeOracle(self.vocabulary, count)
            self.halves = HalfCounts(np.zeros((2, count), np.int64), np.zeros(2, np.int64))
        self.labels.append(part)
        ids = torch.from_numpy(
            np.asarray(self.packed.tokens[part.start : part.start + len(part)]).astype(np.int64)
        )
        nothing = SparseCodes(
            torch.zeros(len(part) + 1, dtype=torch.int64), torch.zeros(0).int(), torch.zeros(0), 1
        )
        self.oracle.update(Batch(nothing, ids, part.documents, part.occurrences, part.start))
        self.words.update(ids, part.documents)
        half = halves(part.documents)
        rows, concepts = part.occurrences.rows.numpy(), part.occurrences.indices.numpy()
        np.add.at(self.halves.carried, (half[rows], concepts), 1)
        np.add.at(self.halves.tokens, half, 1)


def decoded(pieces: Sequence[bytes], ids: Sequence[int]) -> str:
    """Turn tokens into text; a part of a character becomes U+FFFD."""
    return b"".join(pieces[one] for one in ids).decode("utf-8", "replace")
