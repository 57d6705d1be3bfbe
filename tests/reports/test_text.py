"""Token texts stay on their line and hide nothing; shading keeps text readable."""

import doctest
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_samples import live_card, tokens
from topklm.reports import shading, text
from topklm.reports.shading import (
    DARK_PAGE,
    LIGHT_PAGE,
    STEPS,
    TERMINAL,
    Ramp,
    contrast,
    scale,
    step,
    superscript,
)
from topklm.reports.text import LONGEST, amount, percent, quantile, visible

ALL_STEPS = [size * sign for size in range(1, STEPS + 1) for sign in (1, -1)]


@pytest.mark.parametrize("module", [text, shading])
def test_the_examples_in_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@given(tokens)
def test_nothing_that_is_shown_can_move_the_cursor_or_turn_the_text(token: str) -> None:
    for letter in visible(token):
        kind = unicodedata.category(letter)
        assert letter == " " or kind[0] not in "CZ" or letter in text.JOINERS or kind == "Cn", hex(
            ord(letter)
        )
    visible(token).encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=LONGEST))
def test_ordinary_text_is_shown_as_it_is(token: str) -> None:
    assert visible(token) == token


@given(tokens, tokens)
def test_a_token_is_cut_but_never_grows_without_end(token: str, other: str) -> None:
    assert len(visible(token)) <= 10 * LONGEST + 1
    if len(token) <= LONGEST:
        assert "…" not in visible(token) or "…" in token
    else:
        assert visible(token).endswith("…")
    assert (visible(token) == "") == (token == "")


def test_emoji_and_scripts_that_join_letters_stay_whole() -> None:
    for token in ("👩\u200d🌾", "می\u200cخو", "שלום", "नमस्ते"):
        assert visible(token) == token
    assert visible("\u200d") == "\\u200d"
    assert visible("\u0301e") == "◌\u0301e"


@pytest.mark.parametrize("ramp", [LIGHT_PAGE, DARK_PAGE, TERMINAL])
def test_text_can_be_read_on_every_step_of_shading(ramp: Ramp) -> None:
    for level in ALL_STEPS:
        assert contrast(ramp.background(level), ramp.text) >= 4.5


@pytest.mark.parametrize(("ramp", "page"), [(LIGHT_PAGE, "#ffffff"), (DARK_PAGE, "#16181c")])
def test_a_stronger_step_stands_out_more_from_its_page(ramp: Ramp, page: str) -> None:
    for sign in (1, -1):
        seen = [contrast(ramp.background(sign * size), page) for size in range(1, STEPS + 1)]
        assert seen == sorted(seen)
        assert len(set(seen)) == STEPS


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_a_step_has_the_sign_of_its_activation_and_is_0_only_for_0(
    activation: float, strongest: float
) -> None:
    level = step(activation, strongest)
    assert abs(level) <= STEPS
    assert (level == 0) == (activation == 0)
    assert level * activation >= 0
    assert (superscript(level) == "") == (level == 0)


def test_the_strongest_activation_shown_is_the_strongest_step() -> None:
    card = live_card()
    shown = [value for one in card.bins for example in one.examples for value in example.activations]
    assert max(step(value, scale(card)) for value in shown) == STEPS


def test_numbers_that_are_none_are_a_dash() -> None:
    assert amount(float("nan")) == percent(float("nan")) == "-"
    assert amount(float("inf")) == "inf"
    assert amount(-0.0001) == "-1.0e-04"
    assert quantile("odd") == "odd"
