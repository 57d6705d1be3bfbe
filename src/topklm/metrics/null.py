"""The permutation null of concept scores: what the best of many pairs scores where nothing is there."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..model import SparseCodes
from .batch import Array, Batch, Row, checked, halves, labels_of, mean_row
from .labelled import feature_labels
from .scores import Counts, curves, firings_of, hits_of, label_marks, levels_of

DRAWS = 99
SIGNIFICANT = 0.05


class Null(NamedTuple):
    """Held-out F1 of each feature's label beside what shifted labels give the same feature."""

    f1: Float[Tensor, " feature"]
    """Held-out F1 of the feature's own label; 0 where it has none."""
    null_mean: Float[Tensor, " feature"]
    """Mean over draws of the held-out F1 that the whole procedure finds in shifted labels."""
    p_value: Float[Tensor, " feature"]
    """(1 + draws in which this feature's null F1 is at least f1) / (1 + draws)."""
    p_family: Float[Tensor, " feature"]
    """The same against the largest of all features, each in units of its own null's spread and a common one:
    corrected for how many were looked at."""
    draws: int
    n_tokens: int


def permutation_null(batch: Batch, *, draws: int = DRAWS, seed: int = 0) -> Null:
    """Ask how surprising each feature's held-out score is, with all choosing repeated under the null.

    In each draw the labels are shifted along the text, as a ring, by a random number of tokens: both
    sides keep their own order and frequency, and only what ties them is gone. Then every feature
    chooses its concept on one half and reads its score on the other, as it does in truth. Ties
    between truth and draws count half at random, so that under the null p-values are uniform on
    1/(draws + 1), ..., 1. Source of the corrected p-values: Westfall & Young 1993, single-step maxT.
    A text in memory; some 100,000 tokens are plenty.
    """
    batch = checked(batch)
    labels = labels_of(batch)
    if len(labels) < 2 or draws < 1:
        raise ValueError("a permutation null needs at least two tokens and one draw")
    half = halves(batch.documents, seed=seed)
    levels = levels_of(batch.codes, exact=False)
    firings, sizes = firings_of(levels, half), np.bincount(half, minlength=2)

    def held_out(marks_of: SparseCodes) -> Array:
        marks = label_marks(marks_of, half)
        positives = marks.sum(0, dtype=np.int64)
        counts = Counts(levels.keys, firings, hits_of(levels, marks), positives, sizes)
        f1 = feature_labels(curves(counts, width=batch.codes.width, exact=False)).f1
        return f1.nan_to_num(0.0).double().numpy()

    generator = np.random.default_rng(seed)
    truth = held_out(labels)
    shifts = generator.integers(1, len(labels), size=draws)
    drawn = np.stack([held_out(shifted(labels, int(by))) for by in shifts])
    return Null(
        f1=torch.from_numpy(truth).float(),
        null_mean=torch.from_numpy(drawn.mean(0)).float(),
        p_value=torch.from_numpy(_rank(truth, drawn, generator)).float(),
        p_family=torch.from_numpy(_family(truth, drawn, generator)).float(),
        draws=draws,
        n_tokens=len(labels),
    )


def measure(batch: Batch, *, draws: int = DRAWS, seed: int = 0) -> list[Row]:
    """Return mean scores in truth and under the null, and shares beyond it, of features that fire."""
    null = permutation_null(batch, draws=draws, seed=seed)
    n = null.n_tokens
    fires = torch.bincount(batch.codes.indices.long(), minlength=batch.codes.width) > 0
    return [
        mean_row("label_f1/in_memory", null.f1[fires], n_tokens=n),
        mean_row("label_f1/shifted_labels", null.null_mean[fires], n_tokens=n),
        mean_row("features_beyond_null", (null.p_value <= SIGNIFICANT)[fires], n_tokens=n),
        mean_row("features_beyond_null/corrected", (null.p_family <= SIGNIFICANT)[fires], n_tokens=n),
    ]


def shifted(labels: SparseCodes, by: int) -> SparseCodes:
    """Move all rows on by a number of places; what falls off the end comes first."""
    cut = len(labels) - by % len(labels)
    return SparseCodes.cat([labels[cut:], labels[:cut]])


def _family(truth: Array, drawn: Array, generator: np.random.Generator) -> Array:
    """Rank each feature among the largest of all; without units the widest null would hide the rest.

    To each unit a common one is added, the median of all: a rare feature that hits in one draw alone would
    else have the largest score there is, the square root of the number of draws, and hide all others.
    Source: Tusher, Tibshirani & Chu 2001 (SAM).
    """
    both = np.vstack([truth, drawn])
    spread = both.std(0)
    common = float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
    units = (both - both.mean(0)) / (spread + common)
    return _rank(units[0], units[1:].max(1, keepdims=True), generator)


def _rank(truth: Array, drawn: Array, generator: np.random.Generator) -> Array:
    """Return (1 + draws above the truth) / (1 + draws); of ties, a random number is above."""
    ties = (drawn == truth).sum(0)
    above = (drawn > truth).sum(0) + generator.integers(0, ties + 1)
    return np.asarray((1 + above) / (1 + len(drawn)), np.float64)
