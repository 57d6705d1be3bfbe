"""Steering's drawings: texts keep their words, marks mark, tables line up."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from topklm.reports.figures import Point, fluency_figure
from topklm.reports.steering import Piece, draw_evaluation, draw_pair, draw_text, share, table

words = st.lists(st.builds(Piece, st.text("ab \n", min_size=1, max_size=6), st.booleans()), max_size=30)


@given(words, st.integers(10, 80))
def test_a_text_loses_no_letter_and_no_line_is_too_long(pieces: list[Piece], width: int) -> None:
    drawn = draw_text("title", pieces, colour=True, width=width).plain.split("\n")[1:]
    letters = "".join(piece.text for piece in pieces)
    assert "".join("".join(drawn).split()) == "".join(letters.split())
    assert all(cell_len(line) <= width for line in drawn)


def test_marks_are_brackets_without_colours_and_a_style_with_them() -> None:
    pieces = [Piece("the"), Piece(" se", marked=True), Piece("a", marked=True), Piece(" is")]
    assert draw_text("t", pieces, colour=False, width=40).plain == "t\nthe [sea] is"
    drawn = draw_text("t", pieces, colour=True, width=40)
    assert drawn.plain == "t\nthe sea is"
    marked = [drawn.plain[span.start : span.end] for span in drawn.spans if "bold" in str(span.style)]
    assert marked == ["sea"]


@given(words, words)
def test_two_texts_stand_side_by_side_or_below_each_other(left: list[Piece], right: list[Piece]) -> None:
    beside = draw_pair(("one", "other"), (left, right), colour=False, width=90).plain.split("\n")
    assert beside[0].split() == ["one", "other"]
    assert beside[0].index("other") == 46
    assert all(cell_len(line) <= 90 for line in beside)
    below = draw_pair(("one", "other"), (left, right), colour=False, width=40).plain.split("\n")
    assert below[0] == "one"
    assert "other" in below


def test_tokens_that_would_break_the_terminal_are_shown_as_escapes() -> None:
    assert "\x1b" not in draw_text("t", [Piece("a\x1b[2Jb", marked=True)], colour=True, width=40).plain


def test_a_table_lines_up() -> None:
    drawn = table(("name", "n"), [("a", "1"), ("longer", "1,000")]).plain.split("\n")
    assert drawn == ["name         n", "a            1", "longer   1,000"]
    assert (share(0.614), share(float("nan"))) == ("61%", "-")


def arm(rate: float, n: int = 3) -> dict[str, object]:
    """An arm of an evaluation, of two strengths."""
    one = {"value": rate, "low": rate / 2, "high": 1.0}
    step = {"success_rate": one, "reached": one, "perplexity_ratio": 1.25}
    steps = {"1x": step, "2x": {**step, "perplexity_ratio": None}}
    layer = {"success_rate": one, "n_features": n, "by_strength": steps}
    return {
        "n_features": n,
        "success_rate": one,
        "reached": one,
        "fluent": one,
        "by_strength": steps,
        "by_layer": {"0": layer},
    }


def test_an_evaluation_names_every_arm_and_what_is_left_out() -> None:
    content = {
        **arm(0.6),
        "controls": {"random_neurons": arm(0.1)},
        "n_labelled": 12,
        "n_live": 1500,
        "labelled_share": {"value": 0.008, "low": 0.004, "high": 0.012},
        "judge": "stories",
        "fluency": "the dense twin",
        "left_out": {"dense_direction": "there is no dense twin"},
    }
    lines = draw_evaluation(content).plain.split("\n")
    assert lines[0].startswith("12 of 1,500 live neurons are labelled (1% [0%, 1%])")
    assert next(line for line in lines if line.startswith("random_neurons")).split()[1:4] == [
        "3",
        "10%",
        "[5%,",
    ]
    assert next(line for line in lines if line.startswith("perplexity")).split() == [
        "perplexity",
        "x1.25",
        "-",
    ]
    assert lines[-1] == "left out: dense_direction: there is no dense twin"


def test_the_figure_is_written_whole(tmp_path: Path) -> None:
    arms = {
        "neurons": [Point("1x", 1.1, 0.4), Point("2x", 400.0, 0.9)],
        "prompt": [Point("word", 1.0, 0.7)],
        "broken": [Point("1x", float("nan"), 0.2)],
    }
    fluency_figure(arms, tmp_path / "a.png", limit=1.5, note="three arms")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    fluency_figure({}, tmp_path / "b.svg", limit=1.5, note="none")
    assert "<svg" in (tmp_path / "b.svg").read_text()
    assert [path.name for path in tmp_path.glob(".partial*")] == []
    with pytest.raises(ValueError, match="tiff0"):
        fluency_figure(arms, tmp_path / "c.tiff0", limit=1.5, note="")
