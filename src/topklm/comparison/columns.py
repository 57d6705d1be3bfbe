"""How a report writes numbers: columns, tables with a line a source, panels of a figure."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..core.stats import Estimate
from ..reports.comparison import Panel, intervals_figure
from ..reports.document import Block, Figure, Table
from ..reports.metrics import number, spread
from .claims.verdict import CONTROLS
from .gaps import Key, Numbers
from .headlines import MAIN, is_sae

GIGA = 1e9


class Column(NamedTuple):
    """A column of a table: its title, the number, and how it is written."""

    title: str
    key: Key
    write: Callable[[Estimate], str]


def said(one: Estimate | None) -> str:
    """Write a number with its interval, if it has one.

    >>> said(Estimate(0.5, 0.25, 0.75)), said(Estimate.exact(4.5)), said(None)
    ('0.500 [0.250, 0.750]', '4.50', '-')
    """
    if one is None or math.isnan(one.value):
        return "-"
    finite = math.isfinite(one.low) and math.isfinite(one.high)
    if not finite or math.isclose(one.low, one.high, rel_tol=1e-9, abs_tol=1e-12):
        return number(one.value)
    return spread(one)


def whole(one: Estimate) -> str:
    """Write a large number.

    >>> whole(Estimate.exact(123456.7))
    '123,457'
    """
    return f"{one.value:,.0f}"


def giga(one: Estimate) -> str:
    """Write a number of operations in units of 10^9.

    >>> giga(Estimate.exact(2.5e12))
    '2,500'
    """
    return f"{one.value / GIGA:,.0f}"


def ordered(sources: Iterable[str]) -> list[str]:
    """Put the neurons first, then SAEs, then controls in the order of the rules, then others."""
    known = list(sources)

    def place(name: str) -> tuple[int, int, str]:
        if name == MAIN:
            return 0, 0, name
        if is_sae(name):
            return 1, len(name), name
        return 2, CONTROLS.index(name) if name in CONTROLS else len(CONTROLS), name

    return sorted(known, key=place)


def table(
    numbers: Numbers, columns: Sequence[Column], *, first: str = "source", without: Sequence[str] = ()
) -> Table | None:
    """Write a line for each source that has one of the columns; None where nobody has. without: sources."""
    sources = ordered({name for column in columns for name in numbers.sources(column.key)} - set(without))
    rows = []
    for name in sources:
        found = [numbers.mean(name, column.key) for column in columns]
        cells = [
            "-" if one is None else column.write(one) for one, column in zip(found, columns, strict=True)
        ]
        rows.append((name, *cells))
    return Table((first, *(column.title for column in columns)), rows) if rows else None


def with_layers(table: Table, numbers: Numbers, key: Key) -> Table:
    """Add for each source how many layers a number is of."""
    counts = []
    for name, *_ in table.rows:
        rows = [row for row in numbers.rows if row.source == name and key.picks(row)]
        sites = {row.site for row in rows if row.site is not None}
        counts.append(str(len(sites) or max((row.n for row in rows), default=0)))
    cells = [(*row, count) for row, count in zip(table.rows, counts, strict=True)]
    return Table((*table.head, "layers"), cells, table.words)


def lines(numbers: Numbers, key: Key, *, without: Sequence[str] = ()) -> list[tuple[str, Estimate]]:
    """Return a number of every source that has it, for a panel of a figure. without: sources."""
    names = ordered(set(numbers.sources(key)) - set(without))
    found = [(name, numbers.mean(name, key)) for name in names]
    return [(name, one) for name, one in found if one is not None]


def intervals(panels: Iterable[Panel], path: Path, says: str) -> Iterator[Block]:
    """Draw the panels that have a line."""
    shown = [panel for panel in panels if panel.lines]
    if shown:
        for file in (path, path.with_suffix(".png")):
            intervals_figure(shown, file)
        yield Figure(path, says)
