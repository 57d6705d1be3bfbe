"""Means and differences of rows, by hand and by law."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted_rows import row
from topklm.comparison.gaps import Key, Numbers, standing
from topklm.core.stats import Estimate, paired_t

numbers = st.floats(-1, 1)
spreads = st.floats(0, 1)


@given(ours=numbers, theirs=numbers, first=spreads, second=spreads)
def test_a_gap_is_the_negative_of_its_reverse(
    ours: float, theirs: float, first: float, second: float
) -> None:
    both = Numbers([row("a", "m", ours, site=0, spread=first), row("b", "m", theirs, site=0, spread=second)])
    gap, back = both.gap("a", "b", Key("m")), both.gap("b", "a", Key("m"))
    assert gap is not None
    assert back is not None
    assert (gap.value, gap.low, gap.high) == pytest.approx((-back.value, -back.high, -back.low))
    assert gap == both.gap("b", "a", Key("m"), better=-1)
    assert gap.high - gap.value == pytest.approx(math.hypot(first, second))


def test_layers_are_averaged_and_only_shared_ones_compared() -> None:
    rows = [row("a", "m", 0.2, site=0, spread=0.3), row("a", "m", 0.4, site=1, spread=0.4)]
    found = Numbers([*rows, row("b", "m", 0.1, site=1, spread=0.0)])
    assert found.mean("a", Key("m")) == pytest.approx(Estimate(0.3, 0.3 - 0.35, 0.3 + 0.35))
    assert found.gap("a", "b", Key("m")) == pytest.approx(Estimate(0.3, -0.1, 0.7))
    assert found.gap("a", "nobody", Key("m")) is None


def test_a_number_of_the_whole_model_goes_before_its_layers() -> None:
    found = Numbers([row("a", "m", 0.2, site=0), row("a", "m", 0.9, spread=0)])
    assert found.mean("a", Key("m")) == Estimate(0.9, 0.9, 0.9)


def test_several_seeds_are_paired() -> None:
    rows = [row("a", "m", value, seed=seed) for seed, value in enumerate((0.5, 0.6, 0.9))]
    rows += [row("b", "m", value, seed=seed) for seed, value in enumerate((0.4, 0.4, 0.6))]
    assert Numbers(rows).gap("a", "b", Key("m")) == pytest.approx(paired_t([0.1, 0.2, 0.3]))


def test_what_is_not_defined_stands_nowhere() -> None:
    found = Numbers([row("a", "m", math.nan), row("b", "m", 0.5)])
    assert found.gap("a", "b", Key("m")) is None
    assert [
        standing(one) for one in (None, Estimate(1, 0.5, 2), Estimate(1, 0, 2), Estimate(-1, -2, -0.1))
    ] == [
        None,
        "ahead",
        "level",
        "behind",
    ]


def test_a_number_is_chosen_by_what_it_is_about() -> None:
    found = Numbers([row("a", "m", 0.1, about="x"), row("a", "m", 0.2, about="y", n=7)])
    assert found.mean("a", Key("m", "y")) == pytest.approx(Estimate(0.2, 0.19, 0.21))
    assert found.mean("a", Key("m")) == pytest.approx(Estimate(0.15, 0.14, 0.16))
    assert found.n("a", Key("m")) == 7
    assert not found.has("a", Key("m", "z"))


def test_things_are_counted_of_the_whole_model_where_it_is_measured() -> None:
    rows = [row("a", "m", 0.1, n=60), row("a", "m", 0.2, site=0, n=12), row("b", "m", 0.2, site=0, n=12)]
    assert Numbers(rows).n("a", Key("m")) == 60
    assert Numbers(rows).n("b", Key("m")) == 12


def test_things_are_counted_over_all_seeds() -> None:
    rows = [row("a", "m", 0.1, n=20, seed=0), row("a", "m", 0.2, n=30, seed=1), row("b", "m", 0.2, n=9)]
    assert Numbers(rows).n("a", Key("m")) == 50
    assert Numbers(rows).n("b", Key("m")) == 9
    assert Numbers(rows).n("c", Key("m")) == 0


def test_a_number_may_answer_to_one_of_another_name() -> None:
    found = Numbers([row("a", "m", 0.5), row("b", "m", 0.1), row("b", "other", 0.4)])
    gap = found.gap("a", "b", Key("m"), their_key=Key("other"))
    assert gap is not None
    assert gap.value == pytest.approx(0.1)
