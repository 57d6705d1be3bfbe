"""Frontiers of two routes: a law, a case by hand, and the whole on three tiny runs."""

import json
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import tiny_settings
from topklm.comparison.sweep import run_sweep
from topklm.comparison.sweep_plan import Sweep
from topklm.core.errors import InputError

SCRIPT = runpy.run_path(str(Path(__file__).parent.parent / "examples" / "frontier_report.py"))
POINTS = st.lists(
    st.tuples(st.integers(0, 9).map(float), st.integers(0, 9).map(float)), min_size=1, max_size=12
)


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] >= other[1]


@given(POINTS)
def test_a_frontier_is_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    chosen = SCRIPT["frontier"](points)
    assert not any(beats(one, points[place]) for place in chosen for one in points)
    unbeaten = {point for point in points if not any(beats(one, point) for one in points)}
    assert [points[place] for place in chosen] == sorted(unbeaten)


def test_a_sweep_becomes_two_frontiers(text_file: Path, tmp_path: Path) -> None:
    base = tiny_settings(text_file, tokens=8 * 256, evaluations=1, full_checkpoints=1, trace_checkpoints=1)
    sweep, page = tmp_path / "sweep", tmp_path / "results" / "frontier.md"
    run_sweep(Sweep(base, {"k=8": {}, "k=4": {"k": 4}, "dense": {"dense": True}}), sweep)
    page.parent.mkdir()
    page.write_text("# Two routes\n\nWords.\n\n## Measured\n\nold\n", encoding="utf-8")
    arguments = [str(sweep), str(page), "--data", str(text_file), "--tokens", "2500", "--sae-tokens", "2048"]
    assert SCRIPT["main"](arguments) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Two routes\n\nWords.\n\n## Measured\n\n2 settings, one seed; ")
    assert text.count("| TopK |") == text.count("| dense + SAE |") == 2
    assert (tmp_path / "images" / "frontier.png").is_file()
    points = json.loads((sweep / "frontier.json").read_text(encoding="utf-8"))
    by_route = {(one["setting"], one["route"]): one for one in points}
    for name in ("k=8", "k=4"):
        ours, theirs = by_route[name, "topk"], by_route[name, "sae_1x"]
        assert theirs["flops"] > ours["flops"]
        assert 0 <= ours["covered"] <= 1
    assert by_route["k=8", "sae_1x"]["loss"] == by_route["k=4", "sae_1x"]["loss"]


def test_a_width_without_a_dense_run_is_named(text_file: Path, tmp_path: Path) -> None:
    base = tiny_settings(text_file, tokens=4 * 256, evaluations=1, full_checkpoints=1, trace_checkpoints=1)
    run_sweep(Sweep(base, {"base": {}}), tmp_path / "sweep")
    with pytest.raises(InputError, match="no dense run of width 32, which base needs"):
        SCRIPT["main"]([str(tmp_path / "sweep"), str(tmp_path / "page.md")])
