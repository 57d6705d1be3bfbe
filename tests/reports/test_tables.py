"""Tables in the terminal: a line a feature, a block a token, nothing lost."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from card_samples import tokens
from topklm.reports.reading import Firing, ReadToken
from topklm.reports.tables import draw_features, draw_reading
from topklm.reports.text import quoted, visible


def row(index: int, texts: list[str], **changes: Any) -> dict[str, Any]:
    """A row as an index gives it."""
    top = [{"text": text, "share": 0.5 / n} for n, text in enumerate(texts, 1)]
    fields = {"feature": f"L3/N{index}", "status": "live", "density": 0.0123, "mean": 1.5, "maximum": 4.0}
    return {**fields, "top_tokens": top, **changes}


@given(st.lists(st.lists(tokens, max_size=4), max_size=5))
def test_every_feature_has_one_line_with_its_tokens_in_order(texts: list[list[str]]) -> None:
    rows = [row(index, some) for index, some in enumerate(texts)]
    lines = draw_features(rows).plain.split("\n")
    assert len(lines) == 1 + len(rows)
    for line, one, some in zip(lines[1:], rows, texts, strict=True):
        assert line.startswith(one["feature"])
        assert "1.2%" in line
        place = 0
        for text in some:
            place = line.index(quoted(text), place) + len(quoted(text))


@given(st.lists(st.lists(tokens, max_size=6), min_size=1, max_size=5), st.integers(50, 120))
def test_no_line_is_wider_than_the_terminal(texts: list[list[str]], width: int) -> None:
    drawn = draw_features([row(index, some) for index, some in enumerate(texts)], width=width).plain
    assert all(cell_len(line) <= width for line in drawn.split("\n")[1:])


def test_a_dead_feature_has_dashes_for_what_it_has_not() -> None:
    dead = row(1, [], status="dead", density=0.0, mean=None, maximum=None)
    line = draw_features([dead]).plain.split("\n")[1]
    assert line.split() == ["L3/N1", "dead", "0%", "-", "-"]


@given(st.lists(tokens, min_size=1, max_size=6))
def test_each_token_read_stands_once_with_all_its_sites(texts: list[str]) -> None:
    firings = {site: (Firing(f"{site}/N7", 2.5, " dog"), Firing(f"{site}/N9", -1.0)) for site in ("L0", "L1")}
    lines = draw_reading([ReadToken(text, firings) for text in texts]).plain.split("\n")
    assert len(lines) == 1 + 2 * len(texts)
    for number, text in enumerate(texts):
        first, second = lines[1 + 2 * number], lines[2 + 2 * number]
        assert first.startswith(visible(text)[:4])
        assert second.startswith("    ")
        assert first.endswith("L0      N7 2.50 ' dog'   N9 -1.00")
        assert second.endswith("L1      N7 2.50 ' dog'   N9 -1.00")
