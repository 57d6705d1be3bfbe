"""Write the measured part of a document on capabilities: TopK model, dense twin, smaller dense model.

    topklm eval RUN --tasks stories --compare twin --json > scores/RUN.json
    topklm eval SMALLER --tasks stories --json > scores/SMALLER.json
    python examples/capabilities_report.py docs/results/capabilities_tiny.md --compared scores/RUN.json \\
        [--smaller scores/SMALLER.json [...]] [--note "What the models are."]

One --compared file a seed. What stands under the heading "## Measured" is replaced. A task counts as lower
than the twin where the difference lies below zero by more than two standard errors: with one seed those of
the items (siblings as one), with several those of the seeds' differences.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from topklm.core.errors import InputError
from topklm.core.files import read_json, write_text
from topklm.reports.document import markdown_table

HEADING = "## Measured"
METRIC = "acc"
LIMIT = 2.0
"""Standard errors below which a difference is none."""


class Line(NamedTuple):
    """A task over seeds: mean accuracies, each with a standard error."""

    task: str
    topk: tuple[float, float]
    twin: tuple[float, float]
    difference: tuple[float, float]
    smaller: tuple[float, float] | None

    @property
    def verdict(self) -> str:
        """Whether the TopK model is lower than its twin, higher, or neither."""
        value, error = self.difference
        return "within error" if abs(value) <= LIMIT * error else "higher" if value > 0 else "lower"


def combined(values: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """Return the mean over seeds and its standard error: over seeds, or of the items where there is one."""
    if len(values) == 1:
        return values[0], errors[0]
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def lines(compared: Sequence[Mapping[str, Any]], smaller: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Put the tasks of all seeds together. Raises InputError where a file lacks a task or its twin."""
    found = []
    for task in compared[0]["tasks"]:
        try:
            twins = [one["compare"] for one in compared]
            gaps = [one["difference"][task][METRIC] for one in twins]
            found.append(
                Line(
                    task,
                    _scores(compared, task),
                    _scores(twins, task),
                    combined([one["value"] for one in gaps], [one["stderr"] for one in gaps]),
                    _scores(smaller, task) if smaller else None,
                )
            )
        except KeyError as error:
            raise InputError(
                f"{error} is missing; make the files with: topklm eval RUN --compare twin --json"
            ) from None
    return found


def _scores(contents: Sequence[Mapping[str, Any]], task: str) -> tuple[float, float]:
    scores = [one["tasks"][task]["metrics"][METRIC] for one in contents]
    return combined([one["value"] for one in scores], [one["stderr"] for one in scores])


def report(found: Sequence[Line], *, seeds: int, items: int, note: str) -> str:
    """Write the measured part, verdict first."""
    lower = [one.task for one in found if one.verdict == "lower"]
    first = (
        f"Lower than the twin by more than two standard errors: {', '.join(lower)}."
        if lower
        else "No task is lower than the twin by more than two standard errors."
    )
    whose = "of the seeds" if seeds > 1 else "of the items, siblings as one"
    over = f"{seeds} seeds" if seeds > 1 else "one seed"
    about = f"Accuracy, {over}, {items} items a task; ± one standard error {whose}. {note}"
    heads = ["task", "TopK", "dense twin", "TopK - twin", "", "smaller dense"]
    if found[0].smaller is None:
        heads.pop()
    rows = [
        [
            f"`{one.task}`",
            _number(one.topk),
            _number(one.twin),
            f"{one.difference[0]:+.3f} ± {one.difference[1]:.3f}",
            one.verdict,
            *([] if one.smaller is None else [_number(one.smaller)]),
        ]
        for one in found
    ]
    return "\n\n".join([HEADING, f"{first} {about.strip()}", markdown_table(heads, rows)]) + "\n"


def _number(score: tuple[float, float]) -> str:
    return f"{score[0]:.3f} ± {score[1]:.3f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Replace the measured part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("document", type=Path)
    parser.add_argument("--compared", type=Path, nargs="+", required=True)
    parser.add_argument("--smaller", type=Path, nargs="*", default=[])
    parser.add_argument("--note", default="")
    given = parser.parse_args(arguments)
    compared = [read_json(path) for path in given.compared]
    found = lines(compared, [read_json(path) for path in given.smaller])
    seeds = len({seed for one in compared for seed in one["seeds"]})
    items = max(one["n_items"] for name, one in compared[0]["tasks"].items() if name != "stories")
    before, _, _ = given.document.read_text(encoding="utf-8").partition(HEADING)
    write_text(given.document, before + report(found, seeds=seeds, items=items, note=given.note))


if __name__ == "__main__":
    main()
