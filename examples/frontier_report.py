"""Two routes to features over many settings: TopK models against dense models with SAEs, as frontiers.

python examples/frontier_report.py SWEEP docs/results/frontier.md [--data stories:1] [--tokens 60000]

SWEEP: what `topklm sweep examples/sweeps/tiny_frontier.yaml --out SWEEP` has made: TopK runs, and a dense run
of each width. For every TopK run an SAE (1x, its k, its TopK layers) is trained on the dense run of its
width, and the concepts of both sources are scored by the same code. What is done is kept; the same command
goes on. The lines of the figure join the points that no other of their route beats in both coordinates.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from topklm import Run
from topklm.comparison import Settings, measure
from topklm.comparison.result import Result
from topklm.comparison.sweep import SweepResult, read_sweep_result
from topklm.core.errors import InputError
from topklm.core.files import write_json, write_text
from topklm.reports.document import markdown_table
from topklm.reports.figures import figure_file
from topklm.sae.runs import train_run_saes
from topklm.sae.store import FOLDER, read_set

ROUTES = {"topk": "TopK", "sae_1x": "dense + SAE"}
MARKS = {"topk": ("o", "black", "-"), "sae_1x": ("^", "0.55", "--")}
METRICS = ("concept_coverage", "concept_f1")
HEADS = ("setting", "route", "loss", "training, TFLOPs", "concepts covered", "mean best F1")


class Point(NamedTuple):
    """One route at one setting."""

    setting: str
    route: str
    loss: float
    """Held-out, in nats per token, of the model whose features these are."""
    flops: float
    """Until the features exist."""
    covered: float
    """Share of all concepts with a feature of held-out F1 >= 0.7, at the best layer."""
    f1: float
    """Mean held-out F1 of each concept's best feature, at the best layer."""


def frontier(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the places of the points that no other beats: less in the first, more in the second is better.

    In the order of the first coordinate; of equal points the first.
    """
    best, found = float("-inf"), []
    for place in sorted(range(len(points)), key=lambda one: (points[one][0], -points[one][1], one)):
        if points[place][1] > best:
            best = points[place][1]
            found.append(place)
    return found


def runs_of(sweep: Path) -> tuple[dict[str, Run], dict[int, Run]]:
    """Return the sweep's TopK runs by name, and its dense runs by width.

    Raises InputError where a width has no dense run.
    """
    runs = [Run(path.parent) for path in sorted(sweep.glob("*/seed-*/train.json"))]
    sparse = {run.path.parent.name: run for run in runs if not run.settings.dense}
    dense = {run.settings.width: run for run in runs if run.settings.dense}
    for name, run in sparse.items():
        if run.settings.width not in dense:
            raise InputError(f"{sweep} has no dense run of width {run.settings.width}, which {name} needs")
    return sparse, dense


def points_of(
    name: str, run: Run, twin: Run, swept: SweepResult, settings: Settings, budget: int
) -> list[Point]:
    """Train the SAE of one setting, score both routes' concepts, and return their points."""
    train_run_saes(run, twin=twin.path, tokens=budget, threads=run.settings.threads, say=print)
    result = measure(run, settings, sources=tuple(ROUTES), twin=twin.path, say=print)
    saes = read_set(run.path / FOLDER / "sae_1x")
    added = sum(one["flops"] for one in saes["saes"].values()) + saes["reading"]["flops"]

    def measured(variant: str, metric: str) -> float:
        return next(iter(swept.by_seed(variant, metric).values())).value

    return [
        Point(
            name,
            source,
            measured(variant, "loss"),
            measured(variant, "training_flops") + more,
            *(at_best_layer(result, source, metric) for metric in METRICS),
        )
        for source, variant, more in (("topk", name, 0.0), ("sae_1x", twin.path.parent.name, added))
    ]


def at_best_layer(result: Result, source: str, metric: str) -> float:
    """Return the largest of a metric's values over layers, for all concepts."""
    return max(
        row.value
        for row in result.rows
        if (row.source, row.metric, row.about) == (source, metric, "all concepts")
    )


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw coverage over loss and over operations, with each route's frontier."""
    with figure_file(path, (9.0, 4.2)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, coordinate, label in zip(
            panels,
            ("loss", "flops"),
            ("held-out loss, nats per token", "training until features exist, FLOPs"),
            strict=True,
        ):
            for route, (marker, colour, line) in MARKS.items():
                own = [(getattr(one, coordinate), one.f1) for one in points if one.route == route]
                axes.scatter(
                    *zip(*own, strict=True),
                    marker=marker,
                    s=22,
                    facecolors="none",
                    edgecolors=colour,
                    label=ROUTES[route],
                )
                edge = [own[place] for place in frontier(own)]
                axes.step(*zip(*edge, strict=True), color=colour, linestyle=line, where="post", linewidth=1)
            axes.set_xlabel(label)
        panels[1].set_xscale("log")
        panels[0].set_ylabel("mean best F1 of a concept")
        panels[0].legend(frameon=False)


def table(points: Sequence[Point]) -> str:
    """Write the points as Markdown, a row each."""
    rows = [
        (one.setting, ROUTES[one.route], f"{one.loss:.3f}", f"{one.flops / 1e12:.1f}", f"{one.covered:.3f}",
         f"{one.f1:.3f}")
        for one in points
    ]  # fmt: skip
    return markdown_table(HEADS, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the page, its figure and its numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweep", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--data", default="stories:1")
    parser.add_argument("--tokens", type=int, default=60_000)
    parser.add_argument("--sae-tokens", type=int, default=300_000)
    options = parser.parse_args(arguments)
    settings = Settings(data=(options.data,), tokens=options.tokens, probed=0)
    swept = read_sweep_result(options.sweep)
    sparse, dense = runs_of(options.sweep)
    points: list[Point] = []
    for number, (name, run) in enumerate(sparse.items(), 1):
        print(f"setting {number} of {len(sparse)}: {name}")
        points += points_of(name, run, dense[run.settings.width], swept, settings, options.sae_tokens)
        write_json(options.sweep / "frontier.json", [one._asdict() for one in points])
    image = options.page.parent.parent / "images" / "frontier.png"
    image.parent.mkdir(parents=True, exist_ok=True)
    draw(points, image)
    before = (
        options.page.read_text(encoding="utf-8")
        if options.page.is_file()
        else "# Two frontiers\n\n## Measured\n"
    )
    head = before.partition("## Measured")[0].rstrip()
    figure = f"![Concepts over loss and over operations, with frontiers](../images/{image.name})"
    about = (
        f"{len(sparse)} settings, one seed; concepts of {options.tokens:,} tokens of {options.data}; SAEs of "
        f"1x on at most {options.sae_tokens:,} tokens."
    )
    write_text(options.page, f"{head}\n\n## Measured\n\n{about}\n\n{figure}\n\n{table(points)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
