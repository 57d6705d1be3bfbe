"""Geometry of the inline figures: numbers in, places in a drawing out. How they look: the stylesheet."""

import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 10, 28
"""Margins, in units of the drawing."""
MOST_POINTS = 400


class Tick(NamedTuple):
    """A mark on an axis."""

    place: float
    text: str


class Line(NamedTuple):
    """One curve. Curves differ by dash and width, not by colour alone."""

    title: str
    path: str
    last: tuple[float, float]
    """Its end."""


class Chart(NamedTuple):
    """Curves over training steps."""

    lines: list[Line]
    across: list[Tick]
    up: list[Tick]
    words: str
    """What it shows, for those who do not see it."""


def curves(
    series: dict[str, Sequence[tuple[float, float | None]]],
    *,
    title: str,
    low: float | None = None,
    high: float | None = None,
) -> Chart | None:
    """Lay curves out over a step axis that gives 0 and the first steps room; None without any point.

    series: (step, value) by title; points without a value are left out. low, high: ends of the value axis,
    by default the data's own.
    """
    found = {
        name: [(float(x), float(y)) for x, y in _thinned(points) if y is not None and math.isfinite(float(y))]
        for name, points in series.items()
    }
    found = {name: points for name, points in found.items() if points}
    if not found:
        return None
    every = [point for points in found.values() for point in points]
    last = max(x for x, _ in every)
    bottom = min(y for _, y in every) if low is None else low
    top = max(y for _, y in every) if high is None else high
    if top <= bottom:
        top = bottom + 1

    def across(x: float) -> float:
        share = math.log1p(x) / math.log1p(last) if last > 0 else 0.0
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def up(y: float) -> float:
        return round(TOP + (1 - (y - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM), 1)

    lines = []
    for name, points in found.items():
        places = [(across(x), up(min(max(y, bottom), top))) for x, y in points]
        lines.append(Line(name, "M" + "L".join(f"{x:g} {y:g}" for x, y in places), places[-1]))
    steps = [0.0, *(10.0**power for power in range(8) if across(last) - across(10.0**power) > 60), last]
    return Chart(
        lines,
        [Tick(across(x), f"{x:,.0f}") for x in dict.fromkeys(steps)],
        [Tick(up(y), _short(y)) for y in _round_numbers(bottom, top)],
        _words(title, found),
    )


def _words(title: str, found: dict[str, list[tuple[float, float]]]) -> str:
    """Say where each curve begins and ends."""
    said = "; ".join(
        f"{name} from {_short(points[0][1])} at step {points[0][0]:,.0f} to {_short(points[-1][1])} at step "
        f"{points[-1][0]:,.0f}"
        for name, points in found.items()
    )
    return f"{title}: {said}."


class Band(NamedTuple):
    """A spread: its 0.1, 0.5 and 0.9 quantiles as places in percent of the axis."""

    low: float
    middle: float
    high: float


def bands(spreads: Sequence[Sequence[float] | None], *, logarithmic: bool = False) -> list[Band | None]:
    """Lay spreads out on one axis, 0 to 100."""

    def scaled(value: float) -> float:
        return math.log10(max(value, 1e-9)) if logarithmic else value

    known = [scaled(value) for one in spreads if one is not None for value in one]
    if not known:
        return [None] * len(spreads)
    start = min(known) - 0.2 if logarithmic else 0.0
    end = max(known) + (0.2 if logarithmic else 0.0)
    span = (end - start) or 1.0
    return [
        None if one is None else Band(*(round(100 * (scaled(value) - start) / span, 1) for value in one))
        for one in spreads
    ]


class Bar(NamedTuple):
    """A bar of a histogram, in units of a drawing 60 high, 10 a bar."""

    x: int
    height: int


def bars(counts: Sequence[int]) -> list[Bar]:
    """Lay a histogram's bars out; a count above 0 is at least 1 high."""
    highest = max(counts, default=0)
    return [
        Bar(10 * place, max(1, round(60 * number / highest))) for place, number in enumerate(counts) if number
    ]


def level(value: float | None) -> int:
    """Return the shading step, 0..9, of a share."""
    return 0 if value is None or not math.isfinite(value) or value <= 0 else min(9, math.ceil(9 * value))


def _thinned(points: Sequence[tuple[float, float | None]]) -> Sequence[tuple[float, float | None]]:
    every = max(1, math.ceil(len(points) / MOST_POINTS))
    kept = list(points[::every])
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept


def _round_numbers(low: float, high: float, count: int = 4) -> list[float]:
    """Return up to about `count` round numbers between two.

    >>> _round_numbers(0.0, 1.0)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((one * power for one in (1, 2, 2.5, 5, 10) if one * power >= rough * 0.999), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
