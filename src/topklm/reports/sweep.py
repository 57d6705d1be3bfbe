"""Tables and figures of a sweep: one line a variant, every seed shown."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.text import Text

from ..core.stats import Estimate
from .figures import MARKERS, figure_file
from .terminal import table

DENSE, SPARSE = "0.55", "black"
SIZE = (8.5, 4.8)
LEGEND: dict[str, Any] = {"fontsize": 7, "loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False}


class Line(NamedTuple):
    """What became of one variant."""

    variant: str
    losses: Mapping[int, float]
    """Held-out loss by seed, in nats per token."""
    difference: Estimate | None
    """Mean difference of the loss from the first variant's, over shared seeds; None for the first."""
    bits_per_byte: float
    live: Sequence[float]
    """Share of live neurons of each TopK layer, mean over seeds; none for a dense model."""
    entropy: Sequence[float]
    """Mean token entropy of each TopK layer in bits, over an equal number of random firings."""
    parameters: float
    flops_per_token: float
    """Of a forward pass."""
    training_flops: float
    seconds: float
    """Of training."""


HEADS = (
    "variant",
    "loss, each seed",
    "difference from the first",
    "bits per byte",
    "live, by layer, %",
    "token entropy, by layer",
    "parameters, M",
    "MFLOPs per token",
    "minutes",
)


def cells(line: Line) -> tuple[str, ...]:
    """Write a line's numbers."""
    return (
        line.variant,
        ", ".join(f"{loss:.3f}" for _, loss in sorted(line.losses.items())),
        _difference(line.difference),
        f"{line.bits_per_byte:.3f}",
        ", ".join(f"{100 * share:.0f}" for share in line.live) or "-",
        ", ".join("-" if math.isnan(bits) else f"{bits:.2f}" for bits in line.entropy) or "-",
        f"{line.parameters / 1e6:.2f}",
        f"{line.flops_per_token / 1e6:.1f}",
        f"{line.seconds / 60:.1f}",
    )


def _difference(found: Estimate | None) -> str:
    if found is None:
        return ""
    if not math.isfinite(found.low):
        return f"{found.value:+.3f}"
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def markdown(lines: Sequence[Line], *, failed: Mapping[str, str]) -> str:
    """Write the table as Markdown, with what failed below it."""
    rows = [HEADS, tuple("---" for _ in HEADS), *(cells(line) for line in lines)]
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"
    seeds = sorted({seed for line in lines for seed in line.losses})
    text += (
        f"\nSeeds {', '.join(map(str, seeds))}. Held-out loss in nats per token; differences: mean over "
        "shared seeds, with a paired t-interval (95 %) where there are two seeds or more. Live: fires on "
        "more than 1 token in 10,000. Token entropy in bits, over 256 random firings a neuron.\n"
    )
    for name, reason in failed.items():
        text += f"\nFailed: {name}: {reason}\n"
    return text


def draw_table(lines: Sequence[Line]) -> Text:
    """Write the table for a terminal, columns aligned."""
    return table(HEADS, [cells(line) for line in lines], left=len(HEADS))


def loss_figure(lines: Sequence[Line], path: Path) -> None:
    """Draw held-out loss against training operations, a mark a seed; dense models are grey."""
    with figure_file(path, SIZE) as figure:
        axes = figure.subplots()
        for place, line in enumerate(lines):
            axes.scatter(
                [line.training_flops] * len(line.losses),
                list(line.losses.values()),
                marker=MARKERS[place % len(MARKERS)],
                s=28,
                facecolors="none",
                edgecolors=SPARSE if line.live else DENSE,
                label=line.variant,
            )
        axes.set_xscale("log")
        axes.set_xlabel("training, floating-point operations")
        axes.set_ylabel("held-out loss, nats per token")
        axes.legend(**LEGEND)


def variants_figure(lines: Sequence[Line], path: Path) -> None:
    """Draw a row a variant: held-out loss, a mark a seed, and where there is TopK the live neurons by layer.

    Dense models are grey. Layers are written as their numbers, counted from the first with TopK; those of
    equal shares stand together.
    """
    sparse = any(line.live for line in lines)
    rows = np.arange(len(lines))
    with figure_file(path, (8.5, 1.0 + 0.27 * len(lines))) as figure:
        loss, *rest = np.atleast_1d(figure.subplots(1, 1 + sparse, sharey=True))
        for row, line in zip(rows, lines, strict=True):
            colour = SPARSE if line.live else DENSE
            losses = list(line.losses.values())
            loss.scatter(losses, [row] * len(losses), marker="o", s=24, facecolors="none", edgecolors=colour)
            for axes in rest:
                alike: dict[int, list[str]] = {}
                for layer, share in enumerate(line.live):
                    alike.setdefault(round(100 * share), []).append(str(layer))
                for percent, layers in alike.items():
                    axes.text(percent, row, ",".join(layers), ha="center", va="center", fontsize=8)
        loss.set_yticks(rows, labels=[line.variant for line in lines], fontsize=8)
        loss.set_ylim(len(lines) - 0.4, -0.6)
        loss.set_xlabel("held-out loss, nats per token")
        for axes in rest:
            axes.set_xlabel("live neurons, %, by TopK layer")
            least = min(share for line in lines for share in line.live)
            left = 10 * math.floor(10 * least) - 4.0
            axes.set_xlim(left, 100 + 0.08 * (100 - left))
        for axes in (loss, *rest):
            axes.grid(axis="y", color="0.9", linewidth=0.6)
            axes.set_axisbelow(True)
