"""The token-type oracle: the best F1 that knowing the token type alone gives, and families of concepts."""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

from .batch import Batch, checked, labels_of

LEXICAL = 0.9
CONTEXTUAL = 0.5
FAMILIES = ("lexical", "mixed", "contextual")


class Oracle(NamedTuple):
    """How well knowing the token type alone tells each concept."""

    f1: Float[Tensor, " concept"]
    """NaN for a concept that never occurs."""
    n_types: Int[Tensor, " concept"]
    """Token types that the best threshold takes."""
    positives: Int[Tensor, " concept"]
    n_tokens: int

    @property
    def families(self) -> list[str]:
        """Return each concept's family: `lexical` (F1 >= 0.9), `contextual` (< 0.5), else `mixed`.

        A concept that never occurs is `absent`.
        """
        return [_family(f1) for f1 in self.f1.tolist()]


class TypeOracle:
    """Counts token types and the concepts they carry over a stream; parts merge exactly.

    Memory: vocabulary * (1 + concepts per type).
    """

    def __init__(self, vocabulary: int, n_concepts: int) -> None:
        self.totals = np.zeros(vocabulary, np.int64)
        self.carrying = sparse.csr_array((vocabulary, n_concepts), dtype=np.int64)

    def update(self, batch: Batch) -> None:
        """Count one batch."""
        batch = checked(batch)
        labels = labels_of(batch)
        vocabulary, n_concepts = self.carrying.shape
        types = batch.token_ids.numpy().astype(np.int64)
        self.totals += np.bincount(types, minlength=vocabulary)
        pairs = (np.repeat(types, labels.counts.numpy()), labels.indices.numpy())
        ones = np.ones(len(pairs[0]), np.int64)
        self.carrying = self.carrying + sparse.coo_array((ones, pairs), (vocabulary, n_concepts)).tocsr()

    def merge(self, other: "TypeOracle") -> None:
        """Add the counts of another part of the text."""
        self.totals += other.totals
        self.carrying = self.carrying + other.carrying

    def result(self) -> Oracle:
        """Rank each concept's token types by the share that carries it; the best cut's F1 is the oracle.

        It is read on the very text counted, so it bounds from above whoever knows only the type.
        """
        columns = self.carrying.tocsc()
        n_concepts = columns.shape[1]
        f1, n_types = np.full(n_concepts, np.nan), np.zeros(n_concepts, np.int64)
        positives = columns.sum(0)
        for concept in range(n_concepts):
            part = slice(columns.indptr[concept], columns.indptr[concept + 1])
            hits, types = columns.data[part], columns.indices[part]
            if not len(hits):
                continue
            order = np.argsort(-hits / self.totals[types], kind="stable")
            scores = 2 * hits[order].cumsum() / (self.totals[types][order].cumsum() + positives[concept])
            f1[concept], n_types[concept] = scores.max(), scores.argmax() + 1
        return Oracle(
            f1=torch.from_numpy(f1),
            n_types=torch.from_numpy(n_types),
            positives=torch.from_numpy(positives),
            n_tokens=int(self.totals.sum()),
        )


def _family(f1: float) -> str:
    if math.isnan(f1):
        return "absent"
    return "lexical" if f1 >= LEXICAL else "contextual" if f1 < CONTEXTUAL else "mixed"
