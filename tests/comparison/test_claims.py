"""Every verdict follows from its rows by its rule."""

import pytest

from planted_rows import all_rows, changed, row
from topklm.comparison.claims import TITLES, verdicts

Change = tuple[str, str, dict[str, float | bool]]


def verdict_of(claim: str, rows: list) -> str:
    return next(one.verdict for one in verdicts(rows) if one.claim == claim)


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_every_claim_holds_where_every_rule_is_met(seeds: tuple[int, ...]) -> None:
    found = verdicts([one for seed in seeds for one in all_rows(seed)])
    assert {one.claim: one.verdict for one in found} == dict.fromkeys(TITLES, "holds"), [
        one.says for one in found
    ]
    for one in found:
        assert one.decides
        assert all(number.low <= number.value <= number.high for number in one.decides)


def test_nothing_is_measured_by_no_rows() -> None:
    found = verdicts([])
    assert {one.verdict for one in found} == {"not measured"}
    assert all(one.says and not one.decides for one in found)


CHANGES: list[tuple[str, Change, str]] = [
    ("C1", ("topk", "entries_per_token_max", {"value": 9.0}), "does not hold"),
    ("C1", ("topk", "exported_code_differs", {"value": 0.01}), "does not hold"),
    ("C1", ("topk", "exported_code_differs", {"value": 1e-5}), "holds"),
    ("C1", ("topk", "exported_code_differs", {"drop": True}), "holds partly"),
    # behind 1x latents in one number of many, then no SAE, then a control that is ahead somewhere
    ("C2", ("topk", "example_coherence", {"value": 0.5}), "holds partly"),
    ("C2", ("posthoc", "full_absorption", {"value": 0.0}), "holds partly"),
    ("C2", ("sae_8x", "probe_accuracy/1", {"value": 0.9}), "holds partly"),
    ("C2", ("sae_8x", "intruder", {"value": 0.9}), "holds"),
    ("C3", ("topk", "features_seconds", {"value": 150.0}), "holds partly"),
    ("C3", ("topk", "reading_flops_per_million", {"value": 300.0}), "holds partly"),
    ("C3", ("sae_1x", "features_seconds", {"drop": True}), "not measured"),
    ("C4", ("topk", "loss_rise", {"value": 0.03}), "holds partly"),
    ("C4", ("topk", "loss_rise", {"value": 0.2}), "does not hold"),
    ("C4", ("topk", "task_accuracy_beside/dense", {"value": -0.1}), "holds partly"),
    ("C4", ("topk", "task_accuracy_beside/dense", {"drop": True}), "holds partly"),
    ("C4", ("topk", "loss_rise", {"drop": True}), "not measured"),
    ("C5", ("topk", "steering_success_rate", {"n": 12}), "holds partly"),
    ("C5", ("topk", "steering_texts", {"value": 32}), "holds partly"),
    ("C5", ("sae_1x", "steering_success_rate", {"value": 0.9}), "holds partly"),
    ("C5", ("sae_1x", "steering_success_rate", {"drop": True}), "holds partly"),
    ("C5", ("random_neurons", "steering_success_rate", {"value": 0.7}), "does not hold"),
    ("C5", ("random_neurons", "steering_success_rate", {"drop": True}), "does not hold"),
    ("C6", ("posthoc", "identity_match", {"value": 0.995}), "holds partly"),
    ("C6", ("initialisation", "layers_identity_match", {"value": 1.0}), "holds partly"),
    ("C6", ("topk", "layers_identity_match", {"drop": True}), "holds partly"),
    ("C6", ("topk", "identity_match", {"value": 0.5}), "does not hold"),
    ("C6", ("permuted", "identity_match", {"value": 0.99}), "does not hold"),
    ("C7", ("sae_1x_warm", "identity_match", {"value": 0.995}), "holds partly"),
    ("C7", ("sae_1x", "identity_match/assigned_match", {"value": 0.995}), "holds partly"),
    ("C7", ("topk", "seeds_best_match_cosine", {"drop": True}), "holds partly"),
    ("C7", ("posthoc", "seeds_best_match_cosine", {"value": 0.9}), "holds partly"),
]


@pytest.mark.parametrize(("claim", "change", "verdict"), CHANGES)
def test_a_changed_number_changes_the_verdict(claim: str, change: Change, verdict: str) -> None:
    source, metric, fields = change
    assert verdict_of(claim, changed(all_rows(), source, metric, **fields)) == verdict


def test_what_a_shared_embedding_brings_is_a_control_of_c7() -> None:
    rows = [*all_rows(), row("initial", "seeds_best_match_cosine", 0.5, site=0, about="seed 1")]
    assert verdict_of("C7", rows) == "holds partly"


def test_c2_needs_saes_and_fails_where_they_are_mostly_ahead() -> None:
    without = [one for one in all_rows() if one.source != "sae_1x"]
    assert verdict_of("C2", without) == "not measured"
    better = [
        one._replace(value=0.9, low=0.89, high=0.91)
        if one.source == "sae_1x" and one.value == pytest.approx(0.6)
        else one
        for one in all_rows()
    ]
    assert verdict_of("C2", better) == "does not hold"
    said = next(one.says for one in verdicts(better) if one.claim == "C2")
    assert "Behind 1x latents in: labelled, of live" in said


def test_c3_fails_where_neurons_cost_more_than_saes() -> None:
    rows = changed(all_rows(), "topk", "features_seconds", value=300.0)
    assert verdict_of("C3", changed(rows, "topk", "features_flops", value=300.0)) == "does not hold"


def test_c6_asks_every_pair_of_layers() -> None:
    rows = [
        one._replace(value=0.5, low=0.49, high=0.51)
        if (one.source, one.metric, one.about) == ("topk", "layers_identity_match", "L1 L2")
        else one
        for one in all_rows()
    ]
    assert verdict_of("C6", rows) == "holds partly"


def test_c7_fails_where_nothing_is_ahead() -> None:
    rows = changed(all_rows(), "topk", "identity_match", value=0.7)
    assert verdict_of("C7", changed(rows, "topk", "seeds_best_match_cosine", value=0.1)) == "does not hold"


def test_a_smaller_dense_model_is_told_with_the_loss() -> None:
    rows = [*all_rows(), row("topk", "loss_rise", -0.1, about="dense_small")]
    said = next(one.says for one in verdicts(rows) if one.claim == "C4")
    assert "smaller dense model the loss is -10.0%" in said
