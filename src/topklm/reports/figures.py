"""Figures: readable in black and white, drawn without a display."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.files import whole_file


@contextmanager
def figure_file(path: Path | str, size: tuple[float, float]) -> Iterator[Any]:
    """Give a matplotlib figure to draw into, and write it when the block ends: whole or not at all.

    size: width and height in inches. The file is PNG or SVG by its ending. The same content gives the same
    file: no date, no random names inside.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    kind = path.suffix.removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": "topklm", "font.size": 9, "axes.titlesize": 9}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with whole_file(path) as partial:
            figure.savefig(partial, dpi=150, format=kind, metadata=metadata)


def states_figure(tokens: Sequence[str], panels: Mapping[str, Any], path: Path | str) -> None:
    """Draw hidden states, one panel each: tokens downwards, neurons to the right, darker is larger.

    tokens: one label per row. panels: a title, and an array of shape (token, neuron); the colour
    scale of each runs from zero to the 99.5th percentile of its absolute values. The file is PNG or
    SVG by its ending. Raises ValueError where a panel has another number of rows.
    """
    with figure_file(path, (11, 0.6 + 0.24 * len(tokens) * len(panels))) as figure:
        all_axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
        for axes, (title, values) in zip(all_axes, panels.items(), strict=True):
            sizes = np.abs(np.asarray(values, np.float32))
            if len(sizes) != len(tokens):
                raise ValueError(f"panel {title!r} has {len(sizes)} rows for {len(tokens)} tokens")
            axes.imshow(
                sizes,
                aspect="auto",
                interpolation="nearest",
                cmap="Greys",
                vmin=0,
                vmax=max(float(np.quantile(sizes[sizes > 0], 0.995)) if (sizes > 0).any() else 1.0, 1e-9),
            )
            axes.set_title(title, loc="left", fontsize=10)
            axes.set_yticks(range(len(tokens)), labels=list(tokens), fontsize=8, family="monospace")
            axes.tick_params(length=0)
        all_axes[-1].set_xlabel("neuron", fontsize=9)


class Point(NamedTuple):
    """A strength of an arm of a steering evaluation."""

    label: str
    """The strength, as in 2x."""
    perplexity: float
    """In units of the unsteered one, above 0; where it is not finite the point is left out."""
    reached: float
    """Share of features whose concept came up often enough."""


MARKERS = "os^Dv<>pPX*hd"
LINES = ("-", "--", "-.", ":")
LARGEST_SHOWN = 100.0


def fluency_figure(arms: Mapping[str, Sequence[Point]], path: Path | str, *, limit: float, note: str) -> None:
    """Draw what each arm reaches against what it costs in fluency, a line an arm, a point a strength.

    limit: the largest perplexity ratio that counts as fluent, drawn as a line. note: what the shares are of.
    Arms differ by marker and line, not by colour alone. Points beyond a ratio of 100 are drawn at the edge.
    The file is PNG or SVG by its ending.
    """
    with figure_file(path, (7.5, 4.8)) as figure:
        axes = figure.subplots()
        for place, (name, points) in enumerate(arms.items()):
            shown = [one for one in points if np.isfinite([one.perplexity, one.reached]).all()]
            x = [min(one.perplexity, LARGEST_SHOWN) for one in shown]
            axes.plot(
                x,
                [one.reached for one in shown],
                marker=MARKERS[place % len(MARKERS)],
                linestyle=LINES[place % len(LINES)],
                linewidth=1.4 if place else 2.2,
                label=name,
            )
            if place == 0:
                for across, one in zip(x, shown, strict=True):
                    axes.annotate(
                        one.label,
                        (across, one.reached),
                        xytext=(4, 4),
                        textcoords="offset points",
                        fontsize=7,
                    )
        axes.axvline(limit, color="0.4", linewidth=0.8)
        axes.text(limit, 1.0, f" fluent: up to {limit:g}", fontsize=7, va="top", color="0.3")
        axes.set_xscale("log")
        for axis_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            axis_formatter("{x:g}")
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel(
            "perplexity of the texts, in units of the unsteered (median over features)", fontsize=9
        )
        axes.set_ylabel("share of features whose concept is reached", fontsize=9)
        axes.set_title(note, loc="left", fontsize=9)
        if arms:
            axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
