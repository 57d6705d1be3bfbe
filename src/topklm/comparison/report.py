"""A comparison as a report: verdicts, every table with its controls, figures, what it was made from.

`write_results` writes the results, then `report.md`, `report.html` and `figures/`.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from ..core.files import PARTIAL, write_text
from ..core.stats import Estimate
from ..reports.document import Block, Heading, Paragraph, Table, as_markdown, as_page
from . import sections
from .columns import said
from .gaps import Numbers
from .outcome import Comparison, write_comparison

MARKDOWN, PAGE, FIGURES = "report.md", "report.html", "figures"


def write_results(directory: Path, found: Comparison) -> None:
    """Write the results, then the report, which is drawn from them."""
    write_comparison(directory, found)
    write_report(directory, found)


def write_report(directory: Path, found: Comparison) -> None:
    """Write the report as Markdown and as a page that stands alone, with its figures as PNG and SVG.

    All of it is made beside the report that is there, and takes its place when it is whole.
    """
    partial = directory / f"{PARTIAL}report"
    shutil.rmtree(partial, ignore_errors=True)
    (partial / FIGURES).mkdir(parents=True)
    blocks, title = list(blocks_of(found, partial / FIGURES)), title_of(found)
    write_text(partial / MARKDOWN, as_markdown(title, blocks, beside=partial))
    write_text(partial / PAGE, as_page(title, blocks))
    shutil.rmtree(directory / FIGURES, ignore_errors=True)
    for name in (FIGURES, MARKDOWN, PAGE):
        (partial / name).replace(directory / name)
    partial.rmdir()


def title_of(found: Comparison, name: str = "") -> str:
    """Name what was compared. name: another than that of the run's directory."""
    seeds = ", ".join(map(str, found.seeds))
    name = name or Path(found.runs[0]["run"]).resolve().name
    return f"Comparison of {name}, seed{'s' * (len(found.seeds) > 1)} {seeds}"


def blocks_of(found: Comparison, figures: Path) -> Iterator[Block]:
    """Put the report together; figures are drawn on the way, into a directory."""
    numbers = Numbers(found.rows)
    yield from _verdicts(found)
    yield from sections.readable(numbers, figures)
    yield from sections.saes(numbers)
    yield from sections.doubt(numbers)
    yield from sections.cost(numbers, figures)
    yield from sections.losses(numbers)
    yield from sections.steering(numbers, figures)
    yield from sections.formation(numbers, figures)
    yield from _deciders(found)
    yield from _made(found)


def _verdicts(found: Comparison) -> Iterator[Block]:
    tokens = max((row.n_tokens for row in found.rows if row.metric == "live_features"), default=0)
    text = ", ".join(dict.fromkeys(str(part) for one in found.notes("metrics") for part in one["spec"]))
    yield Paragraph(
        "Numbers are means over layers"
        + (" and seeds" if len(found.seeds) > 1 else "")
        + ", in brackets 95 % intervals: "
        + ("over seeds (t) where two or more have the number, else " if len(found.seeds) > 1 else "")
        + "of one seed, which says nothing of the next. Without brackets: counted, or without any spread."
        + (f" Metrics: {tokens:,} held-out tokens of {text}." if text else "")
    )
    yield Heading("Verdicts")
    rows = [(one.claim, one.title, one.verdict, one.says) for one in found.claims]
    yield Table(("claim", "says that", "verdict", "what decides"), rows, words=4)


def _deciders(found: Comparison) -> Iterator[Block]:
    yield Heading("The numbers that decide")
    rows = [
        (one.claim, part.says, said(Estimate(part.value, part.low, part.high)))
        for one in found.claims
        if one.claim != "C2"  # its numbers have tables of their own
        for part in one.decides
    ]
    yield Table(("claim", "number", "value"), rows, words=2)


def _made(found: Comparison) -> Iterator[Block]:
    yield Heading("What it was made from")
    rows = [
        (
            Path(one["run"]).resolve().name,
            str(one["seed"]),
            one["revision"][:12],
            (one["twin"] and Path(one["twin"]).name) or "-",
        )
        for one in found.runs
    ]
    yield Table(("run", "seed", "weights", "twin"), rows, words=4)
    asked = ", ".join(f"{name} {value}" for name, value in found.budget.items() if value is not None)
    yield Paragraph(f"Asked for: {asked}. What is not named was taken as it was, or by default.")
    stages = list(dict.fromkeys(one["stage"] for one in found.stages))
    minutes = [
        (name, *(f"{one['seconds'] / 60:.1f}" for one in found.stages if one["stage"] == name))
        for name in stages
    ]
    if len({len(row) for row in minutes}) == 1:
        yield Table(("stage, minutes", *(f"seed {seed}" for seed in found.seeds)), minutes)
    for name, why in found.left_out.items():
        yield Paragraph(f"Left out: {name}: {why}")
