"""Whose failure it is where no feature shows a concept."""

import pytest

from planted_rows import row
from topklm.comparison.doubt import Concepts, doubt_rows, read_concepts, shared_layers, sorted_out

PROBED = ("seen", "told by F1", "missed", "absent")
DENSE = Concepts(
    state={"seen": 0.95, "told by F1": 0.9, "missed": 0.9, "absent": 0.6},
    single=dict.fromkeys(PROBED, 0.55),
    f1={},
)
SAE = Concepts(
    state=dict.fromkeys(PROBED, 0.99),  # the code's own state is not asked: the model is the twin
    single={"seen": 0.85, "told by F1": 0.7, "missed": 0.7, "absent": 0.6},
    f1={"told by F1": 0.75, "missed": 0.5},
)
TOPK = Concepts(state=dict.fromkeys(PROBED, 0.6), single=dict.fromkeys(PROBED, 0.81), f1={})
ALL = {"dense": DENSE, "sae_1x": SAE, "topk": TOPK}


def test_concepts_are_sorted_by_what_probe_and_feature_say() -> None:
    assert sorted_out(ALL, "sae_1x") == {
        "shown": ["seen", "told by F1"],
        "missed": ["missed"],
        "absent": ["absent"],
    }
    assert sorted_out(ALL, "topk")["shown"] == list(PROBED)
    assert sorted_out({"topk": TOPK._replace(single=DENSE.single)}, "topk")["absent"] == list(PROBED)


def test_shares_are_of_all_concepts_and_of_those_the_twin_has() -> None:
    found = {(one.source, one.metric): one for one in doubt_rows(ALL, seed=3, n_tokens=9)}
    assert found["sae_1x", "concepts_shown"].value == 0.5
    assert found["sae_1x", "twin_concepts_shown"].value == pytest.approx(2 / 3)
    assert found["topk", "twin_concepts_shown"].value == 1
    assert found["dense", "concepts_missed"].value == 0.75
    assert {(one.n, one.seed, one.site) for one in found.values()} == {(4, 3, None), (3, 3, None)}
    assert all(one.low <= one.value <= one.high for one in found.values())


def test_the_best_over_layers_is_read() -> None:
    rows = [
        row("topk", "probe_accuracy/state", 0.7, about="sea", site=0, n=1),
        row("topk", "probe_accuracy/state", 0.9, about="sea", site=1, n=1),
        row("topk", "probe_accuracy/1", 0.6, about="sea", site=1, n=1),
        row("topk", "probe_accuracy/1", 0.8, site=1),
        row("dense", "probe_accuracy/1", 0.9, about="sea", site=1, n=1),
    ]
    table = [
        {"site": 0, "concept": "sea", "f1": 0.3},
        {"site": 0, "concept": "sea", "f1": 0.9},  # not the one that was chosen
        {"site": 1, "concept": "sea", "f1": 0.4},
    ]
    found = read_concepts("topk", rows, table, layers=(0, 1))
    assert found == Concepts({"sea": 0.9}, {"sea": 0.6}, {"sea": 0.4})
    assert shared_layers(("topk", "dense"), rows) == {1}
    assert read_concepts("topk", rows, table, layers=(0,)) == Concepts({"sea": 0.7}, {}, {"sea": 0.3})
