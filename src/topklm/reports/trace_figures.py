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
    "initial": "both as they began, with one embedding",
    "sae_1x": "SAE begun afresh at each checkpoint",
    "sae_1x_warm": "SAE begun as the one before",
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
    _mark_skipped(axes, skipped)


def _mark_skipped(axes: Any, places: Sequence[float]) -> None:
    """Draw a dotted line wherever a checkpoint is missing."""
    for number, place in enumerate(sorted(set(places))):
        axes.axvline(place, color="0.3", linewidth=0.9, linestyle=":")
        if number == 0:
            where = {"transform": axes.get_xaxis_transform(), "va": "top", "ha": "right"}
            axes.text(place, 1.0, "skipped", rotation=90, fontsize=6, **where)


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
    with figure_file(path, (7.5, 4.8)) as figure:
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
            "live features whose most similar feature at the next checkpoint has the same index\n"
            "grey: the half of training that is reported",
            loc="left",
        )
        figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=3)
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
                heading = "before training" if name == "initialisation" else TITLES.get(name, name)
                _heat(axes[row, column], one, measure, f"{heading}\n{title}", layers["topk_layers"])


def _heat(axes: Any, one: Mapping[str, Any], measure: str, title: str, topk_layers: Sequence[int]) -> None:
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
    labels = [f"L{layer}" if layer in topk_layers else f"L{layer}, dense" for layer in layers]
    axes.set_xticks(range(len(layers)), labels=labels, fontsize=8)
    axes.set_yticks(range(len(layers)), labels=labels, fontsize=8)
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
    """Draw one feature's life, its checkpoints evenly spaced, with its strongest token above each.

    Similarity to its final self and to what it was before, F1 of its best concept; density; token entropy.
    """
    moments = life.moments
    steps = [one.step for one in moments]
    x = range(len(steps))
    with figure_file(path, (7.5, 6.4)) as figure:
        upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
        before = _numbers([one.to_previous for one in moments])
        upper.plot(x, [one.to_final for one in moments], label="cosine with its final self", **_style(0))
        upper.plot(x, before, label="cosine with the previous checkpoint's", **_style(1))
        upper.plot(x, [_f1(one) for one in moments], label="F1 of its best concept", **_style(2))
        if life.emergence is not None:
            upper.axvline(steps.index(life.emergence), color="0.5", linewidth=0.8)
        upper.set_ylim(-0.03, 1.03)
        figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=3)
        tokens = upper.secondary_xaxis("top")
        tokens.set_xticks(
            list(x), labels=[_token(one) for one in moments], rotation=60, ha="left", fontsize=7
        )
        tokens.tick_params(length=0)
        when = "" if life.emergence is None else f", emerged at step {life.emergence:,}"
        upper.set_title(f"{life.feature} of {life.source}{when}; above: its strongest token", loc="left")
        middle.plot(x, [100 * one.density for one in moments], **_style(0))
        middle.set_ylabel("density, %")
        lower.plot(x, _numbers([one.token_entropy for one in moments]), **_style(0))
        lower.set_ylabel("token entropy, bits")
        lower.set_xlabel("checkpoint (training step)")
        lower.set_xticks(list(x), labels=[f"{step:,}" for step in steps], rotation=90, fontsize=7)
        for axes in (upper, middle, lower):
            _mark_skipped(axes, [float(np.interp(step, steps, x)) for step in skipped])


def _f1(moment: Any) -> float:
    return float(moment.concepts[0]["f1"]) if moment.concepts else float("nan")


def _token(moment: Any) -> str:
    """Name a feature's strongest token; a dollar sign would begin a formula."""
    from .text import visible

    if not moment.top_tokens:
        return "-"
    text = moment.top_tokens[0]["text"]
    return visible(text.strip() or text, longest=12).replace("$", r"\$")


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else float(value) for value in values]


FIGURES: dict[str, Callable[[Mapping[str, Any], Path | str], None]] = {
    "emergence": emergence_figure,
    "stability": stability_figure,
    "layers": layers_figure,
    "concepts": concepts_figure,
}
"""What is drawn of a whole trace, by the file's name."""
