"""Balanced examples, senses, sparse probing, absorption, targeted probe perturbation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from planted import (
    ABSORBED,
    ABSORBER,
    CONCEPTS,
    GENERAL,
    MOOD,
    PERFECT,
    SENSE,
    SPLIT,
    SPLIT_TOO,
    TOPICAL,
    WIDTH,
    Planted,
    nothing_planted,
    parts,
    planted,
)
from topklm.metrics import absorption, perturbation, probing, senses
from topklm.metrics.absorption import Reading, absorbed_fraction, fully_absorbed
from topklm.metrics.batch import Batch, halves
from topklm.metrics.examples import ExampleSample, Text, balanced, carrying, sampled, text_of
from topklm.metrics.probing import split_of
from topklm.metrics.senses import Word, auroc
from topklm.model import SparseCodes

WORDS = [Word("word", (2, 3), (4, 5))]


def without(text: Planted, *features: int) -> Text:
    """The planted text, some features silenced."""
    dense = text.dense.clone()
    dense[:, list(features)] = 0
    return text_of(text.batch._replace(codes=SparseCodes.from_dense(dense)))


def test_examples_are_balanced_and_true() -> None:
    text = text_of(planted().batch)
    found = balanced(text, 0, count=100)
    assert int(found.carries.sum()) == 100 == len(found.rows) / 2
    assert torch.equal(carrying(text, 0)[found.rows], found.carries)
    assert len(balanced(text, 8).rows) == 0  # never occurs


@given(st.integers(500, 9_000), st.integers(0, 10))
@settings(max_examples=5, deadline=None)
def test_a_sample_of_a_stream_gives_the_examples_of_the_whole(size: int, cut: int) -> None:
    batch = planted().batch
    states = torch.arange(len(batch.codes), dtype=torch.float32)[:, None]
    first, second = ExampleSample(9, count=60), ExampleSample(9, count=60)
    for number, part in enumerate(parts(batch, size)):
        here = states[part.start : part.start + size]
        (first if number < cut else second).update(part, here)
    first.merge(second)
    kept, whole = first.result(), text_of(batch)
    assert len(kept.places) < 1_200
    assert kept.states is not None
    assert torch.equal(kept.states[:, 0].long(), kept.places)
    for concept in (0, 1, 6):
        a, b = balanced(kept, concept, count=60), balanced(whole, concept, count=60)
        assert torch.equal(kept.places[a.rows], b.rows)
        chosen = sampled(kept, concept, count=60), sampled(whole, concept, count=60)
        assert torch.equal(kept.places[chosen[0]], chosen[1].nonzero().flatten())
        split = split_of(kept, concept, count=60), split_of(whole, concept, count=60)
        assert split[0] is not None
        assert split[1] is not None
        assert np.array_equal(kept.places.numpy()[split[0].train], split[1].train)
        assert np.array_equal(kept.places.numpy()[split[0].test], split[1].test)
    expected = balanced(whole, 0, count=60).rows
    assert torch.equal(kept.batch.token_ids[balanced(kept, 0, count=60).rows], batch.token_ids[expected])


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_auroc_equals_scikit_learns(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    dense = torch.randint(-2, 4, (40, 3), generator=g).float()
    first = torch.rand(40, generator=g) < 0.4
    first[:2] = torch.tensor([True, False])
    found = auroc(SparseCodes.from_dense(dense), first)
    for feature in range(3):
        expected = roc_auc_score(first.numpy(), dense[:, feature].clamp(min=0).numpy())
        assert float(found[feature]) == pytest.approx(expected, abs=1e-6)


def test_the_planted_sense_is_separated_and_found() -> None:
    (found,) = senses.senses(text_of(planted().batch), WORDS)
    assert found.separated
    assert (found.feature, found.meaning, tuple(found.auroc)) == (SENSE, 0, (1, 1, 1))
    assert found.ratio == float("inf")


def test_a_topic_feature_separates_no_senses() -> None:
    text = planted()
    (found,) = senses.senses(without(text, SENSE), WORDS)
    assert not found.separated
    assert found.feature != TOPICAL
    assert auroc(text.batch.codes, text.carries[:, 2])[TOPICAL] > 0.9  # though it tells them apart


def test_senses_without_features_or_occurrences() -> None:
    (found,) = senses.senses(text_of(nothing_planted().batch), WORDS)
    assert not found.separated
    (rare,) = senses.senses(text_of(planted().batch), [Word("none", (2, 8), (4, 5))])
    assert not rare.enough
    (topicless,) = senses.senses(text_of(planted().batch), [Word("none", (2, 3), (8, 5))])
    assert not topicless.enough
    rows = {row.metric: row for row in senses.measure(text_of(planted().batch), WORDS)}
    assert (rows["senses_separated"].value, rows["senses_separated"].n) == (1, 1)
    assert rows["sense_auroc"].about == "word"


def test_a_sense_needs_the_fewest_occurrences_on_each_half_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = planted()
    carries = text.carries.bool()
    first, second = (carries[:, number] for number in WORDS[0].meanings)
    half = torch.from_numpy(halves(text.batch.documents, seed=0))
    sides = [first & ~second, second & ~first]
    sides += [carries[:, number] & ~(first | second) for number in WORDS[0].topics]
    least = min(int((side & (half == part)).sum()) for side in sides for part in (0, 1))
    for fewest, enough in ((least, True), (least + 1, False)):
        monkeypatch.setattr(senses, "FEWEST", fewest)
        (found,) = senses.senses(text_of(text.batch), WORDS)
        assert found.enough is enough


def test_one_feature_probes_a_perfect_concept_and_two_a_split_one() -> None:
    text = planted()
    perfect = probing.probe(text_of(text.batch), 0)
    assert perfect is not None
    assert perfect.features[0] == PERFECT
    assert perfect.by_size[1].value == 1
    split = probing.probe(without(text, PERFECT, 8), 0)
    assert split is not None
    assert set(split.features[:2]) == {SPLIT, SPLIT_TOO}
    assert split.by_size[1].value == pytest.approx(0.75, abs=0.05)
    assert split.by_size[2].value == 1
    assert split.state.value > 0.99
    assert split.difference_of_means.value > 0.95


def test_probes_of_nothing_are_at_chance() -> None:
    for concept in (0, 1, 6):
        found = probing.probe(text_of(nothing_planted().batch), concept)
        assert found is not None
        for estimate in (*found.by_size.values(), found.state, found.difference_of_means):
            assert abs(estimate.value - 0.5) < 0.09  # some 700 examples: 4 standard errors are 0.076


def test_a_state_can_know_what_no_feature_does() -> None:
    text = text_of(nothing_planted().batch, planted().carries.float())
    found = probing.probe(text, 1)
    assert found is not None
    assert found.state.value == 1
    assert found.difference_of_means.value == 1
    assert found.by_size[20].value < 0.6


def test_probing_rows_and_rare_concepts() -> None:
    text = text_of(planted().batch)
    rows = probing.measure(text, concepts=[0, 8], names=CONCEPTS, sizes=(1, 2))
    by_name = {(row.metric, row.about): row for row in rows}
    assert by_name["concepts_not_probed", ""].value == 1
    assert by_name["probe_accuracy/1", ""].value == by_name["probe_accuracy/1", "colour"].value == 1


def test_documents_are_probed_by_their_means() -> None:
    text = planted()
    documents = probing.documents_of(text_of(text.batch))
    assert len(documents.batch.codes) == 240
    dense = text.dense.reshape(240, -1, WIDTH).mean(1)
    torch.testing.assert_close(documents.batch.codes.to_dense().float(), dense)
    found = probing.probe(documents, 1)  # whether a document has the mood anywhere
    assert found is not None
    assert found.by_size[1].value == 1
    assert found.features[0] == MOOD


def test_an_absorbed_concept_is_absorbed_as_often_as_planted() -> None:
    found = absorption.absorption(text_of(planted().batch), 6)
    assert found is not None
    assert found.main_features == (GENERAL,)
    share = float((planted().batch.token_ids == ABSORBED).sum()) / float(planted().carries[:, 6].sum())
    assert 0.02 < share < 0.06
    assert found.full.value == pytest.approx(share, abs=0.02)
    assert found.fraction.value == pytest.approx(share, abs=0.02)
    assert found.full.low <= found.full.value <= found.full.high
    assert found.probe_f1 > 0.99


def test_a_concept_of_one_feature_is_not_absorbed() -> None:
    found = absorption.absorption(text_of(planted().batch), 1)
    assert found is not None
    assert found.main_features == (MOOD,)
    assert found.full.value == 0
    healed = without(planted(), ABSORBER)
    dense = healed.batch.codes.to_dense()
    dense[planted().carries[:, 6], GENERAL] = 1.0
    found = absorption.absorption(text_of(healed.batch._replace(codes=SparseCodes.from_dense(dense))), 6)
    assert found is not None
    assert (found.full.value, found.fraction.value) == (0, 0)


def test_absorption_needs_a_state_that_holds_the_concept() -> None:
    assert absorption.absorption(text_of(nothing_planted().batch), 1) is None
    assert absorption.absorption(text_of(planted().batch), 8) is None
    rows = {row.metric: row for row in absorption.measure(
        text_of(nothing_planted().batch), concepts=[1, 8], names=CONCEPTS
    )}  # fmt: skip
    assert rows["concepts_not_measured"].value == 2
    assert np.isnan(rows["absorption_fraction"].value)


def test_absorption_by_hand() -> None:
    parts = np.array([[1.0, 0.0, 0.0], [0.0, 0.8, 0.1], [0.5, 0.5, 0.0], [0.0, 0.1, 0.1]])
    reading = Reading(np.ones(4), parts, parts, np.array([0.9, 0.5, 0.05]))
    # all its own; the second in its place; half and half; too little from elsewhere
    assert absorbed_fraction(reading, [0]).tolist() == [0, 1, 0.5, 0]
    assert fully_absorbed(reading, [0]).tolist() == [False, True, False, False]


def test_directions_of_neurons_are_their_axes() -> None:
    text = text_of(planted().batch, planted().dense)
    plain, spelled = (absorption.absorption(text, 6, directions=d) for d in (None, torch.eye(WIDTH)))
    assert plain == spelled
    a, b = (perturbation.perturb(text, [0, 1, 6], directions=d) for d in (None, torch.eye(WIDTH)))
    assert a is not None
    assert b is not None
    np.testing.assert_allclose(a.falls[2], b.falls[2])


def test_removing_a_concepts_own_features_harms_its_probe_alone() -> None:
    found = perturbation.perturb(without(planted(), 8), [0, 1, 6], sizes=(5,))
    assert found is not None
    assert found.clean.min() > 0.99
    own, others = found.parts(5)
    assert own[:, 0].min() > 0.4
    assert np.abs(others[:, 0]).max() < 0.05
    for score in found.score(5):
        assert 0.3 < score.low <= score.value <= score.high


def test_perturbation_by_hand() -> None:
    falls = np.array([[0.4, 0.1], [0.0, 0.0]])[:, :, None].repeat(3, axis=2)
    found = perturbation.Perturbed((4, 7), np.array([0.9, 0.8]), {2: falls})
    np.testing.assert_allclose(found.score(2), [[0.3] * 3, [0.0] * 3])


def test_perturbing_nothing_scores_about_nothing() -> None:
    rows = perturbation.measure(
        text_of(nothing_planted().batch), concepts=[0, 1, 6], names=CONCEPTS, sizes=(2,)
    )
    mean = next(row for row in rows if row.metric == "tpp/2" and not row.about)
    assert abs(mean.value) < 0.1


def test_one_concept_alone_has_no_others_to_be_compared_with() -> None:
    text = text_of(planted().batch)
    assert perturbation.perturb(text, [0, 8]) is None
    assert perturbation.measure(text, concepts=[0, 8], names=CONCEPTS) == []


def test_an_empty_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="no token"):
        ExampleSample(3).result()
    batch = planted().batch
    with pytest.raises(ValueError, match="9"):
        ExampleSample(3).update(Batch(batch.codes, batch.token_ids, batch.documents, batch.labels))
