"""Rows asked for means and differences: over layers, and over seeds where there are several."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..core.stats import Estimate, paired_t
from .result import ResultRow

AHEAD, LEVEL, BEHIND = "ahead", "level", "behind"


class Key(NamedTuple):
    """Which number: a metric, and what it is about (None: whatever it is about)."""

    metric: str
    about: str | None = None

    def picks(self, row: ResultRow) -> bool:
        """Tell whether a row is this number."""
        return row.metric == self.metric and self.about in (None, row.about)


class Numbers:
    """The rows of one comparison, or of several seeds of it.

    Where a number stands for the whole model (site None), its layers are not looked at; else it is the mean
    over layers, and where it is about several things (pairs of layers, other seeds), over those. With one
    seed, a mean's interval is the mean interval, since all were read on the same text, and that of a
    difference takes both sources' errors as independent; with several seeds it is the paired t-interval
    over them (95 %).
    """

    def __init__(self, rows: Iterable[ResultRow]) -> None:
        self.rows = list(rows)

    def of(self, source: str, key: Key) -> dict[int, dict[int | None, Estimate]]:
        """Return a source's number by seed and layer, as far as it is defined."""
        found: dict[int, dict[int | None, list[Estimate]]] = {}
        for row in self.rows:
            if row.source == source and key.picks(row) and math.isfinite(row.value):
                found.setdefault(row.seed, {}).setdefault(row.site, []).append(row.estimate)
        return {
            seed: {site: average(some) for site, some in sites.items() if site is None or None not in sites}
            for seed, sites in sorted(found.items())
        }

    def has(self, source: str, key: Key) -> bool:
        """Tell whether a source has a number."""
        return bool(self.of(source, key))

    def mean(self, source: str, key: Key) -> Estimate | None:
        """Return a source's number over layers and seeds; None where it has none."""
        by_seed = self.of(source, key)
        return over_seeds([average(list(sites.values())) for sites in by_seed.values()])

    def gap(
        self, ours: str, theirs: str, key: Key, *, better: int = 1, their_key: Key | None = None
    ) -> Estimate | None:
        """Return ours less theirs, turned so that more is better, over the layers and seeds of both.

        their_key: the number of theirs that answers to ours, where it has another name.
        """
        first, second = self.of(ours, key), self.of(theirs, their_key or key)
        differences = []
        for seed in first.keys() & second.keys():
            sites = first[seed].keys() & second[seed].keys()
            if sites:
                some = [difference(first[seed][site], second[seed][site], better) for site in sites]
                differences.append(average(some))
        return over_seeds(differences)

    def ratio(self, ours: str, theirs: str, key: Key) -> Estimate | None:
        """Return ours over theirs, of numbers that are exact: the mean over seeds."""
        first, second = self.mean(ours, key), self.mean(theirs, key)
        if first is None or second is None or not second.value:
            return None
        return Estimate.exact(first.value / second.value)

    def n(self, source: str, key: Key) -> int:
        """Return over how many things a number was taken, all seeds together; of parts, the fewest."""
        by_seed: dict[int, list[ResultRow]] = {}
        for row in self.rows:
            if row.source == source and key.picks(row):
                by_seed.setdefault(row.seed, []).append(row)
        wholes = [[row.n for row in rows if row.site is None] for rows in by_seed.values()]
        parts = [[row.n for row in rows] for rows in by_seed.values()]
        return sum(min(whole or some) for whole, some in zip(wholes, parts, strict=True))

    def sources(self, key: Key) -> list[str]:
        """List the sources that have a number."""
        return list(dict.fromkeys(row.source for row in self.rows if key.picks(row)))


def difference(ours: Estimate, theirs: Estimate, better: int) -> Estimate:
    """Return ours less theirs, the errors added as independent ones.

    >>> difference(Estimate(0.5, 0.2, 0.9), Estimate(0.4, 0.0, 0.5), -1)
    Estimate(value=-0.09999999999999998, low=-0.5123105625617661, high=0.4)
    """
    value = ours.value - theirs.value
    low = value - math.hypot(ours.value - ours.low, theirs.high - theirs.value)
    high = value + math.hypot(ours.high - ours.value, theirs.value - theirs.low)
    return Estimate(value, low, high) if better >= 0 else Estimate(-value, -high, -low)


def average(estimates: list[Estimate]) -> Estimate:
    """Return the mean of estimates whose errors go together: the mean of their ends."""
    low, value, high = np.mean([(one.low, one.value, one.high) for one in estimates], axis=0).tolist()
    return Estimate(value, low, high)


def over_seeds(estimates: list[Estimate]) -> Estimate | None:
    """Return one seed's estimate as it is; of several seeds the mean with a t-interval; None of none."""
    if not estimates:
        return None
    return estimates[0] if len(estimates) == 1 else paired_t([one.value for one in estimates])


def standing(gap: Estimate | None) -> str | None:
    """Say where a gap puts us: ahead or behind for certain, or level; None where there is none."""
    if gap is None or math.isnan(gap.value):
        return None
    return AHEAD if gap.low > 0 else BEHIND if gap.high < 0 else LEVEL
