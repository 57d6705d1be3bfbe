"""Metrics for the terminal and for Markdown: a line a number, a column a source, the controls beside."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from .terminal import table

SMALL = 0.0005
"""What three digits would show as 0."""
MARK = "≈"
"""Stands after a control's number that comes close to the neurons'."""


class Cell(NamedTuple):
    """A number with its interval."""

    value: float
    low: float
    high: float
    close: bool = False


def draw_metrics(
    blocks: Mapping[str, Sequence[tuple[str, Mapping[str, Cell]]]],
    sources: Sequence[str],
    *,
    notes: Sequence[str],
    width: int | None,
) -> Text:
    """Draw a table for each block (a layer): its lines are (title, cells by source).

    Intervals stand in every column where there is room, else only in the first.
    """
    parts: list[Text] = [*map(Text, notes)]
    for title, lines in blocks.items():
        drawn = _table(lines, sources, intervals=len(sources))
        longest = max(cell_len(line) for line in drawn.plain.splitlines())
        if width is not None and longest > width:
            drawn = _table(lines, sources, intervals=1)
        parts += [Text(), Text(title, "bold"), drawn]
    parts += [Text(), Text(f"{MARK} the control's interval reaches that of the neurons, or beyond")]
    return Text("\n").join(parts)


def number(value: float) -> str:
    """Write a number with three digits behind the point, or one that counts; a dash where there is none.

    >>> number(0.12345), number(4.5), number(32.0), number(0.0), number(-0.00012), number(float("nan"))
    ('0.123', '4.50', '32.0', '0.000', '-0.0001', '-')
    """
    if value != value:
        return "-"
    size = abs(value)
    if 0 < size < SMALL:
        return f"{value:.1g}"
    return f"{value:.3f}" if size < 1 else f"{value:.2f}" if size < 10 else f"{value:.1f}"


def spread(cell: Any) -> str:
    """Write a number with its interval.

    >>> spread(Cell(0.5, 0.25, 0.75))
    '0.500 [0.250, 0.750]'
    """
    if cell.value != cell.value:
        return "-"
    return f"{number(cell.value)} [{number(cell.low)}, {number(cell.high)}]"


def _table(
    lines: Sequence[tuple[str, Mapping[str, Cell]]], sources: Sequence[str], *, intervals: int
) -> Text:
    rows = []
    for title, cells in lines:
        row = [title]
        for place, source in enumerate(sources):
            cell = cells.get(source)
            text = "-" if cell is None else spread(cell) if place < intervals else number(cell.value)
            row.append(text + (f" {MARK}" if cell is not None and cell.close else "  "))
        rows.append(row)
    return table(("", *(f"{source}  " for source in sources)), rows)
