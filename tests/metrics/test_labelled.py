"""Labels of features, coverage of concepts, the token-type oracle, the permutation null."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from planted import (
    ABSORBER,
    BIG,
    COLOURS,
    DEAD,
    GENERAL,
    MOOD,
    NOISE,
    PERFECT,
    SENSE,
    VOCABULARY,
    WIDTH,
    nothing_planted,
    parts,
    planted,
)
from topklm.metrics import labelled, null
from topklm.metrics.batch import Batch, halves
from topklm.metrics.labelled import HeldOutCheck, concept_features, eligible, feature_labels
from topklm.metrics.null import permutation_null, shifted
from topklm.metrics.oracle import TypeOracle
from topklm.metrics.scores import concept_scores
from topklm.model import SparseCodes


def test_planted_features_get_their_labels() -> None:
    found = feature_labels(concept_scores(planted().batch))
    assert found.concept[[PERFECT, MOOD, GENERAL, SENSE]].tolist() == [0, 1, 6, 2]
    assert found.f1[[PERFECT, MOOD, SENSE]].tolist() == [1, 1, 1]
    assert found.f1[GENERAL] == pytest.approx(0.98, abs=0.01)  # all but a rare word, and no other
    assert found.concept[DEAD] == -1
    assert found.f1[DEAD].isnan()
    assert found.f1[list(NOISE)].max() < 0.2


def test_every_concept_gets_its_best_feature_and_rare_ones_none() -> None:
    scores = concept_scores(planted().batch)
    found = concept_features(scores)
    assert found.feature[[0, 1, 2, 6]].tolist() == [PERFECT, MOOD, SENSE, GENERAL]
    assert eligible(scores).tolist() == [True] * 8 + [False]
    assert found.feature[8] == -1


def test_scores_are_read_on_documents_that_did_not_choose() -> None:
    text = planted()
    scores = concept_scores(text.batch)
    found = feature_labels(scores)
    half = halves(text.batch.documents)
    claims = text.dense[half == 1, GENERAL] >= found.threshold[GENERAL]
    truth = text.carries[half == 1, 6]
    f1 = 2 * float((claims & truth).sum()) / float(claims.sum() + truth.sum())
    assert float(found.f1[GENERAL]) == pytest.approx(f1, abs=1e-6)
    assert found.chosen_f1[GENERAL] == scores.f1[0, GENERAL, 6]


def test_the_best_of_many_noise_features_does_not_look_better_than_it_is() -> None:
    found = feature_labels(concept_scores(nothing_planted().batch))
    lucky = (found.chosen_f1 - found.f1)[:DEAD]
    assert float(lucky.mean()) > 0


def test_a_second_reading_finds_the_same_f1_and_an_interval_around_it() -> None:
    text = planted().batch
    chosen = feature_labels(concept_scores(text))
    whole, first, second = (HeldOutCheck(chosen, resamples=50) for _ in range(3))
    whole.update(text)
    for number, part in enumerate(parts(text, 1_700)):
        (first if number < 3 else second).update(part)
    first.merge(second)
    np.testing.assert_allclose(first.resampled_f1(), whole.resampled_f1(), rtol=1e-12)
    estimates = whole.result()
    for feature in (PERFECT, MOOD):
        assert tuple(estimates[feature]) == (1, 1, 1)
    assert estimates[GENERAL].low < float(chosen.f1[GENERAL]) < estimates[GENERAL].high
    assert estimates[GENERAL].high - estimates[GENERAL].low < 0.1
    assert np.isnan(estimates[DEAD].value)


def test_one_resample_is_the_plain_count_where_every_document_counts_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "topklm.metrics.labelled.poisson_weights",
        lambda documents, resamples, seed: np.ones((len(documents), resamples)),
    )
    text = planted().batch
    chosen = feature_labels(concept_scores(text))
    check = HeldOutCheck(chosen, resamples=1)
    check.update(text)
    np.testing.assert_allclose(check.resampled_f1()[:, 0], chosen.f1.numpy(), rtol=1e-6)


def test_rows_report_families_apart() -> None:
    found = labelled.measure(parts(planted().batch, 5_000), vocabulary=VOCABULARY, resamples=20)
    rows = {(row.metric, row.about): row for row in found}
    assert rows["concept_coverage", "all concepts"].n == 8
    assert rows["concept_coverage", "lexical concepts"].value == 0.5  # colour and big, not the topics
    assert rows["concept_coverage", "contextual concepts"].value == 1  # mood
    assert rows["token_type_oracle_f1", "lexical concepts"].value > 0.99
    assert rows["concepts_too_rare", ""].value == 1
    assert rows["labelled_features", "all features"].n == WIDTH
    assert rows["labelled_features", "live features"].n == WIDTH - 1
    assert 8 / 24 <= rows["labelled_features", "all features"].value <= 9 / 24
    for row in found:
        assert not row.low > row.value
        assert not row.high < row.value


def test_nothing_planted_labels_and_covers_nothing() -> None:
    found = labelled.measure([nothing_planted().batch], vocabulary=VOCABULARY, resamples=20)
    for row in found:
        if row.metric in ("labelled_features", "concept_coverage") and row.n:
            assert (row.value, row.high) == (0, 0)


def test_batches_that_can_be_read_once_only_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        labelled.measure(iter([planted().batch]), vocabulary=VOCABULARY)
    assert labelled.measure([], vocabulary=VOCABULARY) == []


def oracle_of(batches: list[Batch]) -> TypeOracle:
    oracle = TypeOracle(VOCABULARY, 9)
    for batch in batches:
        oracle.update(batch)
    return oracle


def test_the_oracle_by_hand() -> None:
    ids = torch.tensor([1, 1, 1, 2, 3])
    carries = torch.tensor([[1.0], [1], [0], [1], [0]])
    batch = Batch(SparseCodes.from_dense(torch.zeros(5, 1)), ids, ids, SparseCodes.from_dense(carries))
    oracle = TypeOracle(4, 1)
    oracle.update(batch)
    found = oracle.result()
    assert float(found.f1[0]) == pytest.approx(2 * 3 / (4 + 3))  # type 2, then type 1
    assert (int(found.n_types[0]), int(found.positives[0]), found.n_tokens) == (2, 3, 5)


def test_families_are_as_planted() -> None:
    found = oracle_of([planted().batch]).result()
    expected = ["lexical", "contextual", "mixed", "mixed", "lexical", "lexical", "lexical", "mixed", "absent"]
    assert found.families == expected
    assert found.n_types[0] == len(COLOURS)
    assert found.n_types[6] == len(BIG)


@given(st.integers(500, 9_000), st.integers(0, 10))
@settings(max_examples=5, deadline=None)
def test_oracles_of_parts_merge(size: int, cut: int) -> None:
    batches = parts(planted().batch, size)
    first, second = oracle_of(batches[:cut]), oracle_of(batches[cut:])
    first.merge(second)
    whole = oracle_of([planted().batch]).result()
    torch.testing.assert_close(first.result().f1, whole.f1, rtol=0, atol=0, equal_nan=True)


def test_no_feature_that_knows_only_the_type_beats_the_oracle() -> None:
    text = planted().batch
    strength = torch.rand(VOCABULARY, 6, generator=torch.Generator().manual_seed(0))
    typed = text._replace(
        codes=SparseCodes.from_dense(strength[text.token_ids]), documents=text.documents * 0
    )
    scores, oracle = concept_scores(typed), oracle_of([typed]).result()
    assert bool((scores.f1.amax((0, 1))[:8] <= oracle.f1[:8].float() + 1e-6).all())


def test_planted_features_lie_beyond_the_null_and_noise_does_not() -> None:
    found = permutation_null(planted().batch, draws=39)
    for feature in (PERFECT, MOOD, GENERAL, SENSE, ABSORBER):
        assert found.p_value[feature] == pytest.approx(1 / 40)
        assert found.p_family[feature] == pytest.approx(1 / 40)
        assert found.null_mean[feature] < 0.4
    assert found.p_family[list(NOISE)].min() > 1 / 40


def test_features_that_hit_by_luck_once_do_not_hide_the_others() -> None:
    generator = torch.Generator().manual_seed(0)
    n_tokens, n_concepts = 4000, 20
    labels = (torch.rand(n_tokens, n_concepts, generator=generator) < 0.03).float()
    noise = torch.rand(n_tokens, n_concepts, generator=generator) < 0.01
    told = (labels.bool() ^ noise).float()
    rare = (torch.rand(n_tokens, 200, generator=generator) < 0.001).float()
    batch = Batch(
        SparseCodes.from_dense(torch.cat([told, rare], 1)),
        torch.zeros(n_tokens).long(),
        torch.arange(n_tokens) // 50,
        SparseCodes.from_dense(labels),
    )
    found = permutation_null(batch, draws=39)
    assert bool((found.f1[:n_concepts] > 0.6).all())
    assert bool((found.p_family[:n_concepts] <= 0.05).all())
    assert float((found.p_family[n_concepts:] <= 0.05).double().mean()) < 0.05


def test_resamples_without_a_document_of_the_concept_are_left_out() -> None:
    documents = torch.arange(80)
    reading = halves(documents) == 1
    carries = torch.zeros(80 * 30, 1)
    for place in (int(np.flatnonzero(~reading)[0]), int(np.flatnonzero(reading)[0])):
        carries[place * 30 : (place + 1) * 30] = 1.0
    batch = Batch(
        SparseCodes.from_dense(carries),
        torch.zeros(len(carries)).long(),
        documents.repeat_interleave(30),
        SparseCodes.from_dense(carries),
    )
    rows = {(one.metric, one.about): one for one in labelled.measure([batch], vocabulary=VOCABULARY)}
    found = rows["label_f1", "live features"]
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_a_text_without_any_frequent_concept_tells_nothing_of_features() -> None:
    batch = planted().batch
    labels = SparseCodes.from_dense(torch.zeros(len(batch.codes), 3))
    found = labelled.measure([batch._replace(labels=labels)], vocabulary=VOCABULARY)
    values = {(one.metric, one.about): one for one in found}
    for about in ("live features", "all features"):
        assert np.isnan(values["labelled_features", about].value)
        assert values["labelled_features", about].n == 0


def test_p_values_are_uniform_where_nothing_is_planted() -> None:
    values = torch.cat(
        [
            permutation_null(nothing_planted(seed).batch, draws=19, seed=seed).p_value[:DEAD]
            for seed in range(8)
        ]
    ).double()
    assert set((values * 20).round().int().tolist()) <= set(range(1, 21))
    # 184 values, not all independent: mean 0.525 and standard error 0.021 if they were
    assert abs(float(values.mean()) - 0.525) < 0.08
    below = float((values <= 0.25).double().mean())
    assert abs(below - 0.25) < 0.12


def test_null_rows_stand_beside_each_other() -> None:
    rows = {row.metric: row for row in null.measure(planted().batch, draws=9)}
    assert rows["label_f1/in_memory"].value > rows["label_f1/shifted_labels"].value
    assert rows["features_beyond_null/corrected"].value <= rows["features_beyond_null"].value


@given(st.integers(-30, 30))
def test_shifting_is_rolling(by: int) -> None:
    dense = torch.arange(1.0, 13).reshape(6, 2)
    assert shifted(SparseCodes.from_dense(dense), by) == SparseCodes.from_dense(dense.roll(by, 0))


def test_a_null_without_draws_is_refused() -> None:
    with pytest.raises(ValueError, match="one draw"):
        permutation_null(planted().batch, draws=0)
