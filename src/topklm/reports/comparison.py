"""Figures of a comparison: where the neurons stand beside each source, and numbers with their intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.stats import Estimate
from .figures import figure_file

MARKS: dict[str, dict[str, Any]] = {
    "ahead": {"marker": "^", "facecolors": "black"},
    "level": {"marker": "o", "facecolors": "none"},
    "behind": {"marker": "v", "facecolors": "0.6"},
}
"""How a number looks in which the neurons are ahead, level or behind."""
ROW = 0.24
"""Inches a line takes."""


class Panel(NamedTuple):
    """One number of several sources."""

    title: str
    lines: Sequence[tuple[str, Estimate]]
    """A source, and its number."""
    bar: float | None = None
    """Where the rule draws its line."""
    log: bool = False


def standing_figure(lines: Sequence[tuple[str, Mapping[str, str]]], path: Path) -> None:
    """Draw a row a number and a column a source: are the neurons ahead of it, level or behind?

    lines: the number's name, and by source a key of `MARKS`. The file is PNG or SVG by its ending.
    """
    sources = list(dict.fromkeys(name for _, found in lines for name in found))
    with figure_file(path, (3.6 + 0.75 * len(sources), 1.2 + ROW * len(lines))) as figure:
        axes = figure.subplots()
        for where, how in MARKS.items():
            places = [
                (sources.index(name), row)
                for row, (_, found) in enumerate(lines)
                for name, standing in found.items()
                if standing == where
            ]
            x, y = ([place[axis] for place in places] for axis in (0, 1))
            axes.scatter(x, y, s=42, edgecolors="black", label=f"{where} ({len(places)})", **how)
        axes.set_xticks(range(len(sources)), labels=sources, fontsize=8)
        axes.set_yticks(range(len(lines)), labels=[name for name, _ in lines], fontsize=8)
        axes.set_xlim(-0.6, len(sources) - 0.4)
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside lower right", ncols=3, fontsize=8, frameon=False
        )


def intervals_figure(panels: Sequence[Panel], path: Path) -> None:
    """Draw panels side by side: a line a source, its number with the interval. PNG or SVG by the ending."""
    longest = max(len(panel.lines) for panel in panels)
    with figure_file(path, (3.6 * len(panels), 0.9 + ROW * longest)) as figure:
        for axes, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
            values = np.array([estimate.value for _, estimate in panel.lines])
            ends = np.array([[one.low, one.high] for _, one in panel.lines]).reshape(-1, 2).T
            ends = np.where(np.isfinite(ends), ends, values)
            rows = np.arange(len(values))
            axes.errorbar(
                values,
                rows,
                xerr=np.abs(ends - values),
                fmt="o",
                color="black",
                markersize=4,
                capsize=2.5,
                elinewidth=1,
            )
            if panel.bar is not None:
                axes.axvline(panel.bar, color="0.4", linewidth=0.8, linestyle="--")
            if panel.log:
                axes.set_xscale("log")
            axes.set_yticks(rows, labels=[name for name, _ in panel.lines], fontsize=8)
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.set_title(panel.title, loc="left")
            axes.grid(axis="x", color="0.9", linewidth=0.6)
            axes.set_axisbelow(True)
