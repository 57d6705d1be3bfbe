"""A comparison beside an earlier one: what left its interval, by hand and by laws."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topklm.comparison.claims import Verdict
from topklm.comparison.earlier import beside_earlier
from topklm.comparison.outcome import Comparison, read_comparison, write_comparison
from topklm.comparison.result import ResultRow


def of(*rows: ResultRow, verdict: str = "holds", seeds: tuple[int, ...] = (0,)) -> Comparison:
    run = {"run": "r", "revision": "1", "twin": None, "dense_small": None}
    runs = [{**run, "seed": seed} for seed in seeds]
    return Comparison(runs, {}, [], {}, [Verdict("C4", "capabilities", verdict, "says")], list(rows))


def row(metric: str, value: float, low: float, high: float, site: int | None = 0, seed: int = 0) -> ResultRow:
    return ResultRow("topk", site, metric, "", value, low, high, 10, 100, seed)


BEFORE = of(
    row("f1", 0.5, 0.4, 0.6),
    row("intruder", 0.7, 0.6, 0.8),
    row("seconds", 3.0, 3.0, 3.0),
    row("open", 3.0, -math.inf, 4.0),
    row("probe", 0.9, 0.8, 1.0, site=None),
)


def test_what_lies_outside_is_named_the_farthest_first() -> None:
    now = of(
        row("f1", 0.65, 0, 1), row("intruder", 0.3, 0, 1), row("seconds", 9.0, 9, 9), verdict="does not hold"
    )
    found = beside_earlier(now, BEFORE)
    assert [one.before.metric for one in found.departures] == ["intruder", "f1"]
    assert [one.distance for one in found.departures] == pytest.approx([3.0, 0.5])
    assert found.n_compared == 2
    assert [one.metric for one in found.missing] == ["probe"]
    assert found.verdicts == {"C4": ("holds", "does not hold")}
    assert found.lines(1) == [
        "2 of 2 numbers left the interval they had; 1 are not there now",
        "C4: holds, now does not hold",
        "  topk L0 intruder, seed 0: 0.3, was 0.7 [0.6, 0.8]",
        "  and 1 more",
    ]


def test_a_number_that_is_not_defined_any_more_is_the_farthest() -> None:
    before = of(*(row(name, 0.5, 0.4, 0.6) for name in ("near", "undefined", "far")))
    now = of(row("near", 0.65, 0, 1), row("undefined", math.nan, 0, 1), row("far", 2.0, 0, 3))
    found = beside_earlier(now, before)
    assert [one.before.metric for one in found.departures] == ["undefined", "far", "near"]


def test_another_text_is_said_first() -> None:
    stages = [{"run": "r", "stage": "metrics", "notes": {"n_tokens": 20_000, "spec": ["a.txt"]}}]
    before = dataclasses.replace(BEFORE, stages=stages)
    other = dataclasses.replace(BEFORE, stages=[{**stages[0], "notes": {"n_tokens": 9, "spec": ["b.txt"]}}])
    assert beside_earlier(before, before).lines(1)[0].startswith("0 of")
    said = beside_earlier(other, before).lines(1)[0]
    assert said == "measured on another text: 20,000 tokens of a.txt; now 9 tokens of b.txt"


def test_of_three_seeds_only_those_that_are_here_are_missed_and_verdicts_name_theirs() -> None:
    before = of(*(row("f1", 0.5, 0.4, 0.6, seed=seed) for seed in range(3)), seeds=(0, 1, 2))
    found = beside_earlier(of(verdict="does not hold"), before)
    assert [one.seed for one in found.missing] == [0]
    assert found.lines(1)[1] == "C4: holds (seeds 0, 1, 2), now does not hold (seed 0)"


def test_a_number_that_is_not_defined_any_more_has_left() -> None:
    found = beside_earlier(of(row("f1", math.nan, math.nan, math.nan)), BEFORE)
    assert [one.before.metric for one in found.departures] == ["f1"]


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(0.01, 5), st.floats(0.01, 5)), max_size=8))
def test_nothing_leaves_its_own_interval(numbers: list[tuple[float, float, float]]) -> None:
    rows = [row(f"m{n}", value, value - a, value + b) for n, (value, a, b) in enumerate(numbers)]
    found = beside_earlier(of(*rows), of(*rows))
    assert found.departures == found.missing == []
    assert found.n_compared == len(rows)


def test_what_is_stored_can_be_held_against(tmp_path: Path) -> None:
    write_comparison(tmp_path, BEFORE)
    assert beside_earlier(BEFORE, read_comparison(tmp_path)).departures == []
    assert json.loads((tmp_path / "results.json").read_text())["rows"][3]["low"] is None
