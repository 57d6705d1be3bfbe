"""Write the measured part of a document on conversions: curves, what was recovered, how features compare.

python examples/conversion_report.py docs/results/conversion.md --group NAME RUN [RUN ...] [--scratch RUN] ...

A group is what stands in one figure: conversions of one original on one text, and with --scratch the TopK
model trained from random weights on the same text. What stands under the heading "## Measured" is replaced;
figures go to `images/` of the documents.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.ticker import EngFormatter

from topklm import Run, load
from topklm.core.files import read_json, write_text
from topklm.core.stats import is_live
from topklm.data import Packed
from topklm.evaluation.heldout import token_nats
from topklm.metrics.batch import Batch
from topklm.metrics.entropies import measure
from topklm.reports.document import markdown_table
from topklm.reports.figures import LINES, MARKERS, figure_file
from topklm.reports.metrics import number
from topklm.training.conversion import FILE, conversion
from topklm.training.twin import topk_sites

HEADING = "## Measured"
TOKENS = 8192
"""Held-out tokens on which features are read."""
ROWS = 8


class Features(NamedTuple):
    """What a model's neurons do on held-out text, means over its TopK layers."""

    live: float
    """Share that fire on more than 1 in 10,000 tokens."""
    entropy: float
    """Token entropy of the strongest firings, in bits, at equally many; NaN where none has enough."""


def newest(run: Run) -> int | None:
    """Return the step of a run's newest weights: its last tracing checkpoint, or None for the final ones."""
    return None if run.finished else run.checkpoints("trace")[-1][0]


def features(run: Run, *, step: int | None) -> Features:
    """Read a run's features on its held-out text. step: of a tracing checkpoint, read at the final k."""
    model = load(run.path, step=step).model
    model.set_topk(k=run.settings.k, blend=1.0)
    packed = Packed.open(run.path / "data", "validation")
    live, entropy = [], []
    for batches in _by_site(model, packed, run.settings.context):
        tokens = sum(len(one.codes) for one in batches)
        fired = sum(torch.bincount(one.codes.indices.long(), minlength=one.codes.width) for one in batches)
        live.append(float(is_live(fired.double(), tokens).double().mean()))
        found = {row.metric: row.value for row in measure(batches)}
        entropy.append(found["token_entropy/strongest"])
    finite = [one for one in entropy if np.isfinite(one)]
    mean = float(np.mean(finite)) if finite else float("nan")
    return Features(float(np.mean(live)), mean)


