"""A comparison beside one made before: which numbers left the interval they had then."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from ..core.stats import Estimate
from .outcome import Comparison
from .result import ResultRow

Key = tuple[str, int | None, str, str, int]


class Departure(NamedTuple):
    """A number that lies outside the interval it had before."""

    before: ResultRow
    now: ResultRow

    @property
    def distance(self) -> float:
        """How far outside it lies, in half-widths of the interval from its nearer end."""
        low, high = self.before.low, self.before.high
        if not math.isfinite(self.now.value):
            return math.inf
        outside = low - self.now.value if self.now.value < low else self.now.value - high
        return outside / ((high - low) / 2) if high > low else math.inf

    def __str__(self) -> str:
        one = self.before
        where = "" if one.site is None else f" L{one.site}"
        about = f" ({one.about})" if one.about else ""
        return (
            f"{one.source}{where} {one.metric}{about}, seed {one.seed}: {self.now.value:.4g}, "
            f"was {one.value:.4g} [{one.low:.4g}, {one.high:.4g}]"
        )


class Beside(NamedTuple):
    """What became of the numbers of an earlier comparison."""

    n_compared: int
    """Numbers that had an interval then and are there now."""
    departures: list[Departure]
    """The farthest first."""
    missing: list[ResultRow]
    """Numbers of then that are not there now, of seeds that are."""
    verdicts: dict[str, tuple[str, str]]
    """Claims whose verdict is another: then and now, with their seeds where those differ."""
    texts: tuple[str, str] = ("", "")
    """What was measured on, then and now."""

    def lines(self, most: int) -> list[str]:
        """Say it in lines: the counts, changed verdicts, and at most so many departures."""
        lines = [
            f"{len(self.departures)} of {self.n_compared} numbers left the interval they had"
            + (f"; {len(self.missing)} are not there now" if self.missing else "")
        ]
        if all(self.texts) and self.texts[0] != self.texts[1]:
            lines.insert(0, f"measured on another text: {self.texts[0]}; now {self.texts[1]}")
        lines += [f"{claim}: {then}, now {now}" for claim, (then, now) in self.verdicts.items()]
        lines += [f"  {one}" for one in self.departures[:most]]
        if len(self.departures) > most:
            lines.append(f"  and {len(self.departures) - most} more")
        return lines


def beside_earlier(now: Comparison, before: Comparison) -> Beside:
    """Hold a comparison against an earlier one of the same runs, number by number.

    A number counts as departed where it lies outside the interval that it had. Its own interval plays no
    part: at 95 % some twentieth of the numbers leaves by chance where documents are drawn anew, and none
    where nothing but the machine is another. Numbers without an interval, such as seconds, are not compared.
    """
    found = {_key(row): row for row in now.rows}
    pairs, missing = [], []
    for row in _certain(before):
        if _key(row) in found:
            pairs.append((row, found[_key(row)]))
        elif row.seed in now.seeds:
            missing.append(row)
    departures = [Departure(*pair) for pair in pairs if not _inside(pair[1].value, pair[0].estimate)]
    verdicts = {one.claim: one.verdict for one in now.claims}
    seeds = [f" (seed{'s' * (len(one.seeds) > 1)} {', '.join(map(str, one.seeds))})" for one in (before, now)]
    if before.seeds == now.seeds:
        seeds = ["", ""]
    return Beside(
        len(pairs),
        sorted(departures, key=lambda one: -one.distance),
        missing,
        {
            one.claim: (one.verdict + seeds[0], verdicts[one.claim] + seeds[1])
            for one in before.claims
            if verdicts.get(one.claim, one.verdict) != one.verdict
        },
        (_texts(before), _texts(now)),
    )


def _texts(comparison: Comparison) -> str:
    return "; ".join(dict.fromkeys(comparison.measured_on()))


def _key(row: ResultRow) -> Key:
    return row.source, row.site, row.metric, row.about, row.seed


def _certain(comparison: Comparison) -> Iterator[ResultRow]:
    for row in comparison.rows:
        if all(math.isfinite(one) for one in row.estimate) and row.low < row.high:
            yield row


def _inside(value: float, interval: Estimate) -> bool:
    return interval.low <= value <= interval.high  # false for a number that is not defined now
