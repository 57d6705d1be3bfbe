"""Similarity of features on the same tokens, matching, assignment, and what chance gives."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from planted import DEAD, WIDTH, nothing_planted, parts, planted
from topklm.core.errors import InputError
from topklm.metrics import matching
from topklm.metrics.matching import assign, chance, identity_match
from topklm.metrics.similarity import Overlap, similarity
from topklm.model import SparseCodes


def random_codes(seed: int, rows: int = 40, width: int = 6) -> SparseCodes:
    g = torch.Generator().manual_seed(seed)
    dense = torch.randn(rows, width, generator=g)
    dense[torch.rand(rows, width, generator=g) < 0.5] = 0
    return SparseCodes.from_dense(dense)


@given(st.integers(0, 1_000), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_blocks_equal_the_dense_definition(seed: int, pairs: int) -> None:
    a, b = random_codes(seed), random_codes(seed + 1, width=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("topklm.metrics.similarity.PAIRS_AT_ONCE", pairs)
        found = similarity(a, b)
    x, y = a.to_dense().double().clamp(min=0), b.to_dense().double().clamp(min=0)
    cosine = torch.nn.functional.normalize(x.T, dim=1) @ torch.nn.functional.normalize(y.T, dim=1).T
    both = (x > 0).double().T @ (y > 0).double()
    jaccard = both / ((x > 0).sum(0)[:, None] + (y > 0).sum(0) - both).clamp(min=1)
    torch.testing.assert_close(found.best_cosine, cosine.max(1).values.float())
    torch.testing.assert_close(found.same_cosine[:5], cosine.diagonal().float())
    torch.testing.assert_close(found.same_jaccard[:5], jaccard.diagonal().float())
    assert found.same_cosine[5].isnan()
    fires = cosine.max(1).values > 0
    assert torch.equal(found.best[fires], cosine.max(1).indices[fires])
    torch.testing.assert_close(
        found.best_jaccard, jaccard.gather(1, cosine.max(1).indices[:, None])[:, 0].float()
    )


@given(st.integers(500, 9_000), st.integers(0, 10))
@settings(max_examples=5, deadline=None)
def test_parts_of_a_text_merge(size: int, cut: int) -> None:
    text = planted().batch
    first, second, whole = (Overlap(WIDTH, WIDTH) for _ in range(3))
    whole.update(text.codes, text.codes)
    for number, part in enumerate(parts(text, size)):
        (first if number < cut else second).update(part.codes, part.codes)
    first.merge(second)
    torch.testing.assert_close(first.cosine(), whole.cosine(), rtol=1e-12, atol=0)
    torch.testing.assert_close(first.jaccard(), whole.jaccard(), rtol=0, atol=0)
    assert torch.equal(first.result().best, whole.result().best)


@given(st.integers(0, 1_000))
@settings(max_examples=20, deadline=None)
def test_a_set_of_features_matches_itself(seed: int) -> None:
    codes = random_codes(seed)
    found = similarity(codes, codes)
    assert identity_match(found).value == 1
    torch.testing.assert_close(found.best_cosine, torch.ones(6))
    torch.testing.assert_close(found.best_jaccard, torch.ones(6))


@given(st.permutations(range(6)), st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_a_permuted_set_is_found_under_its_new_indices(order: list[int], seed: int) -> None:
    a = random_codes(seed)
    b = SparseCodes.from_dense(a.to_dense()[:, order])
    found = similarity(a, b)
    assert [order[index] for index in found.best.tolist()] == list(range(6))
    pairs = assign(similarity_table(a, b), found.live, torch.ones(6, dtype=torch.bool))
    assert [order[index] for index in pairs.second.tolist()] == list(range(6))
    fixed = sum(index == place for place, index in enumerate(order)) / 6
    assert identity_match(found).value == pytest.approx(fixed)


def similarity_table(a: SparseCodes, b: SparseCodes) -> torch.Tensor:
    overlap = Overlap(a.width, b.width)
    overlap.update(a, b)
    return overlap.cosine()


def test_equal_features_keep_their_own_index() -> None:
    column = torch.tensor([[1.0], [2.0], [0.0]])
    codes = SparseCodes.from_dense(column.repeat(1, 3))
    assert similarity(codes, codes).best.tolist() == [0, 1, 2]


def test_a_feature_that_never_fires_has_no_match() -> None:
    found = similarity(planted().batch.codes, planted().batch.codes)
    assert found.best[DEAD] == -1
    assert found.same_cosine[DEAD] == 0
    assert not found.live[DEAD]


def test_chance_of_a_true_match_is_far_below_it() -> None:
    codes = planted().batch.codes
    found = similarity(codes, codes)
    by_chance = chance(codes, codes, found)
    assert by_chance.identity_match.value == pytest.approx(1 / WIDTH, abs=0.03)
    assert float(by_chance.best_cosine[found.live].mean()) < 0.5
    assert float(found.chance_cosine[found.live].mean()) < 0.5


def test_unrelated_features_match_no_better_than_chance() -> None:
    a, b = nothing_planted(0).batch.codes, nothing_planted(5).batch.codes
    rows = {row.metric: row for row in matching.measure(a, b)}
    assert rows["identity_match"].value < 0.25
    near = rows["best_match_cosine/shifted"].value
    assert rows["best_match_cosine"].value == pytest.approx(near, abs=0.03)
    assert rows["same_index_cosine"].value == pytest.approx(
        rows["same_index_cosine/permuted"].value, abs=0.03
    )


def test_rows_of_a_text_with_itself() -> None:
    codes = planted().batch.codes
    rows = {row.metric: row for row in matching.measure(codes, codes)}
    assert rows["identity_match"].value == 1
    assert rows["identity_match"].n == WIDTH - 1
    assert rows["assigned_cosine"].value == pytest.approx(1)
    assert rows["best_match_jaccard"].value == 1


@given(st.integers(0, 1_000))
@settings(max_examples=20, deadline=None)
def test_assignment_is_the_best_of_all_pairings(seed: int) -> None:
    table = torch.rand(4, 4, generator=torch.Generator().manual_seed(seed)).double()
    pairs = assign(table, torch.ones(4).bool(), torch.ones(4).bool())
    best = max(sum(table[i, j] for i, j in enumerate(order)) for order in itertools.permutations(range(4)))
    assert float(pairs.cosine.sum()) == pytest.approx(float(best), abs=1e-5)


def test_what_cannot_be_compared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = planted().batch.codes
    with pytest.raises(ValueError, match="same tokens"):
        similarity(codes, codes[:10])
    with pytest.raises(ValueError, match="merged"):
        Overlap(3, 3).merge(Overlap(3, 4))
    monkeypatch.setattr("topklm.metrics.matching.WIDEST", 3)
    with pytest.raises(InputError, match="best-match"):
        matching.measure(codes, codes)
