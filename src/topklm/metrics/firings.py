"""An equal number of firings per feature, kept from a stream: the strongest, or a random sample.

Metrics that fall mechanically with fewer firings (entropies) read these, and so do those that need example
contexts. What is kept depends on the text alone, not on how it was cut into batches.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

from ..core.hashing import hashed
from .batch import Array, Batch, checked, positive

FIRINGS = 256
"""Firings per feature on which entropies are compared."""


class Firings(NamedTuple):
    """Kept firings, feature after feature, and within a feature the first to keep first."""

    features: Int[Tensor, " firing"]
    token_ids: Int[Tensor, " firing"]
    activations: Float[Tensor, " firing"]
    positions: Int[Tensor, " firing"]
    """Places in the whole text."""
    documents: Int[Tensor, " firing"]
    totals: Int[Tensor, " feature"]
    """How often each feature fired in all."""
    n_tokens: int
    size: int
    """Firings kept per feature, at most."""


class FiringSample:
    """Keeps `size` firings of every feature from a stream of batches.

    by: `"strongest"` keeps the largest activations (ties: the earlier place), `"random"` a uniform
    sample without replacement (the firings whose hash of place and feature is largest). Memory:
    width * size firings. Merging the parts of a text gives exactly what the whole gives.
    """

    def __init__(self, width: int, *, size: int = FIRINGS, by: str = "strongest", seed: int = 0) -> None:
        if by not in ("strongest", "random"):
            raise ValueError(f"by={by!r} is not known; choose 'strongest' or 'random'")
        self.width, self.size, self.by, self.seed = width, size, by, seed
        self.hashes = hashed(np.arange(width), seed)
        self.totals = np.zeros(width, np.int64)
        self.n_tokens = 0
        kinds = (np.int64, np.uint64, np.int64, np.float32, np.int64, np.int64)
        self.waiting: list[tuple[Array, ...]] = [tuple(np.zeros(0, kind) for kind in kinds)]
        self.settled = 0
        self.lowest = np.zeros(width, np.uint64)  # keys below it cannot be kept

    def update(self, batch: Batch) -> None:
        """Read one batch. Its `start` must be right: places decide ties and samples."""
        batch = checked(batch)
        codes = positive(batch.codes)
        features = codes.indices.numpy().astype(np.int64)
        rows = codes.rows.numpy()
        activations = codes.values.float().numpy()
        positions = rows + batch.start
        keys = self._keys(features, activations, positions)
        self.totals += np.bincount(features, minlength=self.width)
        self.n_tokens += len(codes)
        new = keys >= self.lowest[features]
        tokens = batch.token_ids.numpy()[rows[new]].astype(np.int64)
        documents = batch.documents.numpy()[rows[new]].astype(np.int64)
        self._wait((features[new], keys[new], tokens, activations[new], positions[new], documents))

    def merge(self, other: "FiringSample") -> None:
        """Add what another one kept from another part of the text."""
        if (self.width, self.size, self.by, self.seed) != (other.width, other.size, other.by, other.seed):
            raise ValueError("only samples of the same width, size, kind and seed can be merged")
        self.totals += other.totals
        self.n_tokens += other.n_tokens
        for firings in other.waiting:
            self._wait(firings)

    def result(self) -> Firings:
        """Return what is kept so far."""
        self._settle()
        features, _keys, tokens, activations, positions, documents = self.waiting[0]
        return Firings(
            features=torch.from_numpy(features),
            token_ids=torch.from_numpy(tokens),
            activations=torch.from_numpy(activations),
            positions=torch.from_numpy(positions),
            documents=torch.from_numpy(documents),
            totals=torch.from_numpy(self.totals.copy()),
            n_tokens=self.n_tokens,
            size=self.size,
        )

    def _keys(self, features: Array, activations: Array, positions: Array) -> Array:
        """Give each firing a number; the firings with the largest are kept."""
        if self.by == "random":
            return hashed(self.hashes[features] ^ positions.astype(np.uint64), self.seed)
        # positive floats sort like their bits; below them, earlier places are larger
        bits = np.ascontiguousarray(activations).view(np.uint32).astype(np.uint64)
        return (bits << np.uint64(32)) | (np.uint64(2**32 - 1) - positions.astype(np.uint64))

    def _wait(self, firings: tuple[Array, ...]) -> None:
        """Put firings beside the others; what is kept is sorted out now and then, since that takes time."""
        self.waiting.append(firings)
        if sum(len(one[0]) for one in self.waiting) > 2 * self.settled + self.size:
            self._settle()

    def _settle(self) -> None:
        """Keep what is to be kept of all that waits, and note below which key nothing will be."""
        parts = tuple(np.concatenate(pair) for pair in zip(*self.waiting, strict=True))
        features, keys = parts[0], parts[1]
        order = np.lexsort((~keys, features))
        sorted_features = features[order]
        rank = np.arange(len(order)) - np.searchsorted(sorted_features, sorted_features)
        order = order[rank < self.size]
        parts = tuple(part[order] for part in parts)
        self.waiting, self.settled = [parts], len(order)
        features, keys = parts[0], parts[1]
        full = np.flatnonzero(np.bincount(features, minlength=self.width) == self.size)
        self.lowest[full] = keys[np.searchsorted(features, full, side="right") - 1]


def kept_samples(
    batch: Batch, *, size: int = FIRINGS, by: Sequence[str] = ("strongest", "random"), seed: int = 0
) -> list[Firings]:
    """Return what `FiringSample`s of several kinds keep of a text in memory, several times as quick."""
    batch = checked(batch)
    codes = positive(batch.codes)
    shape = (len(codes), codes.width)
    # firings feature by feature, and of each feature in order of rows
    parts = (np.arange(len(codes.values)), codes.indices.numpy(), codes.offsets.numpy())
    entries = sparse.csr_array(parts, shape).tocsc()
    rows = entries.indices.astype(np.int64)
    activations = codes.values.float().numpy()[entries.data]
    totals = np.diff(entries.indptr).astype(np.int64)
    features = np.repeat(np.arange(codes.width), totals)
    found = []
    for one in by:
        sample = FiringSample(codes.width, size=size, by=one, seed=seed)
        kept = _largest(sample._keys(features, activations, rows + batch.start), totals, size)
        found.append(
            Firings(
                features=torch.from_numpy(features[kept]),
                token_ids=batch.token_ids[rows[kept]].long(),
                activations=torch.from_numpy(activations[kept]),
                positions=torch.from_numpy(rows[kept] + batch.start),
                documents=batch.documents[rows[kept]].long(),
                totals=torch.from_numpy(totals),
                n_tokens=len(codes),
                size=size,
            )
        )
    return found


def _largest(keys: Array, totals: Array, size: int) -> Array:
    """Return the places of each feature's largest keys, the largest first; keys lie feature by feature."""
    ends = totals.cumsum()
    parts = []
    for start, end in zip(ends - totals, ends, strict=True):
        own = keys[start:end]
        cut = max(0, len(own) - size)
        largest = np.argpartition(own, cut)[cut:] if cut else np.arange(len(own))
        parts.append(start + largest[np.argsort(own[largest])[::-1]])
    return np.concatenate(parts)
