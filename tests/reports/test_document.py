"""A report as Markdown and as a page that stands alone."""

import re
from pathlib import Path

from topklm.core.stats import Estimate
from topklm.reports.comparison import Panel, intervals_figure, standing_figure
from topklm.reports.document import Figure, Heading, Paragraph, Table, as_markdown, as_page


def blocks(directory: Path) -> list[Heading | Paragraph | Table | Figure]:
    """A document with a block of each kind, and letters that mean something to both languages."""
    path = directory / "figures" / "one.svg"
    path.parent.mkdir()
    intervals_figure([Panel("a number", [("topk", Estimate(0.5, 0.4, 0.6))], bar=0.45)], path)
    return [
        Heading("Cost & gain"),
        Paragraph("Fewer <than> that."),
        Table(("", "a|b"), [("topk", "0.5"), ("x < y", "1")]),
        Figure(path, "What is seen"),
    ]


def test_markdown_has_every_block(tmp_path: Path) -> None:
    text = as_markdown("A title", blocks(tmp_path), beside=tmp_path)
    assert text.startswith("# A title\n\n## Cost & gain\n\nFewer \\<than> that.\n\n")
    assert "|  | a\\|b |\n| --- | ---: |\n| topk | 0.5 |\n" in text
    assert text.endswith("![What is seen](figures/one.svg)\n")


def test_a_page_stands_alone_and_escapes(tmp_path: Path) -> None:
    page = as_page("A title", blocks(tmp_path))
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "Cost &amp; gain" in page
    assert '<th scope="row">x &lt; y</th><td class="number">1</td>' in page
    assert 'src="data:image/svg+xml;base64,' in page
    assert 'alt="What is seen"' in page


def test_figures_are_the_same_for_the_same_numbers(tmp_path: Path) -> None:
    lines = [("label F1", {"dense": "ahead", "random": "level"}), ("senses", {"dense": "behind"})]
    panels = [
        Panel("one", [("topk", Estimate(1, 1, 1)), ("dense", Estimate(2, float("nan"), 3))], log=True),
        Panel("two", [("topk", Estimate(0.1, 0.0, 0.2))]),
    ]
    for name in ("a.svg", "b.svg"):
        standing_figure(lines, tmp_path / f"standing-{name}")
        intervals_figure(panels, tmp_path / f"intervals-{name}")
    for kind in ("standing", "intervals"):
        first, second = ((tmp_path / f"{kind}-{name}").read_bytes() for name in ("a.svg", "b.svg"))
        assert first == second
        assert len(first) > 2000
