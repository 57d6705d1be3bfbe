"""Token and semantic entropy at an equal number of firings. The entropy of all mass: `tokens.py`."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .batch import Array, Batch, Row, mean_row, row
from .firings import FIRINGS, Firings, FiringSample

KINDS = ("strongest", "random")
BAND = 10
"""Token types of like frequency among which the classes of the null are shuffled."""


class Entropies(NamedTuple):
    """Entropies of each feature over its kept firings, in bits; NaN for a feature that never fires."""

    token: Float[Tensor, " feature"]
    semantic: Float[Tensor, " feature"] | None
    """Over classes of token types, where classes were given."""
    null_mean: Float[Tensor, " feature"] | None
    """Mean of the semantic entropy over random classes of the same sizes."""
    null_spread: Float[Tensor, " feature"] | None
    """Its standard deviation over draws."""
    enough: Bool[Tensor, " feature"]
    """Whether the feature has as many firings as are compared; the others stand apart."""
    n_tokens: int


def entropies(
    firings: Firings, *, classes: Int[Tensor, " token"] | None = None, draws: int = 10, seed: int = 0
) -> Entropies:
    """Measure each feature's entropy over token types, and over classes of types beside its null.

    H(n) = - sum_v p(v|n) log2 p(v|n), p(v|n) proportional to the sum of a(n, t) over the kept firings
    with v(t) = v; semantic: the same with the class c(v) in place of v. Entropy falls mechanically
    with fewer firings, so features are compared on the same number (`Firings.size`). A coarser
    grouping can only lower it, so semantic entropy means nothing but beside random classes of the
    same sizes: those of the types, shuffled `draws` times (`shuffled_classes`). Source: design of topklm;
    token entropy after arXiv 2506.21468.
    """
    width = len(firings.totals)
    features = firings.features.numpy()
    tokens = firings.token_ids.numpy()
    weights = firings.activations.double().numpy()
    token = _grouped(features, tokens, weights, width)
    semantic = mean = spread = None
    if classes is not None:
        table = classes.numpy()
        generator = np.random.default_rng(seed)
        semantic = _grouped(features, table[tokens], weights, width)
        counts = np.bincount(tokens, minlength=len(table))
        drawn = np.stack(
            [
                _grouped(features, shuffled_classes(table, counts, generator)[tokens], weights, width)
                for _ in range(draws)
            ]
        )
        mean, spread = drawn.mean(0), drawn.std(0, ddof=1)
    return Entropies(
        token=torch.from_numpy(token),
        semantic=None if semantic is None else torch.from_numpy(semantic),
        null_mean=None if mean is None else torch.from_numpy(mean),
        null_spread=None if spread is None else torch.from_numpy(spread),
        enough=firings.totals >= firings.size,
        n_tokens=firings.n_tokens,
    )


def shuffled_classes(classes: Array, counts: Array, generator: np.random.Generator) -> Array:
    """Shuffle the classes of token types among types that fire about as often.

    counts: firings on each type. A type alone in its class keeps it, and the others exchange theirs within
    bands of `BAND` types in order of their counts: else rare types, which have no class, would trade with
    frequent ones, and every feature, a random one too, would stand below the null.
    """
    movable = np.flatnonzero(np.bincount(classes)[classes] > 1)
    order = movable[np.argsort(-counts[movable], kind="stable")]
    band = np.arange(len(order)) // BAND
    found = classes.copy()
    found[order] = classes[order[np.lexsort((generator.random(len(order)), band))]]
    return found


def measure(
    batches: Iterable[Batch],
    *,
    classes: Int[Tensor, " token"] | None = None,
    about: str = "",
    size: int = FIRINGS,
    seed: int = 0,
) -> list[Row]:
    """Read a stream and return the mean entropies, over the strongest firings and over random ones.

    classes: the class of each token type. about: what the classes are, written beside their numbers.
    Means are over features with enough firings; how many have fewer is a row of its own, and so is
    their mean. Intervals: bootstrap over features.
    """
    samples: list[FiringSample] = []
    for batch in batches:
        samples = samples or [FiringSample(batch.codes.width, size=size, by=by, seed=seed) for by in KINDS]
        for sample in samples:
            sample.update(batch)
    found: list[Row] = []
    for sample in samples:
        result = entropies(sample.result(), classes=classes, seed=seed)
        found += rows(result, sample.by, about=about)
    return found


def rows(result: Entropies, by: str, *, about: str = "") -> list[Row]:
    """Summarize entropies over features. by: which firings they were read from."""
    enough, n_tokens = result.enough, result.n_tokens
    fires = ~result.token.isnan()
    few = fires & ~enough
    found = [
        mean_row(f"token_entropy/{by}", result.token[enough], n_tokens=n_tokens),
        mean_row(f"token_entropy/{by}/few_firings", result.token[few], n_tokens=n_tokens),
        row(f"features_with_few_firings/{by}", float(few.sum()), n_tokens=n_tokens, n=int(fires.sum())),
    ]
    if result.semantic is not None and result.null_mean is not None and result.null_spread is not None:
        gain = result.null_mean - result.semantic
        parts = {
            "semantic_entropy": result.semantic,
            "semantic_entropy_random_classes": result.null_mean,
            "semantic_entropy_random_classes_spread": result.null_spread,
            "semantic_entropy_below_random": gain,
        }
        found += [
            mean_row(f"{name}/{by}", values[enough], n_tokens=n_tokens, about=about)
            for name, values in parts.items()
        ]
    return found


def _grouped(features: Array, groups: Array, weights: Array, width: int) -> Array:
    """Return each feature's entropy over groups, NaN where it has no weight."""
    count = int(groups.max(initial=0)) + 1
    keys, place = np.unique(features * count + groups, return_inverse=True)
    mass = np.bincount(place, weights, minlength=len(keys))
    owners = keys // count
    share = mass / np.bincount(owners, mass, minlength=width)[owners]
    entropy = np.bincount(owners, -share * np.log2(share), minlength=width)
    present = np.bincount(owners, minlength=width) > 0
    return np.where(present, np.maximum(entropy, 0.0), np.nan)
