"""Put a comparison into the documents: its report with remarks, and its rows, to compare later ones with.

python examples/comparison_report.py docs/results/comparison_tiny.md RUN [--remarks FILE]

RUN: what `topklm compare` compared, its `comparison`, or `comparison/seeds` in the first of several runs.
FILE: Markdown that says what the numbers mean, put below the verdicts. Figures go to a directory of the
document's name beside it, the rows to `comparison/tiny.json`, where `make reproduce` looks for them.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from topklm.comparison.outcome import Comparison, read_comparison
from topklm.comparison.report import blocks_of, title_of
from topklm.core.files import without_paths, write_text
from topklm.reports.document import Heading, Markdown, as_markdown

PREFIX = "comparison_"


def document(found: Comparison, out: Path, remarks: str) -> str:
    """Write the report for the documents; its figures are drawn on the way."""
    figures = out.with_suffix("")
    figures.mkdir(parents=True, exist_ok=True)
    for image in figures.glob("*.svg"):
        image.unlink()
    blocks = list(blocks_of(found, figures))
    for image in figures.glob("*.png"):
        image.unlink()  # the page shows the others
    places = [place for place, block in enumerate(blocks) if isinstance(block, Heading)]
    if remarks.strip():
        blocks[places[1] : places[1]] = [Heading("What it means"), Markdown(remarks.strip())]
    return as_markdown(title_of(found, out.stem.removeprefix(PREFIX)), blocks, beside=out.parent)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read a comparison, and write the document and the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("comparison", type=Path, metavar="RUN")
    parser.add_argument("--remarks", type=Path)
    given = parser.parse_args(arguments)
    if not (given.out.name.startswith(PREFIX) and given.out.suffix == ".md"):
        parser.error(f"{given.out} is to be named {PREFIX}NAME.md")
    found = read_comparison(given.comparison)
    remarks = given.remarks.read_text(encoding="utf-8") if given.remarks else ""
    rows = given.out.parent / "comparison" / f"{given.out.stem.removeprefix(PREFIX)}.json"
    rows.parent.mkdir(parents=True, exist_ok=True)
    write_text(given.out, document(found, given.out, remarks))
    write_text(rows, json.dumps(without_paths(found.as_json()), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
