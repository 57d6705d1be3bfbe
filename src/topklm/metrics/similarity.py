"""Similarity of the features of two sets on the same tokens: same index, best match, and by chance."""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.pairs import add_pairs
from ..core.stats import is_live
from ..model import SparseCodes
from .batch import Array, positive, to_csr

PAIRS_AT_ONCE = 4_000_000
"""Pairs of features looked at at a time: memory is 20 bytes for each."""
EQUAL = 1e-9
"""Cosines closer than this are equal, and of equals the same index is the best match."""


class Similarity(NamedTuple):
    """How similar each feature of A is to those of B, on the same tokens.

    Cosine of the activation vectors decides what is most similar; Jaccard is over firings. A feature
    that never fires has similarity 0 with all and no best match (-1).
    """

    same_cosine: Float[Tensor, " feature"]
    """With the feature of the same index; NaN where B has none."""
    same_jaccard: Float[Tensor, " feature"]
    best: Int[Tensor, " feature"]
    """The most similar feature of B; of equals the same index, then the lowest."""
    best_cosine: Float[Tensor, " feature"]
    best_jaccard: Float[Tensor, " feature"]
    """With the best match by cosine."""
    chance_cosine: Float[Tensor, " feature"]
    """With the feature that a random permutation of B's indices puts in the same place."""
    chance_jaccard: Float[Tensor, " feature"]
    live: Bool[Tensor, " feature"]
    """Whether the feature of A fires on more than 1 in 10,000 of the tokens."""
    n_tokens: int


class Overlap:
    """Adds up what similarity needs, over a stream of codes of A and B on the same tokens.

    features: which features of A to look at (default: all). Memory: 16 bytes for each pair of
    features, so for wide sets take A in parts. Parts of a text merge exactly, up to rounding.
    """

    def __init__(self, width_a: int, width_b: int, *, features: range | None = None) -> None:
        self.features = range(width_a) if features is None else features
        self.widths = (width_a, width_b)
        shape = (len(self.features), width_b)
        self.dots, self.joint = np.zeros(shape), np.zeros(shape, np.int64)
        self.squares = [np.zeros(len(self.features)), np.zeros(width_b)]
        self.firings = [np.zeros(len(self.features), np.int64), np.zeros(width_b, np.int64)]
        self.n_tokens = 0

    def update(self, a: SparseCodes, b: SparseCodes) -> None:
        """Read the codes of the same tokens in both. Raises ValueError where they cannot be."""
        if len(a) != len(b) or (a.width, b.width) != self.widths:
            raise ValueError(
                f"expected codes of the same tokens with widths {self.widths}, "
                f"not {len(a)} and {len(b)} tokens with {(a.width, b.width)}"
            )
        first, second = (to_csr(positive(codes.to("cpu"))) for codes in (a, b))
        first = first.tocsc()
        if len(self.features) < a.width:
            first = first[:, self.features.start : self.features.stop]
        add_pairs(first, second, self.dots, self.joint)
        counts = np.diff(first.indptr)
        features = np.repeat(np.arange(len(counts)), counts)
        self.squares[0] += np.bincount(features, first.data**2, minlength=len(counts))
        self.squares[1] += np.bincount(second.indices, second.data**2, minlength=b.width)
        self.firings[0] += counts
        self.firings[1] += np.bincount(second.indices, minlength=b.width)
        self.n_tokens += len(a)

    def merge(self, other: "Overlap") -> None:
        """Add the sums over another part of the text."""
        if (self.features, self.widths) != (other.features, other.widths):
            raise ValueError("only overlaps of the same features can be merged")
        self.dots += other.dots
        self.joint += other.joint
        for side in (0, 1):
            self.squares[side] += other.squares[side]
            self.firings[side] += other.firings[side]
        self.n_tokens += other.n_tokens

    def cosine(self) -> Float[Tensor, "feature other"]:
        """Return the cosine of every pair; 0 with a feature that never fires."""
        norms = np.sqrt(self.squares[0])[:, None] * np.sqrt(self.squares[1])
        return torch.from_numpy(np.divide(self.dots, norms, out=np.zeros_like(norms), where=norms > 0))

    def jaccard(self) -> Float[Tensor, "feature other"]:
        """Return the Jaccard similarity of every pair's firings; 0 with a feature that never fires."""
        either = self.firings[0][:, None] + self.firings[1] - self.joint
        return torch.from_numpy(self.joint / np.maximum(either, 1))

    def result(self, *, seed: int = 0) -> Similarity:
        """Return each feature's similarities."""
        cosine, jaccard = self.cosine().numpy(), self.jaccard().numpy()
        numbers, rows = np.arange(self.features.start, self.features.stop), np.arange(len(self.features))
        width_b = self.widths[1]
        best = cosine.argmax(1)
        there = numbers < width_b
        same = np.where(there, numbers, 0)
        tied = there & (cosine[rows, same] >= cosine[rows, best] - EQUAL)
        best = np.where(tied, same, best)
        fires = self.firings[0] > 0
        other = _permuted(self.widths, seed)[numbers]
        return Similarity(
            same_cosine=_tensor(np.where(there, cosine[rows, same], np.nan)),
            same_jaccard=_tensor(np.where(there, jaccard[rows, same], np.nan)),
            best=torch.from_numpy(np.where(fires & (cosine[rows, best] > 0), best, -1)),
            best_cosine=_tensor(cosine[rows, best]),
            best_jaccard=_tensor(jaccard[rows, best]),
            chance_cosine=_tensor(cosine[rows, other]),
            chance_jaccard=_tensor(jaccard[rows, other]),
            live=torch.from_numpy(is_live(self.firings[0], self.n_tokens)),
            n_tokens=self.n_tokens,
        )


def similarity(a: SparseCodes, b: SparseCodes, *, seed: int = 0) -> Similarity:
    """Compare every feature of A with every feature of B on the same tokens, in bounded memory.

    cosine(n, m) = sum_t a(n, t) b(m, t) / (|a(n)| |b(m)|); Jaccard(n, m) = tokens on which both fire /
    tokens on which either does; a(n, t) = max(x, 0). Where signs matter, compare `both_signs(a)`
    with `both_signs(b)`. Source: design of topklm.
    """
    step = max(1, PAIRS_AT_ONCE // max(b.width, 1))
    parts = []
    for start in range(0, a.width, step):
        overlap = Overlap(a.width, b.width, features=range(start, min(start + step, a.width)))
        overlap.update(a, b)
        parts.append(overlap.result(seed=seed))
    fields = [name for name in Similarity._fields if name != "n_tokens"]
    whole: dict[str, Any] = {name: torch.cat([getattr(part, name) for part in parts]) for name in fields}
    return Similarity(**whole, n_tokens=len(a))


def _permuted(widths: tuple[int, int], seed: int) -> Array:
    """Return for each feature of A the one of B that a random permutation puts in its place."""
    order = np.random.default_rng(seed).permutation(widths[1])
    return np.resize(order, widths[0])


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float64)).float()
