"""Figures of traces: emergence, a life, layers, stability, concepts; readable in black and white."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .figures import LINES, MARKERS, figure_file

TITLES = {
    "topk": "TopK neurons",
    "dense": "dense twin's neurons",
    "posthoc": "post-hoc TopK of the twin",
    "initialisation": "initialisation (first against last)",
    "permuted": "chance (indices permuted)",
    "random": "two random initialisations",
}
MOST_CONCEPTS = 40


def _style(place: int) -> dict[str, Any]:
    """Tell lines apart by marker, dash and grey; the first is thick and black."""
    greys = ("black", "0.35", "0.5", "0.25", "0.6")
    return {
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place % len(LINES)],
        "color": greys[place % len(greys)],
        "linewidth": 1.3 if place else 2.2,
        "markersize": 4,
    }


def _steps_axis(axes: Any, steps: Sequence[int], skipped: Sequence[int]) -> None:
    """Scale steps so that 0 and the doubling first ones have room, and mark what was skipped."""
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(0, max(steps) * 1.08 if steps else 1)
    for place, step in enumerate(sorted(set(skipped))):
        axes.axvline(step, color="0.3", linewidth=0.9, linestyle=":")
        axes.text(step, 1.0, "skipped" if place == 0 else "", rotation=90, fontsize=6, va="top", ha="right",
                  transform=axes.get_xaxis_transform())  # fmt: skip


def _skipped(content: Mapping[str, Any], source: str = "topk") -> list[int]:
    return [one["step"] for one in content["skipped"] if one["source"] == source]


def emergence_figure(content: Mapping[str, Any], path: Path | str) -> None:
    """Draw the share of features that have become what they end as, beside the loss, over training."""
    with figure_file(path, (7.5, 5.6)) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        emergence = content["emergence"]
        for place, (name, one) in enumerate({"topk": emergence, **emergence["controls"]}.items()):
            upper.plot(one["steps"], _numbers(one["share"]), label=TITLES.get(name, name), **_style(place))
        upper.set_ylabel("share emerged")
        upper.set_ylim(-0.03, 1.03)
        upper.set_title(
            f"features live at the end whose cosine with their final self stays at least "
            f"{emergence['threshold']:g}",
            loc="left",
        )
        upper.legend(frameon=False, fontsize=8, loc="upper left")
        for name, style in (("loss", {"color": "0.6", "linewidth": 1}), ("eval_loss", _style(0))):
            rows = [(row["step"], row[name]) for row in content["loss"] if row.get(name) is not None]
            title = {"loss": "training loss", "eval_loss": "held-out loss"}[name]
            lower.plot([row[0] for row in rows], [row[1] for row in rows], label=title, **style)
        lower.set_ylabel("nats per token")
        lower.set_xlabel("training step")
        lower.legend(frameon=False, fontsize=8)
        for axes in (upper, lower):
            _steps_axis(axes, content["checkpoints"], _skipped(content))


def stability_figure(content: Mapping[str, Any], path: Path | str) -> None:
    """Draw the identity match from each checkpoint to the next, for every source."""
    with figure_file(path, (7.5, 4.4)) as figure:
        axes = figure.subplots()
        identity = content["identity_match"]
        sources = {"topk": identity, **identity["controls"]}
        for place, (name, one) in enumerate(sources.items()):
            title = TITLES.get(name, name)
            if "by_step" not in one:
                if one["value"] is not None:
                    axes.axhline(one["value"], label=title, **{**_style(place), "marker": None})
                continue
            x = [row["next"] for row in one["by_step"]]
            y = _numbers([row["value"] for row in one["by_step"]])
            axes.plot(x, y, label=title, **_style(place))
            low, high = (_numbers([row[end] for row in one["by_step"]]) for end in ("low", "high"))
            axes.fill_between(x, low, high, color="0.8", alpha=0.5, linewidth=0)
        axes.axvspan(content["steps"] / 2, content["steps"], color="0.95", zorder=-2)
        axes.set_ylim(-0.03, 1.03)
        axes.set_ylabel("identity match")
        axes.set_xlabel("training step of the later checkpoint")
        axes.set_title(
            "live features whose most similar feature at the next checkpoint has the same index; grey: the "
            "half that is reported",
            loc="left",
        )
        axes.legend(frameon=False, fontsize=8, loc="lower right")
        _steps_axis(axes, content["checkpoints"], _skipped(content))


def layers_figure(content: Mapping[str, Any], path: Path | str) -> None:
    """Draw, for each pair of layers, how many neurons find themselves again under their own index."""
    with figure_file(path, (3.1 * (1 + len(content["layers"]["controls"])), 6)) as figure:
        layers = content["layers"]
        sources = {"topk": layers, **layers["controls"]}
        axes = figure.subplots(2, len(sources), squeeze=False)
        for column, (name, one) in enumerate(sources.items()):
            for row, (measure, title) in enumerate(
                (
                    ("identity_match", "best match has the same index"),
                    ("same_index_cosine", "cosine, same index"),
                )
            ):
                _heat(axes[row, column], one, measure, f"{TITLES.get(name, name)}\n{title}")


def _heat(axes: Any, one: Mapping[str, Any], measure: str, title: str) -> None:
    layers = one["layers"]
    values = np.full((len(layers), len(layers)), np.nan)
    for pair in one["pairs"]:
        a, b = (layers.index(layer) for layer in pair["layers"])
        values[a, b] = np.nan if pair[measure]["value"] is None else pair[measure]["value"]
    axes.imshow(values, cmap="Greys", vmin=0, vmax=1)
    for (a, b), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if value > 0.5 else "black"
            axes.text(b, a, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(layers)), labels=[f"L{layer}" for layer in layers])
    axes.set_yticks(range(len(layers)), labels=[f"L{layer}" for layer in layers])
    axes.tick_params(length=0)
    axes.set_title(title, fontsize=8)


def concepts_figure(content: Mapping[str, Any], path: Path | str) -> None:
    """Draw how well each concept's best feature tells it at each checkpoint, the first found on top."""
    concepts = content["concepts"]
    last = float("inf")
    rows = sorted(
        (one for one in concepts["found"] if one["scored"]),
        key=lambda one: (last if one["step"] is None else one["step"], -one["tokens"]),
    )
    picked = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_CONCEPTS)).round().astype(int))
    shown = [rows[place] for place in picked] if rows else []

    with figure_file(path, (7.5, 1.8 + 0.17 * max(len(shown), 4))) as figure:
        axes = figure.subplots()
        values = np.array([one["f1"] for one in shown]) if shown else np.zeros((1, len(concepts["steps"])))
        image = axes.imshow(values, aspect="auto", cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
        labels = [f"{one['concept']} [{one['family'][:3]}, {one['tokens']:,}]" for one in shown]
        axes.set_yticks(range(len(shown)), labels=labels, fontsize=7)
        axes.set_xticks(range(len(concepts["steps"])), labels=[f"{step:,}" for step in concepts["steps"]],
                        rotation=90, fontsize=7)  # fmt: skip
        for row, one in enumerate(shown):
            if one["step"] is not None:
                axes.plot(concepts["steps"].index(one["step"]), row, marker="|", color="black", markersize=7)
        axes.set_xlabel("checkpoint (training step)")
        axes.set_title(
            f"{len(shown)} of {len(rows)} concepts, evenly spaced in the order in which they are found\n"
            "[family, tokens]; bar: F1 stays at least 0.5 from here on",
            loc="left",
        )
        figure.colorbar(image, ax=axes, label="held-out F1 of the best neuron", shrink=0.5)


def life_figure(life: Any, path: Path | str, *, skipped: Sequence[int] = ()) -> None:
    """Draw one feature's life: similarity to its final self and to the previous one, density, entropy, F1."""
    with figure_file(path, (7.5, 6)) as figure:
        moments = life.moments
        steps = [one.step for one in moments]
        upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
        upper.plot(steps, [one.to_final for one in moments], label="to its final self", **_style(0))
        upper.plot(steps, _numbers([one.to_previous for one in moments]), label="to the previous checkpoint",
                   **_style(1))  # fmt: skip
        upper.plot(steps, [_f1(one) for one in moments], label="F1 of its best concept", **_style(2))
        if life.emergence is not None:
            upper.axvline(life.emergence, color="0.5", linewidth=0.8)
        upper.set_ylim(-0.03, 1.03)
        upper.legend(frameon=False, fontsize=7)
        upper.set_title(f"{life.feature} of {life.source}", loc="left")
        middle.plot(steps, [100 * one.density for one in moments], **_style(0))
        middle.set_ylabel("density, %")
        lower.plot(steps, _numbers([one.token_entropy for one in moments]), **_style(0))
        lower.set_ylabel("token entropy, bits")
        lower.set_xlabel("training step")
        for axes in (upper, middle, lower):
            _steps_axis(axes, steps, skipped)
        for one, top in zip(moments, _said(moments), strict=True):
            if top:
                upper.annotate(top, (one.step, one.to_final), fontsize=6, rotation=30, xytext=(2, 4),
                               textcoords="offset points")  # fmt: skip


def _f1(moment: Any) -> float:
    return float(moment.concepts[0]["f1"]) if moment.concepts else float("nan")


def _said(moments: Sequence[Any]) -> list[str]:
    """Name the strongest token wherever it is another than at the checkpoint before."""
    from .text import visible

    said, before = [], None
    for one in moments:
        top = (
            visible(one.top_tokens[0]["text"].strip() or one.top_tokens[0]["text"]) if one.top_tokens else ""
        )
        top = top.replace("$", r"\$")
        said.append("" if top == before else top)
        before = top
    return said


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else float(value) for value in values]


FIGURES: dict[str, Callable[[Mapping[str, Any], Path | str], None]] = {
    "emergence": emergence_figure,
    "stability": stability_figure,
    "layers": layers_figure,
    "concepts": concepts_figure,
}
"""What is drawn of a whole trace, by the file's name."""
