"""A card in the terminal: all that it says is there, in colours and without."""

import io
import math
from dataclasses import replace
from itertools import accumulate

import hypothesis
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from card_samples import cards, dead_card, examples, live_card
from topklm.reports.card import Card, Example
from topklm.reports.terminal import broken, draw_card, draw_example, histogram
from topklm.reports.text import amount, quoted, visible


def printed(text: Text, **options: object) -> str:
    """What a console writes of a text."""
    file = io.StringIO()
    Console(file=file, width=60, **options).print(text, soft_wrap=True)  # type: ignore[arg-type]
    return file.getvalue()


@settings(deadline=None)
@given(cards(), st.booleans())
def test_every_token_of_an_example_stands_once_and_in_order(card: Card, colour: bool) -> None:
    drawn = draw_card(card, colour=colour).plain
    for one in card.bins:
        for example in one.examples:
            line = "".join(part.plain for part in draw_example(example, 1.0, True))
            assert line == "".join(map(visible, example.tokens))
            if colour:
                assert line in drawn


@given(examples(), st.integers(1, 80))
def test_breaking_lines_loses_and_splits_no_token(example: Example, width: int) -> None:
    parts = draw_example(example, 1.0, False)
    lines = broken(Text("head  "), parts, width)
    assert lines[0].plain.startswith("head  ")
    rest = [line.plain[6:] for line in lines]
    assert "".join(rest) == "".join(part.plain for part in parts)
    starts = list(accumulate((len(part.plain) for part in parts), initial=0))
    assert set(accumulate(map(len, rest))) <= set(starts)  # lines end where tokens do
    for line in rest[:-1]:
        assert cell_len(line) + 6 <= width or line in {part.plain for part in parts}


@settings(deadline=None)
@given(cards())
def test_without_colours_the_peak_is_in_brackets_and_firings_have_digits(card: Card) -> None:
    for example in card.bins[0].examples:
        parts = [part.plain for part in draw_example(example, 100.0, False)]
        for place, (part, token, value) in enumerate(
            zip(parts, example.tokens, example.activations, strict=True)
        ):
            text = f"[{visible(token)}]" if place == example.peak else visible(token)
            assert part.startswith(text)
            digits = part.removeprefix(text)
            assert (digits == "") == (value == 0)
            assert digits.startswith("⁻") == (value < 0)


def test_black_and_white_holds_what_colour_holds() -> None:
    card = live_card()
    plain = draw_card(card, colour=False).plain
    for fact in (
        card.feature,
        card.status,
        "animals",
        "token entropy 3.21",
        "1.2%",
        "22,140",
        "271",
        "maximum 4.00",
    ):
        assert fact in plain
        assert fact in draw_card(card, colour=True).plain
    for token in card.top_tokens:
        assert quoted(token.token) in plain
    for one in (*card.similar, *card.other_layers):
        assert f"{one.feature} {amount(one.similarity)}" in plain
    assert "' barked' +0.410" in plain
    assert "'<|endoftext|>' -0.200" in plain
    assert "[ dog]⁹" in plain
    assert printed(draw_card(card, colour=False)) == plain + "\n"


def test_colour_is_background_with_its_own_text_colour_and_the_peak_is_underlined() -> None:
    example = live_card().bins[0].examples[0]
    parts = draw_example(example, 4.0, True)
    for place, (part, value) in enumerate(zip(parts, example.activations, strict=True)):
        assert (part.style.bgcolor is not None) == (part.style.color is not None) == (value != 0)  # type: ignore[union-attr]
        assert bool(part.style.underline) == (place == example.peak)  # type: ignore[union-attr]
    shaded = printed(draw_card(live_card(), colour=True), force_terminal=True, color_system="truecolor")
    assert "\x1b[1;4;38;2;0;0;0;48;2;255;149;0m dog" in shaded


def test_markup_in_tokens_is_text_and_control_characters_never_reach_the_terminal() -> None:
    out = printed(draw_card(live_card(), colour=False))
    assert "'[bold red]'" in out
    assert all(letter == "\n" or ord(letter) >= 32 for letter in out)


def test_a_dead_neuron_has_a_card_that_says_so() -> None:
    for colour in (True, False):
        plain = draw_card(dead_card(), colour=colour, width=80).plain
        assert plain.startswith("L0/N3   dead\n")
        assert "never fired on these 22,140 tokens" in plain
        assert "nan" not in plain


def test_a_histogram_has_a_bar_for_every_count_that_is_not_0() -> None:
    card = live_card()
    drawn, highest = histogram(card)
    bars = drawn.split("|")[1]
    assert len(bars) == len(card.histogram_counts)
    assert [bar == " " for bar in bars] == [number == 0 for number in card.histogram_counts]
    assert highest == "highest bar 61 firings"


@given(st.lists(st.integers(0, 99), min_size=1, max_size=90).filter(any), st.integers(1, 60))
@hypothesis.example([10, *[99] * 10], 1)  # a bar of a thousand has a comma
def test_a_histogram_that_is_too_wide_adds_up_neighbours(counts: list[int], room: int) -> None:
    card = live_card(
        histogram_counts=tuple(counts), histogram_edges=tuple(map(float, range(len(counts) + 1)))
    )
    drawn, highest = histogram(card, room=room)
    assert len(drawn.split("|")[1]) <= room
    assert drawn.startswith("0 |")
    told = int(highest.split()[2].replace(",", ""))
    assert told >= max(counts)
    if room == 1:
        assert told == sum(counts)


def test_a_card_without_its_later_parts_has_no_empty_lines_for_them() -> None:
    bare = replace(live_card(), facts={}, labels=(), similar=(), promoted=(), bins=(), histogram_counts=())
    plain = draw_card(bare, colour=False).plain
    assert "facts" not in plain
    assert "similar" not in plain
    assert "|" not in plain.replace("<|endoftext|>", "")
    assert not plain.endswith("\n")
    assert math.isclose(bare.mean, 1.234)
