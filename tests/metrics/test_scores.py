"""Concept scores of all pairs: by hand, against scikit-learn, and in parts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from planted import DEAD, MIXED, MOOD, PERFECT, SPLIT, WIDTH, parts, planted
from topklm.metrics.batch import Batch, halves
from topklm.metrics.scores import ConceptCounts, ConceptScores, concept_scores, levels_of
from topklm.model import SparseCodes


def same(a: ConceptScores, b: ConceptScores) -> None:
    for one, other in zip(a, b, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def text(dense: torch.Tensor, carries: torch.Tensor, documents: torch.Tensor) -> Batch:
    labels = SparseCodes.from_dense(carries.float())
    return Batch(SparseCodes.from_dense(dense), torch.zeros(len(dense)).long(), documents, labels)


def test_scores_by_hand() -> None:
    dense = torch.tensor([[3.0], [2.0], [2.0], [1.0], [-5.0], [0.0]])
    carries = torch.tensor([[1], [1], [0], [0], [1], [0]])
    documents = torch.zeros(6).long()
    half = int(halves(documents)[0])
    found = concept_scores(text(dense, carries, documents))
    # thresholds 3, 2, 1 claim 1, 3, 4 tokens, of which 1, 2, 2 are right of 3
    assert found.f1[half, 0, 0] == pytest.approx(2 * 2 / (3 + 3))
    assert found.threshold[half, 0, 0] == 2.0
    assert found.average_precision[half, 0, 0] == pytest.approx((1 + 2 / 3 + 3 / 6) / 3)
    assert found.positives[:, 0].tolist() == [3 * (half == 0), 3 * (half == 1)]
    assert found.f1[1 - half].sum() == 0


@pytest.mark.parametrize("rows", [0, 1, 3, 400])  # few firings are sorted, many are counted
@pytest.mark.parametrize("exact", [True, False])
def test_levels_are_the_distinct_values_of_each_feature_highest_first(rows: int, exact: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    dense = torch.randint(-1, 4, (rows, 3), generator=generator).float()
    codes = SparseCodes.from_dense(dense)
    levels = levels_of(codes, exact=exact)
    found = {tuple(one) for one in zip(*np.nonzero(dense.numpy() > 0), strict=True)}
    pairs = sorted({(int(column), -float(dense[row, column])) for row, column in found})
    assert (levels.keys >> 32).tolist() == [feature for feature, _ in pairs]
    assert (np.diff(levels.keys) > 0).all()
    places = levels.places.toarray()
    assert places.shape == (rows, len(pairs))
    for place, (feature, value) in enumerate(pairs):
        assert (places[:, place] == (dense[:, feature] == -value).numpy()).all()


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_scores_equal_scikit_learns(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    dense = torch.randint(-2, 5, (60, 3), generator=g) / 2
    carries = torch.rand(60, 2, generator=g) < 0.3
    documents = torch.randint(0, 6, (60,), generator=g)
    found = concept_scores(text(dense, carries, documents))
    half = halves(documents)
    for part, feature, concept in np.ndindex(2, 3, 2):
        truth = carries[half == part, concept].numpy()
        scores = dense[half == part, feature].clamp(min=0).numpy()
        if not truth.any():
            continue
        expected = average_precision_score(truth, scores)
        assert float(found.average_precision[part, feature, concept]) == pytest.approx(expected, abs=1e-6)
        precision, recall, at = precision_recall_curve(truth, scores)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = f1[:-1][at > 0].max(initial=0)
        assert float(found.f1[part, feature, concept]) == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("exact", [True, False])
@given(size=st.integers(500, 9_000), cut=st.integers(0, 11))
@settings(max_examples=5, deadline=None)
def test_parts_merge_to_exactly_the_whole(exact: bool, size: int, cut: int) -> None:
    batch = planted().batch
    whole = ConceptCounts(WIDTH, 9, exact=exact)
    whole.update(batch)
    first, second = ConceptCounts(WIDTH, 9, exact=exact), ConceptCounts(WIDTH, 9, exact=exact)
    for number, piece in enumerate(parts(batch, size)):
        (first if number < cut else second).update(piece)
    first.merge(second)
    same(first.result(), whole.result())


def test_levels_cost_little_and_their_thresholds_are_true() -> None:
    found = planted()
    exact = concept_scores(found.batch)
    counts = ConceptCounts(WIDTH, 9)
    counts.update(found.batch)
    coarse = counts.result()
    assert float((exact.f1 - coarse.f1).abs().max()) < 0.03
    half = halves(found.batch.documents)
    for feature, concept in ((MIXED, 0), (MIXED, 1), (SPLIT, 0)):
        claims = found.dense[half == 1, feature] >= coarse.threshold[1, feature, concept]
        truth = found.carries[half == 1, concept]
        f1 = 2 * float((claims & truth).sum()) / float(claims.sum() + truth.sum())
        assert float(coarse.f1[1, feature, concept]) == pytest.approx(f1, abs=1e-6)


def test_planted_features_score_as_planted() -> None:
    found = concept_scores(planted().batch)
    assert found.f1[1, PERFECT, 0] == 1
    assert found.average_precision[1, PERFECT, 0] == 1
    assert found.f1[1, MOOD, 1] == 1
    assert found.f1[1, SPLIT, 0] == pytest.approx(2 / 3, abs=0.05)  # all right, half of it
    assert 0.4 < found.f1[1, MIXED, 0] < 0.8
    assert found.f1[:, DEAD].sum() == 0
    assert found.threshold[:, DEAD].isinf().all()
    assert found.f1[:, :, 8].sum() == 0  # the concept that never occurs


def test_signs_and_order_of_magnitude_do_not_matter() -> None:
    batch = planted().batch
    scaled = SparseCodes(batch.codes.offsets, batch.codes.indices, batch.codes.values * 1024, WIDTH)
    a, b = concept_scores(batch), concept_scores(batch._replace(codes=scaled))
    torch.testing.assert_close(a.f1, b.f1, rtol=0, atol=0)
    torch.testing.assert_close(a.threshold * 1024, b.threshold, rtol=0, atol=0)


def test_unexpected_widths_are_refused() -> None:
    counts = ConceptCounts(WIDTH, 3)
    with pytest.raises(ValueError, match="3 concepts"):
        counts.update(planted().batch)
    with pytest.raises(ValueError, match="merged"):
        counts.merge(ConceptCounts(WIDTH, 4))
