"""Concept scores: how well each feature's activation tells each concept, by average precision and F1.

Here: counting over a stream and the scores of all pairs, on each half of the documents.
What is made of them (labels of features, coverage): `labelled.py`. Their null: `null.py`.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

from ..model import SparseCodes
from .batch import Array, Batch, checked, halves, labels_of, positive

OCTAVE_BITS = 3
"""Activations are told apart to 2**3 steps per doubling, unless counts are exact."""
FLOAT_BITS = 23
TOP = np.int64(2**31 - 1)
INFINITE = np.int32(0x7F800000)  # the bits of infinity
CONCEPTS_AT_ONCE = 32


class ConceptScores(NamedTuple):
    """Scores of every (feature, concept) on each half of the documents."""

    f1: Float[Tensor, "half feature concept"]
    """Best F1 over thresholds on the activation; 0 where the feature never fires on the concept."""
    threshold: Float[Tensor, "half feature concept"]
    """The activation from which up the best F1 is had; infinite where F1 is 0."""
    average_precision: Float[Tensor, "half feature concept"]
    positives: Int[Tensor, "half concept"]
    firings: Int[Tensor, "half feature"]
    n_tokens: Int[Tensor, " half"]


class Counts(NamedTuple):
    """What scores are made of; halves of documents are columns."""

    keys: Array
    """(feature, level of activation), ascending with the feature and falling with activation."""
    firings: Array
    """Firings of each key: shape (keys, 2)."""
    hits: sparse.csr_array
    """Firings of each key on each concept: shape (keys, 2 * concepts)."""
    positives: Array
    """Tokens of each concept: shape (2 * concepts,)."""
    n_tokens: Array


class Levels(NamedTuple):
    """Codes as keys of features and levels of activation."""

    keys: Array
    places: sparse.csr_array
    """Ones where a token has a key: shape (tokens, keys)."""


class ConceptCounts:
    """Counts firings and hits per (feature, level of activation, concept, half) over a stream.

    The half is a hash of the document's number. Levels are the activation's float32 cut to 3 bits
    after the leading one (steps of at most 12.5 %), so that memory is bounded by the model and the
    labels; with exact=True every value is a level of its own, and memory grows with the text. In
    either case counts of parts merge exactly.

        counts = ConceptCounts(width, n_concepts)
        for batch in stream: counts.update(batch)
        counts.result().f1
    """

    def __init__(self, width: int, n_concepts: int, *, exact: bool = False, seed: int = 0) -> None:
        self.width, self.n_concepts, self.exact, self.seed = width, n_concepts, exact, seed
        self.keys = np.zeros(0, np.int64)
        self.firings = np.zeros((0, 2), np.int64)
        self.hits = sparse.csr_array((0, 2 * n_concepts), dtype=np.int64)
        self.positives = np.zeros(2 * n_concepts, np.int64)
        self.n_tokens = np.zeros(2, np.int64)

    def update(self, batch: Batch) -> None:
        """Count one batch. Raises ValueError where its widths are not the ones expected."""
        batch = checked(batch)
        labels = labels_of(batch)
        if (batch.codes.width, labels.width) != (self.width, self.n_concepts):
            raise ValueError(
                f"expected {self.width} features and {self.n_concepts} concepts, "
                f"not {batch.codes.width} and {labels.width}"
            )
        half = halves(batch.documents, seed=self.seed)
        levels = levels_of(batch.codes, exact=self.exact)
        marks = label_marks(labels, half)
        self.positives += marks.sum(0, dtype=np.int64)
        self.n_tokens += np.bincount(half, minlength=2)
        self._add(levels.keys, firings_of(levels, half), hits_of(levels, marks))

    def merge(self, other: "ConceptCounts") -> None:
        """Add the counts of another part of the text."""
        same = ("width", "n_concepts", "exact", "seed")
        if any(getattr(self, name) != getattr(other, name) for name in same):
            raise ValueError(f"only counts with the same {', '.join(same)} can be merged")
        self.positives += other.positives
        self.n_tokens += other.n_tokens
        self._add(other.keys, other.firings, other.hits)

    def result(self) -> ConceptScores:
        """Turn the counts into scores."""
        counts = Counts(self.keys, self.firings, self.hits, self.positives, self.n_tokens)
        return curves(counts, width=self.width, exact=self.exact)

    def _add(self, keys: Array, firings: Array, hits: sparse.csr_array) -> None:
        union = np.union1d(self.keys, keys)
        here, there = np.searchsorted(union, self.keys), np.searchsorted(union, keys)
        summed = np.zeros((len(union), 2), np.int64)
        summed[here] += self.firings
        summed[there] += firings
        self.hits = _spread(self.hits, here, len(union)) + _spread(hits, there, len(union))
        self.keys, self.firings = union, summed


def concept_scores(batch: Batch, *, seed: int = 0) -> ConceptScores:
    """Score every feature on every concept of a text in memory, with exact thresholds.

    With a threshold s, a token is claimed where a(n, t) >= s. Precision and recall follow, F1 is
    their harmonic mean, taken at the best s > 0. Average precision is the sum over falling s of
    (rise in recall) * precision, tokens without a firing coming last, all at once. Source: design
    of topklm; average precision as in scikit-learn, which the tests compare with.
    """
    counts = ConceptCounts(batch.codes.width, labels_of(batch).width, exact=True, seed=seed)
    counts.update(batch)
    return counts.result()


def levels_of(codes: SparseCodes, *, exact: bool) -> Levels:
    """Sort the positive entries of codes into levels of activation."""
    codes = positive(codes)
    # positive floats sort like their bits; cut to a few bits after the leading one, they are levels
    bits = np.ascontiguousarray(codes.values.float().numpy()).view(np.int32).astype(np.int64)
    if not exact:
        bits = bits >> (FLOAT_BITS - OCTAVE_BITS)
    features = codes.indices.numpy().astype(np.int64)
    keys, place = _distinct(features, TOP - bits, width=codes.width)
    shape = (len(codes), len(keys))
    ones = np.ones(len(place), np.int64)
    return Levels(keys, sparse.csr_array((ones, place, codes.offsets.numpy()), shape=shape))


def _distinct(features: Array, levels: Array, *, width: int) -> tuple[Array, Array]:
    """Return the keys there are, ascending, and each firing's place among them.

    As np.unique with its inverse, but by counting where the levels are few: sorting a million firings took
    six times as long.
    """
    lowest = int(levels.min(initial=TOP))
    span = max(int(levels.max(initial=0)) - lowest + 1, 1)
    if width * span > 4 * len(levels):
        keys, place = np.unique((features << 32) | levels, return_inverse=True)
        return keys, place
    cells = features * span + (levels - lowest)
    there = np.bincount(cells, minlength=width * span) > 0
    found = np.flatnonzero(there)
    return ((found // span) << 32) | (found % span + lowest), (there.cumsum() - 1)[cells]


def label_marks(labels: SparseCodes, half: Array) -> sparse.csr_array:
    """Return ones where a token carries a concept: shape (tokens, 2 * concepts), half after half."""
    rows = np.repeat(half, labels.counts.numpy())
    columns = labels.indices.numpy() + rows * labels.width
    ones = np.ones(len(columns), np.int64)
    shape = (len(labels), 2 * labels.width)
    return sparse.csr_array((ones, columns, labels.offsets.numpy()), shape=shape)


def firings_of(levels: Levels, half: Array) -> Array:
    """Count the firings of each key on each half: shape (keys, 2)."""
    rows = np.repeat(half, np.diff(levels.places.indptr))
    counts = np.bincount(levels.places.indices * 2 + rows, minlength=2 * len(levels.keys))
    return counts.reshape(-1, 2)


def hits_of(levels: Levels, marks: sparse.csr_array) -> sparse.csr_array:
    """Count the tokens that have both a key and a concept: shape (keys, 2 * concepts)."""
    return (levels.places.T.tocsr() @ marks).tocsr()


def curves(counts: Counts, *, width: int, exact: bool) -> ConceptScores:
    """Turn counts into scores."""
    features = counts.keys >> 32
    claimed = _claimed(features, counts.firings)
    n_concepts = len(counts.positives) // 2
    shares = counts.positives / np.repeat(np.maximum(counts.n_tokens, 1), n_concepts)
    shape = (2, width, n_concepts)
    f1, bits = np.zeros(shape, np.float32), np.full(shape, INFINITE, np.int32)
    # tokens without a firing come last, all at once, with the concept's share as precision
    precision = np.broadcast_to(shares.reshape(2, 1, n_concepts), shape).astype(np.float32)
    columns = counts.hits.tocsc()
    for start in range(0, 2 * n_concepts, CONCEPTS_AT_ONCE):
        key, column, hit = _block(columns, start)
        first = np.flatnonzero(np.diff(column * width + features[key], prepend=-1))
        if not len(first):
            continue
        half, concept = column // n_concepts, column % n_concepts
        group = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(key))))
        summed = hit.cumsum()
        true = summed - (summed - hit)[first][group]
        taken, positives = claimed[key, half], counts.positives[column]
        score = 2 * true / (taken + positives)
        best = np.maximum.reduceat(score, first)
        at = np.flatnonzero(score == best[group])
        at = at[np.unique(group[at], return_index=True)[1]]  # the highest of equally good thresholds
        where = (half[first], features[key[first]], concept[first])
        f1[where] = best
        bits[where] = TOP - (counts.keys[key[at]] & TOP)
        rise = hit / positives
        precision[where] = np.add.reduceat(rise * true / taken, first)
        precision[where] += (1 - np.add.reduceat(rise, first)) * shares[column[first]]
    if not exact:  # the activation where the level begins
        bits = np.where(bits == INFINITE, bits, bits << (FLOAT_BITS - OCTAVE_BITS))
    return ConceptScores(
        f1=torch.from_numpy(f1),
        threshold=torch.from_numpy(bits.view(np.float32)),
        average_precision=torch.from_numpy(precision),
        positives=torch.from_numpy(counts.positives.reshape(2, n_concepts).copy()),
        firings=torch.from_numpy(_per_feature(features, counts.firings, width)),
        n_tokens=torch.from_numpy(counts.n_tokens.copy()),
    )


def _claimed(features: Array, firings: Array) -> Array:
    """Count, for each key, the firings of its feature at this level or above: shape (keys, 2)."""
    below = np.searchsorted(features, features)  # the first key of each key's feature
    before = np.vstack([np.zeros((1, 2), np.int64), firings.cumsum(0)])
    claimed: Array = before[1:] - before[below]
    return claimed


def _block(columns: sparse.csc_array, start: int) -> tuple[Array, Array, Array]:
    """Return the entries of some concepts' columns: key, column and hits, column after column."""
    block = columns[:, start : start + CONCEPTS_AT_ONCE]
    block.sort_indices()  # nothing to do where they are sorted already
    column = np.repeat(np.arange(start, start + block.shape[1]), np.diff(block.indptr))
    return block.indices, column, block.data


def _per_feature(features: Array, firings: Array, width: int) -> Array:
    return np.stack([np.bincount(features, column, minlength=width) for column in firings.T]).astype(np.int64)


def _spread(matrix: sparse.csr_array, rows: Array, count: int) -> sparse.csr_array:
    """Move the rows of a matrix to ascending places among `count` rows."""
    sizes = np.zeros(count + 1, np.int64)
    sizes[rows + 1] = np.diff(matrix.indptr)
    shape = (count, matrix.shape[1])
    return sparse.csr_array((matrix.data, matrix.indices, sizes.cumsum()), shape=shape)