def put_in(run: Run) -> list[list[str]]:
    """Return rows (k, loss by value, loss by magnitude) of the original with TopK put in, untrained."""
    model = load(run.path, step=0).model
    tokens = Packed.open(run.path / "data", "validation").tokens[: TOKENS // 4]
    width, k = run.settings.width, run.settings.k
    rows = []
    for kept in sorted({k, *(min(width, k * factor) for factor in (2, 4, 8, 16))}):
        model.set_topk(k=kept, blend=1.0)
        losses = []
        for by in ("value", "magnitude"):
            for module in model.model.topk_modules().values():
                module.by = by
            losses.append(float(token_nats(model, tokens, context=run.settings.context).mean()))
        rows.append([f"{kept}", *(f"{loss:.3f}" for loss in losses)])
    return rows


def _by_site(model: Any, packed: Packed, context: int) -> Iterator[list[Batch]]:
    """Give the batches of the held-out text, TopK layer by layer."""
    count = min(TOKENS, len(packed.tokens)) // context * context
    ids = torch.from_numpy(packed.tokens[:count].astype(np.int64)).view(-1, context)
    which = np.searchsorted(packed.documents[:, 0], np.arange(count), side="right") - 1
    documents = torch.from_numpy(which).view(-1, context)
    read = [model.codes(ids[start : start + ROWS]) for start in range(0, len(ids), ROWS)]
    for site in read[0]:
        yield [
            Batch(
                codes[site],
                ids[place * ROWS : (place + 1) * ROWS].flatten(),
                documents[place * ROWS : (place + 1) * ROWS].flatten(),
                start=place * ROWS * context,
            )
            for place, codes in enumerate(read)
        ]


def label(run: Run) -> str:
    """Name a conversion by what is particular about it."""
    settings = run.settings
    how = f"distilled {settings.distill:g}" if settings.distill else "text alone"
    return f"{'control: no TopK' if settings.dense else how}, {settings.tokens:,} tokens"


def labels(runs: Sequence[Run]) -> list[str]:
    """Name conversions; those of one name also by k, learning rate and seed."""
    names = [label(run) for run in runs]
    return [
        f"{name}, k {run.settings.k}, lr {run.settings.lr:g}, seed {run.settings.seed}"
        if names.count(name) > 1
        else name
        for name, run in zip(names, runs, strict=True)
    ]


def evaluations(run: Run) -> list[tuple[int, float]]:
    """Return the tokens and the held-out loss of each evaluation."""
    return [
        (row["step"] * run.settings.batch_tokens, row["eval_loss"])
        for row in run.metrics()
        if "eval_loss" in row
    ]


def draw(group: "Group", path: Path) -> None:
    """Draw held-out loss against tokens: each conversion, the model from scratch, the original's loss."""
    with figure_file(path, (7.5, 4.4)) as figure:
        axes = figure.subplots()
        curves = {
            name: [(row["n_tokens"], row["loss"]) for row in one["curve"]]
            for name, one in zip(labels(group.runs), group.contents, strict=True)
        }
        if group.scratch is not None:
            curves["from scratch"] = evaluations(group.scratch)
        for place, (name, points) in enumerate(curves.items()):
            axes.plot(
                *zip(*points, strict=True),
                marker=MARKERS[place],
                markersize=4,
                linestyle=LINES[place % len(LINES)],
                label=name,
            )
        first = group.contents[0]
        axes.axhline(first["original"], color="0.4", linewidth=0.8, label="the original")
        top = max(loss for name, points in curves.items() if name != "from scratch" for _, loss in points)
        axes.set_ylim(top=max(top, first["original"]) * 1.25)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_xlabel("tokens trained on")
        axes.set_ylabel("held-out loss, nats per token")
        axes.set_title(f"TopK put in, untrained: loss {first['inserted']:.2f}", loc="left")
        axes.legend(frameon=False)


class Group(NamedTuple):
    """Conversions that belong into one figure."""

    name: str
    runs: list[Run]
    contents: list[dict[str, Any]]
    scratch: Run | None

    @classmethod
    def open(cls, name: str, runs: Sequence[str], scratch: str | None) -> "Group":
        """Read what the conversions wrote; the loss to reach is that of the model from scratch."""
        other = None if scratch is None else Run(scratch)
        target = None if other is None else evaluations(other)[-1][1]
        opened = [Run(run) for run in runs]
        contents = []
        for run in opened:
            known = read_json(run.path / FILE)
            losses = {name: known[name] for name in ("original", "inserted")}
            contents.append(conversion(run, **losses, recover=target))
        return cls(name, opened, contents, other)


def section(group: Group, figure: Path) -> str:
    """Write a group's part of the page."""
    first = group.contents[0]
    held_out = first["held_out"]
    settings = group.runs[0].settings
    parts = [
        f"### {group.name}",
        f"Held-out text: {_names(held_out['key']['corpus'])}, {held_out['tokens']:,} tokens, of which an "
        f"evaluation reads {settings.eval_tokens:,} at most. Original: {first['original']:.3f}; with TopK "
        f"put in, untrained: {first['inserted']:.3f}. Seed {first['seeds'][0]}, k {settings.k} of "
        f"{settings.width} after blocks {_layers(group)}.",
        _curves_table(group),
        f"![Held-out loss by tokens](../{figure.parent.name}/{figure.name})",
        "The original with TopK put in and nothing trained, held-out loss "
        f"({TOKENS // 4:,} tokens, weights in bf16), by what is kept:",
        markdown_table(["k", "largest values", "largest magnitudes"], put_in(_sparse(group)[0])),
        "Features on held-out text, means over TopK layers:",
        _features_table(group),
    ]
    return "\n\n".join(parts)


def _names(corpus: Sequence[str]) -> str:
    """Name a text by its files, not by where they lie."""
    return ", ".join(Path(one).name for one in corpus)


def _sparse(group: Group) -> list[Run]:
    return [run for run in group.runs if not run.settings.dense]


def _layers(group: Group) -> str:
    layers = topk_sites(_sparse(group)[0])
    return f"{layers[0]} to {layers[-1]}"


def _curves_table(group: Group) -> str:
    target = group.contents[0]["target"]
    what = "the original's loss" if group.scratch is None else "loss of the model from scratch"
    rows = [
        [
            label(run),
            f"{content['n_tokens']:,}",
            f"{content['curve'][-1]['k']}",
            f"{content['final']:.3f}",
            "-" if content["recovered"] is None else f"{content['recovered']:.1%}",
            "not reached" if content["reached_after"] is None else f"{content['reached_after']:,}",
        ]
        for run, content in zip(group.runs, group.contents, strict=True)
    ]
    if group.scratch is not None:
        tokens, loss = evaluations(group.scratch)[-1]
        rows.append(
            ["from scratch", f"{tokens:,}", f"{group.scratch.settings.k}", f"{loss:.3f}", "-", f"{tokens:,}"]
        )
    heads = [
        "",
        "after tokens",
        "k by then",
        "loss",
        "recovered",
        f"tokens until {target:.3f}, {what}, at the final k",
    ]
    return markdown_table(heads, rows)


def _features_table(group: Group) -> str:
    sparse = _sparse(group)
    found = {"original, TopK put in untrained": features(sparse[0], step=0)}
    found |= {name: features(run, step=newest(run)) for name, run in zip(labels(sparse), sparse, strict=True)}
    if group.scratch is not None:
        found["from scratch"] = features(group.scratch, step=newest(group.scratch))
    return markdown_table(
        ["", "live neurons", "token entropy, bits"],
        [[name, f"{one.live:.1%}", number(one.entropy)] for name, one in found.items()],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Replace the measured part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("document", type=Path)
    parser.add_argument("--group", nargs="+", action="append", required=True, metavar="NAME RUN")
    parser.add_argument("--scratch", action="append", default=[], help="one a group, in order; - for none")
    given = parser.parse_args(arguments)
    images = given.document.parent.parent / "images"
    images.mkdir(exist_ok=True)
    before, _, _ = given.document.read_text(encoding="utf-8").partition(HEADING)
    parts = [f"{before}{HEADING}"]
    for place, (name, *runs) in enumerate(given.group):
        scratch = given.scratch[place] if place < len(given.scratch) else "-"
        group = Group.open(name, runs, None if scratch == "-" else scratch)
        figure = images / f"conversion_{place + 1}.png"
        draw(group, figure)
        parts.append(section(group, figure))
    write_text(given.document, "\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
