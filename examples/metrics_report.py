"""Write what `topklm metrics` found as a Markdown page: neurons and controls, one seed or several.

python examples/metrics_report.py docs/results/metrics.md RUN RUN RUN [--remarks FILE]

The first paragraph says whether a control comes close: of several seeds by their differences, of one by
its intervals. FILE: Markdown that says why, put below it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from topklm.comparison.headlines import MAIN, lines_of, verdict
from topklm.comparison.result import Result, read_result
from topklm.comparison.seeds import SeedLine, over_seeds, seed_verdict
from topklm.core.files import write_text
from topklm.reports.document import markdown_table
from topklm.reports.metrics import MARK, number, spread


def report(results: Sequence[Result], remarks: str = "") -> str:
    """Write the page."""
    lines = over_seeds(results)
    sources = list(results[0].sources)
    first = results[0]
    says = seed_verdict(lines) if len(results) > 1 else verdict(lines_of(first.rows))
    seeds = ", ".join(str(one.seeds[0]) for one in results)
    parts = [
        "# Metrics of neurons and controls",
        says,
        f"{'Seeds' if len(results) > 1 else 'Seed'} {seeds}; {first.n_tokens:,} held-out tokens, "
        f"{first.n_documents:,} documents of {', '.join(first.corpus['spec'])}; {first.concepts} concepts; "
        f"embedding: {first.embedding}. What the numbers mean: [metrics](../metrics.md).",
        *(f"Left out: {name}: {why}" for name, why in first.left_out.items()),
    ]
    if remarks:
        parts += ["## Why controls come close", remarks.strip()]
    parts += [
        "## Mean over layers" + (", every seed" if len(results) > 1 else ""),
        markdown_table(
            ["", *sources], [[line.headline.title, *_seeds(line, sources)] for line in _of(lines)]
        ),
    ]
    parts += _several(lines, sources) if len(results) > 1 else _single(first, sources)
    seconds = {source: sum(one.seconds[source] for one in results) / len(results) for source in sources}
    parts.append(
        "Seconds to measure: " + ", ".join(f"{source} {value:.0f}" for source, value in seconds.items()) + "."
    )
    return "\n\n".join(parts) + "\n"


def _several(lines: Sequence[SeedLine], sources: Sequence[str]) -> list[str]:
    """Write the differences over seeds, and each layer's means."""
    controls = [source for source in sources if source != MAIN]
    parts = [
        "## Neurons minus each",
        "In the direction in which more is better, paired by seed, 95 % t-interval; an interval that reaches "
        "0 means that the other comes close.",
        markdown_table(
            ["", *controls],
            [
                [
                    line.headline.title,
                    *(spread(line.gaps[one]) if one in line.gaps else "-" for one in controls),
                ]
                for line in _of(lines)
                if line.gaps
            ],
        ),
    ]
    for site in sorted({line.site for line in lines if line.site is not None}):
        rows = [[line.headline.title, *_means(line, sources)] for line in lines if line.site == site]
        parts += [f"## Layer {site}, mean over seeds", markdown_table(["", *sources], rows)]
    return parts


def _single(result: Result, sources: Sequence[str]) -> list[str]:
    """Write each layer's numbers with their intervals, which say nothing of another seed."""
    lines = lines_of(result.rows)
    parts = [
        f"The intervals below are of this seed (95 %, bootstrap). {MARK}: the control's reaches that of the "
        "neurons, or beyond; means over layers have none."
    ]
    for site in sorted({line.site for line in lines}):
        rows = [
            [
                line.headline.title,
                *(
                    spread(line.values[one]) + (f" {MARK}" if one in line.close() else "")
                    if one in line.values
                    else "-"
                    for one in sources
                ),
            ]
            for line in lines
            if line.site == site
        ]
        parts += [f"## Layer {site}", markdown_table(["", *sources], rows)]
    return parts


def _of(lines: Sequence[SeedLine]) -> list[SeedLine]:
    return [line for line in lines if line.site is None]


def _seeds(line: SeedLine, sources: Sequence[str]) -> list[str]:
    return [" / ".join(number(value) for value in line.values[source]) for source in sources]


def _means(line: SeedLine, sources: Sequence[str]) -> list[str]:
    return [number(sum(line.values[source]) / len(line.values[source])) for source in sources]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the results of the runs and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--remarks", type=Path)
    given = parser.parse_args(arguments)
    remarks = given.remarks.read_text(encoding="utf-8") if given.remarks else ""
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(given.out, report([read_result(run) for run in given.runs], remarks))


if __name__ == "__main__":
    main()
