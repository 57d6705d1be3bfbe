"""Concept labels: the one currency for which tokens of a packed text carry which concepts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from ..core.errors import InputError
from ..data import Packed
from ..metrics.batch import Batch
from ..model import SparseCodes
from .resolve import resolve_name
from .texts import Read, Source, read_packed

BATCH_TOKENS = 65_536


class Labeller(Protocol):
    """Knows some concepts and marks the tokens of a document that carry them."""

    @property
    def names(self) -> Sequence[str]:
        """The concepts' names."""
        ...

    @property
    def kinds(self) -> Sequence[str]:
        """What each one is: `lexical`, `contextual`, `mixed` (stories), `lexicon`, `document`, `token`."""
        ...

    def mark(self, read: Read) -> Iterable[tuple[int, int]]:
        """Yield (token, concept): the place in `read.ids`, the place in `names`."""
        ...


@dataclass(frozen=True, eq=False)
class ConceptLabels:
    """Which tokens of a stretch of a packed text carry which concepts.

    labels = label(packed, tokenizer, Sources.of(packed), [english(), TokenClasses()])
    labels.absent                       # concepts that never occur
    batch = labels.batch(codes, ids)    # what the metrics read
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    """Where each concept comes from, see `Labeller.kinds`."""
    occurrences: SparseCodes
    """An entry (token, concept) of value 1 wherever a token carries a concept."""
    documents: Tensor
    """int64, shape (tokens,): the number of each token's document; its boundary belongs to it."""
    corpus: str
    """SHA-256 of the whole packed text's tokens."""
    start: int = 0
    """Place of the first token in the packed text."""

    def __len__(self) -> int:
        """Count the tokens."""
        return len(self.occurrences)

    def __getitem__(self, tokens: slice) -> "ConceptLabels":
        """Return the labels of a contiguous run of tokens."""
        start = range(len(self))[tokens].start
        return replace(
            self,
            occurrences=self.occurrences[tokens],
            documents=self.documents[tokens],
            start=self.start + start,
        )

    @property
    def counts(self) -> Tensor:
        """Tokens that carry each concept: int64, shape (concepts,)."""
        return torch.bincount(self.occurrences.indices.long(), minlength=len(self.names))

    @property
    def absent(self) -> list[str]:
        """Concepts that never occur here; nothing can be said of them."""
        return [name for name, count in zip(self.names, self.counts.tolist(), strict=True) if not count]

    def index(self, name: str) -> int:
        """Return a concept's number, by its name as `resolve_name` reads it."""
        return self.names.index(resolve_name(self.names, name))

    def select(self, names: Sequence[str]) -> "ConceptLabels":
        """Return the labels of some concepts, in the order given. Raises InputError where one is missing."""
        chosen = [self.index(name) for name in names]
        place = torch.full((len(self.names),), -1)
        place[chosen] = torch.arange(len(chosen))
        rows, indices = self.occurrences.rows, place[self.occurrences.indices.long()]
        kept = indices >= 0
        return replace(
            self,
            names=tuple(self.names[index] for index in chosen),
            kinds=tuple(self.kinds[index] for index in chosen),
            occurrences=pairs_to_codes(rows[kept], indices[kept], len(self), len(chosen)),
        )

    def require(self, corpus: str) -> None:
        """Raise InputError where the labels belong to another text than the one with this hash."""
        if corpus != self.corpus:
            raise InputError(
                f"these labels belong to another text ({self.corpus[:12]}) than these codes ({corpus[:12]}); "
                "make both from the same packed text"
            )

    def batch(self, codes: SparseCodes, token_ids: Tensor) -> Batch:
        """Put codes and token ids of the same tokens beside the labels, as metrics read them."""
        if not len(codes) == len(token_ids) == len(self):
            raise InputError(f"{len(self)} labelled tokens do not fit {len(codes)} codes")
        return Batch(codes, token_ids, self.documents, self.occurrences, self.start)

    @classmethod
    def cat(cls, parts: Sequence["ConceptLabels"]) -> "ConceptLabels":
        """Put labels of consecutive stretches of one text after each other."""
        if not parts:
            raise ValueError("cat needs at least one part")
        ends = [part.start + len(part) for part in parts[:-1]]
        if ends != [part.start for part in parts[1:]] or len({(one.names, one.corpus) for one in parts}) > 1:
            raise ValueError("cat needs consecutive stretches of one text with the same concepts")
        return replace(
            parts[0],
            occurrences=SparseCodes.cat([part.occurrences for part in parts]),
            documents=torch.cat([part.documents for part in parts]),
        )


def label(
    packed: Packed, tokenizer: Any, sources: Iterable[Source], labellers: Sequence[Labeller]
) -> ConceptLabels:
    """Label a whole packed text, in memory: some 40 bytes a token. For long ones: `label_batches`."""
    return ConceptLabels.cat(list(label_batches(packed, tokenizer, sources, labellers)))


def label_batches(
    packed: Packed,
    tokenizer: Any,
    sources: Iterable[Source],
    labellers: Sequence[Labeller],
    *,
    tokens: int = BATCH_TOKENS,
) -> Iterator[ConceptLabels]:
    """Label a packed text stretch by stretch, each whole documents and about `tokens` long.

    sources: the corpus it was packed from, `Sources.of(packed)`. Raises InputError where it is
    another. What a token carries depends on its document alone.
    """
    names, kinds = _names(labellers)
    corpus = str(packed.about["tokens_sha256"])
    places: list[tuple[int, int]] = []
    documents: list[int] = []
    start = 0

    def made() -> ConceptLabels:
        pairs = torch.tensor(places, dtype=torch.int64).reshape(-1, 2)
        occurrences = pairs_to_codes(pairs[:, 0] - start, pairs[:, 1], len(documents), len(names))
        return ConceptLabels(names, kinds, occurrences, torch.tensor(documents), corpus, start)

    for read in read_packed(packed, tokenizer, sources):
        before = 0
        for labeller in labellers:
            places += [(read.first + 1 + at, before + concept) for at, concept in labeller.mark(read)]
            before += len(labeller.names)
        documents += [read.number] * (1 + len(read.ids))
        if len(documents) >= tokens:
            yield made()
            start += len(documents)
            places, documents = [], []
    if documents:
        yield made()


def _names(labellers: Sequence[Labeller]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Join the labellers' concepts; of two with one name, the later gets its kind added."""
    found: dict[str, str] = {}
    for one in labellers:
        for name, kind in zip(one.names, one.kinds, strict=True):
            free = f"{name} ({kind})" if name in found else name
            if free in found:
                raise InputError(f"two concepts are named {free!r}; rename one")
            found[free] = kind
    return tuple(found), tuple(found.values())


def pairs_to_codes(rows: Tensor, concepts: Tensor, n_rows: int, n_concepts: int) -> SparseCodes:
    """Make occurrences of (token, concept) pairs in any order; repeated ones count once."""
    keys = torch.unique(rows * n_concepts + concepts)
    rows, indices = keys // max(n_concepts, 1), keys % max(n_concepts, 1)
    counts = torch.bincount(rows, minlength=n_rows)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return SparseCodes(offsets, indices.int(), torch.ones(len(keys)), n_concepts)
