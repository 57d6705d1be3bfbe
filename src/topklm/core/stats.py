"""Statistics: estimates with their confidence intervals."""

import math
from typing import Any, NamedTuple

import numpy as np

from .hashing import uniform

RESAMPLED_AT_ONCE = 4_000_000

LIVE = 1e-4
"""The density above which a feature is live."""
EMERGED = 0.5
"""A feature has emerged from where its similarity to its final self stays at least this."""
LABELLED = 0.5
"""A feature is labelled whose concept it tells with at least this F1 on held-out documents."""


def is_live(firings: Any, n_tokens: int) -> Any:
    """Say which features are live from how often they fire on so many tokens, an array or a tensor."""
    return firings / max(n_tokens, 1) > LIVE


class Estimate(NamedTuple):
    """A number and its confidence interval; a deterministic one has low = high = value."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> "Estimate":
        """Make an estimate without uncertainty (a parameter count, FLOPs)."""
        return cls(value, value, value)

    def transformed(self, function: Any) -> "Estimate":
        """Apply an increasing function to the value and both ends."""
        return Estimate(*(float(function(part)) for part in self))

    def as_json(self) -> dict[str, float]:
        """Return `{"value": , "low": , "high": }`."""
        return self._asdict()


def bootstrap_ratio(
    numerators: Any,
    denominators: Any,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Estimate sum(numerators) / sum(denominators) with a bootstrap over its rows.

    numerators, denominators: one number per document (for example summed loss and tokens). The
    percentile interval is widened where needed so that it includes the value. With a single row
    there is nothing to resample: the interval is the whole line. Source: Efron & Tibshirani 1993,
    ch. 13.
    """
    top, bottom = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    if top.shape != bottom.shape or top.ndim != 1 or not bottom.sum() > 0:
        raise ValueError("bootstrap_ratio needs two equally long rows with a positive denominator")
    value = float(top.sum() / bottom.sum())
    if len(top) == 1:
        return Estimate(value, -np.inf, np.inf)
    generator = np.random.default_rng(seed)
    shares = np.full(len(top), 1 / len(top))
    ratios: list[float] = []
    step = max(1, RESAMPLED_AT_ONCE // len(top))  # bounded memory, the same draws
    for start in range(0, resamples, step):
        weights = generator.multinomial(len(top), shares, size=min(step, resamples - start))
        drawn = weights @ bottom
        ratios.extend((weights @ top)[drawn > 0] / drawn[drawn > 0])
    return interval(value, ratios, level=level)


def bootstrap_difference(
    first: Any, second: Any, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Estimate:
    """Estimate the mean of one group minus that of another, both resampled (percentile bootstrap)."""
    generator = np.random.default_rng(seed)
    groups = [np.asarray(one, np.float64) for one in (first, second)]
    if not all(len(one) for one in groups):
        raise ValueError("a difference needs numbers on both sides")
    value = float(groups[0].mean() - groups[1].mean())
    if min(map(len, groups)) == 1:
        return Estimate(value, -np.inf, np.inf)
    drawn = [one[generator.integers(0, len(one), (resamples, len(one)))].mean(1) for one in groups]
    return interval(value, drawn[0] - drawn[1], level=level)


def paired_t(differences: Any, *, level: float = 0.95) -> Estimate:
    """Estimate the mean of differences, one per seed, with a t-interval.

    With a single one nothing is known of the spread: the interval is the whole line. Source: Student 1908.
    """
    from scipy.stats import t

    values = np.asarray(differences, np.float64)
    if not len(values):
        raise ValueError("a paired interval needs at least one difference")
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(mean, -np.inf, np.inf)
    half = float(t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(mean, mean - half, mean + half)


def poisson_weights(documents: Any, *, resamples: int = 200, seed: int = 0) -> np.ndarray[Any, Any]:
    """Draw how often each document stands in each resample: Poisson(1), shape (documents, resamples).

    documents: their numbers. A weight depends on (document, resample, seed) alone, so parts of a text
    that are read apart, in any order, draw alike and weighted sums over them simply add up. That is
    what a bootstrap of an F1 over a stream needs. Source: Hanley & MacGibbon 2006 (Poisson bootstrap).
    """
    numbers = np.asarray(documents, np.int64)[:, None] * resamples + np.arange(resamples)
    return np.searchsorted(_POISSON, uniform(numbers, seed), side="right")


_POISSON = np.cumsum([math.exp(-1) / math.factorial(count) for count in range(12)])
"""P(weight <= 0), P(weight <= 1), ...; a document stands 12 times in a resample at most."""


def interval(value: float, resampled: Any, *, level: float = 0.95) -> Estimate:
    """Turn a value and its resampled ones into an estimate: percentiles, widened to include the value.

    Resampled values that are not finite are left out; with fewer than two left, nothing is known.
    """
    drawn = np.asarray(resampled, np.float64)
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 2:
        return Estimate(value, -np.inf, np.inf)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, min(value, float(low)), max(value, float(high)))
