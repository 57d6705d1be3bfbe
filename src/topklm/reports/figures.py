"""Figures: readable in black and white, drawn without a display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.files import PARTIAL


def states_figure(tokens: Sequence[str], panels: Mapping[str, Any], path: Path | str) -> None:
    """Draw hidden states, one panel each: tokens downwards, neurons to the right, darker is larger.

    tokens: one label per row. panels: a title, and an array of shape (token, neuron); the colour
    scale of each runs from zero to the 99.5th percentile of its absolute values. The file is PNG or
    SVG by its ending. Raises ValueError where a panel has another number of rows.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    figure = Figure(figsize=(11, 0.6 + 0.24 * len(tokens) * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
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
    partial = path.with_name(PARTIAL + path.name)
    figure.savefig(partial, dpi=150, format=path.suffix.removeprefix("."))
    partial.replace(path)
