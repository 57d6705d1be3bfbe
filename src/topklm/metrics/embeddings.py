"""Embeddings: static vectors of token types from a corpus itself, or any sentence-transformers model.

Whatever embeds has a name, and the name stands beside each number made with it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor
from torch.nn.functional import normalize

from ..core.errors import InputError

WINDOW = 5
DIMENSIONS = 100
FEWEST = 5
"""A token type needs so many occurrences for a vector of its own."""
SMOOTHING = 0.75
CONTEXTS_AT_ONCE = 4096


@runtime_checkable
class Embedder(Protocol):
    """Turns contexts, lists of token ids, into vectors."""

    @property
    def name(self) -> str:
        """What it is called beside every number that is made with it."""
        ...

    def embed(self, contexts: Sequence[Sequence[int]]) -> Tensor:
        """Return one vector for each context: shape (contexts, dimensions)."""
        ...


class StaticVectors(NamedTuple):
    """One vector for each token type; a context's is the mean of its tokens' unit vectors."""

    vectors: Float[Tensor, "token dim"]
    """Zeros for a type too rare to have one."""
    name: str

    def embed(self, contexts: Sequence[Sequence[int]]) -> Float[Tensor, "context dim"]:
        """Average the unit vectors of each context's tokens; zeros where none has a vector."""
        unit = normalize(self.vectors, dim=1)
        known = unit.square().sum(1) > 0
        found = torch.zeros(len(contexts), unit.shape[1])
        for start in range(0, len(contexts), CONTEXTS_AT_ONCE):
            part = contexts[start : start + CONTEXTS_AT_ONCE]
            sizes = torch.tensor([len(context) for context in part])
            ids = torch.tensor([token for context in part for token in context], dtype=torch.int64)
            rows = torch.repeat_interleave(torch.arange(len(part)), sizes)
            sums = torch.zeros(len(part), unit.shape[1]).index_add_(0, rows, unit[ids])
            counts = torch.zeros(len(part)).index_add_(0, rows, known[ids].float())
            found[start : start + len(part)] = sums / counts.clamp(min=1)[:, None]
        return found


class CoOccurrence:
    """Counts which token types stand near which, over a stream, and makes vectors of it.

    Two tokens of one document at most `window` apart are near. Parts of a text, cut between
    documents, merge exactly.
    """

    def __init__(self, vocabulary: int, *, window: int = WINDOW) -> None:
        self.window = window
        self.pairs = sparse.csr_array((vocabulary, vocabulary), dtype=np.int64)
        self.totals = np.zeros(vocabulary, np.int64)

    def update(self, token_ids: Int[Tensor, " row"], documents: Int[Tensor, " row"]) -> None:
        """Count one batch; pairs across two batches are not seen."""
        ids, numbers = token_ids.numpy().astype(np.int64), documents.numpy()
        size = len(self.totals)
        self.totals += np.bincount(ids, minlength=size)
        for apart in range(1, self.window + 1):
            same = numbers[apart:] == numbers[:-apart]
            first, second = ids[:-apart][same], ids[apart:][same]
            ones = np.ones(len(first), np.int64)
            counted = sparse.coo_array((ones, (first, second)), shape=(size, size)).tocsr()
            self.pairs = self.pairs + counted + counted.T.tocsr()

    def merge(self, other: "CoOccurrence") -> None:
        """Add the counts of another part of the text."""
        self.pairs = self.pairs + other.pairs
        self.totals += other.totals

    def vectors(self, *, dimensions: int = DIMENSIONS, seed: int = 0) -> StaticVectors:
        """Turn counts into vectors: PPMI, truncated SVD, rows of U sqrt(S).

        PPMI(v, c) = max(0, log p(v, c) / (p(v) q(c))), q(c) proportional to the count of c to the
        power 0.75. Types with fewer than 5 occurrences get zeros. Raises InputError where the text
        is too small for any vector. Source: Levy, Goldberg, Dagan 2015.
        """
        from scipy.sparse.linalg import svds

        known = np.flatnonzero(self.totals >= FEWEST)
        dimensions = min(dimensions, len(known) - 1)
        if dimensions < 1:
            raise InputError(
                f"the text is too small for word vectors: {len(known)} token types occur {FEWEST} times; "
                "give more text"
            )
        matrix = ppmi(self.pairs[known][:, known])
        start = np.random.default_rng(seed).normal(size=len(known))
        left, strength, _ = svds(matrix, k=dimensions, v0=start)
        order = np.argsort(-strength)
        scaled = left[:, order] * np.sqrt(strength[order])
        found = torch.zeros(len(self.totals), dimensions)
        found[torch.from_numpy(known)] = torch.from_numpy(scaled).float()
        kind = f"window {self.window}, {dimensions} dimensions, {int(self.totals.sum())} tokens"
        return StaticVectors(found, f"ppmi-svd ({kind})")


class SentenceModel:
    """A sentence-transformers model by path or name. Raises InputError where it cannot be had.

    decode: turns token ids into text.
    """

    def __init__(self, path: str, decode: Callable[[Sequence[int]], str]) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise InputError(
                f"embedding with {path!r} needs sentence-transformers; pip install sentence-transformers, "
                "or leave it out to use vectors of the corpus itself"
            ) from None
        try:
            self.model = SentenceTransformer(path)
        except Exception as error:  # it raises many kinds; the user needs the cause
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"the embedding model {path!r} cannot be loaded: {reason}") from error
        self.name = path
        self.decode = decode

    def embed(self, contexts: Sequence[Sequence[int]]) -> Float[Tensor, "context dim"]:
        """Embed the text of each context."""
        texts = [self.decode(context) for context in contexts]
        found: Any = self.model.encode(texts, convert_to_numpy=True, show_progress_bar=False)
        return torch.from_numpy(np.asarray(found, np.float32))


def ppmi(counts: sparse.csr_array) -> sparse.csr_array:
    """Return the positive pointwise mutual information of symmetric counts, base 2."""
    found = counts.tocoo().astype(np.float64)
    totals = np.asarray(counts.sum(1), np.float64)
    smoothed = totals**SMOOTHING
    smoothed /= max(smoothed.sum(), 1e-300)
    values = np.log2(found.data / (totals[found.row] * smoothed[found.col]))
    keep = values > 0
    return sparse.coo_array((values[keep], (found.row[keep], found.col[keep])), shape=found.shape).tocsr()


def semantic_classes(vectors: StaticVectors, *, classes: int = 50, seed: int = 0) -> Int[Tensor, " token"]:
    """Put each token type into one of `classes` clusters of its vector's direction (k-means).

    Types without a vector get a class each, so that they lower no entropy.
    """
    from sklearn.cluster import KMeans

    known = (vectors.vectors.square().sum(1) > 0).numpy()
    unit = normalize(vectors.vectors, dim=1).numpy()[known]
    # types that only ever stand together point the same way: no more clusters than directions
    count = min(classes, len(np.unique(unit.round(5), axis=0)))
    found = np.arange(len(known)) + count
    if count:
        found[known] = KMeans(count, n_init=3, random_state=seed).fit_predict(unit)
    return torch.from_numpy(np.unique(found, return_inverse=True)[1])
