"""A comparison of a run that learnt stories: its tasks, its words of several senses, its topics."""

from pathlib import Path

import pytest

from samples import tiny_settings
from topklm import compare
from topklm.comparison import Budget
from topklm.comparison.outcome import Comparison, read_comparison
from topklm.comparison.stages import table
from topklm.training import train

KEPT = ("twin", "loss", "tasks", "metrics")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Twelve steps on stories, and the same of its twin, compared on stories that neither has seen."""
    path = tmp_path_factory.mktemp("stories") / "run"
    train(
        tiny_settings(Path("stories"), tokens=12 * 2048, batch_tokens=2048, context=256, tokenizer="bpe:400"),
        path,
    )
    left = frozenset(table.NAMES) - set(KEPT)
    budget = Budget(data=("stories:1",), tokens=30_000, task_items=5)
    compare(path, budget=budget, without=sorted(left))
    return read_comparison(path)


@pytest.mark.slow
def test_tasks_are_scored_item_by_item_beside_the_twin(told: Comparison) -> None:
    (notes,) = told.notes("tasks")
    assert (notes["tasks"], notes["items"]) == ("stories", 5)
    accuracy = {(row.source, row.about): row.value for row in told.rows if row.metric == "task_accuracy"}
    assert {source for source, _ in accuracy} == {"topk", "dense"}
    tasks = {about for _, about in accuracy}
    assert tasks == set(notes["chance"])
    for row in told.rows:
        if row.metric == "task_accuracy_beside/dense":
            assert row.value == pytest.approx(accuracy["topk", row.about] - accuracy["dense", row.about])
            assert row.low <= row.value <= row.high


@pytest.mark.slow
def test_words_of_several_senses_are_measured_with_their_controls(told: Comparison) -> None:
    found = {row.metric.split("/")[0] for row in told.rows}
    assert any(metric.startswith("sense") for metric in found), sorted(found)
    sources = {row.source for row in told.rows if row.metric.startswith("sense")}
    assert {"topk", "random"} <= sources
