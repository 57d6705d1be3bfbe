"""Batches, rows, and helpers on sparse codes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from planted import planted
from topklm.core.stats import Estimate
from topklm.metrics.batch import (
    Batch,
    both_signs,
    checked,
    halves,
    labels_of,
    mean_row,
    per_document,
    positive,
    row,
    take_rows,
    to_csr,
)
from topklm.model import SparseCodes

SEEDS = st.integers(0, 10_000)


def random_dense(seed: int, rows: int = 12, width: int = 5) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    dense = torch.randn(rows, width, generator=g)
    dense[torch.rand(rows, width, generator=g) < 0.5] = 0
    return dense


@given(SEEDS)
def test_positive_codes_are_the_clamped_ones(seed: int) -> None:
    dense = random_dense(seed)
    assert positive(SparseCodes.from_dense(dense)) == SparseCodes.from_dense(dense.clamp(min=0))


@given(SEEDS)
def test_both_signs_are_two_sets_of_positive_features(seed: int) -> None:
    dense = random_dense(seed)
    expected = torch.cat([dense.clamp(min=0), (-dense).clamp(min=0)], dim=1)
    assert both_signs(SparseCodes.from_dense(dense)) == SparseCodes.from_dense(expected)


@given(SEEDS, st.lists(st.integers(0, 11), max_size=20))
def test_taking_rows_is_indexing(seed: int, rows: list[int]) -> None:
    dense = random_dense(seed)
    chosen = torch.tensor(rows, dtype=torch.int64)
    assert take_rows(SparseCodes.from_dense(dense), chosen) == SparseCodes.from_dense(dense[chosen])


def test_a_scipy_matrix_holds_the_same_numbers() -> None:
    dense = random_dense(3)
    np.testing.assert_array_equal(to_csr(SparseCodes.from_dense(dense)).toarray(), dense.double().numpy())


def test_nan_is_refused_not_dropped() -> None:
    with pytest.raises(ValueError, match="NaN"):
        positive(SparseCodes.from_dense(torch.tensor([[1.0, float("nan")]])))


def test_halves_are_whole_documents_and_about_equal() -> None:
    documents = torch.arange(4000) // 4
    half = halves(documents)
    assert all(len(set(half[documents.numpy() == one])) == 1 for one in range(50))
    assert 0.45 < half.mean() < 0.55  # 1,000 documents: 3 standard errors are 0.047
    assert (half != halves(documents, seed=1)).any()


def test_a_document_falls_into_the_same_half_wherever_it_stands() -> None:
    assert halves(torch.tensor([7, 8, 9]))[2] == halves(torch.tensor([9]))[0]


def test_parts_of_different_length_and_missing_labels_are_refused() -> None:
    batch = planted().batch
    with pytest.raises(ValueError, match="equally long"):
        checked(batch._replace(token_ids=batch.token_ids[1:]))
    with pytest.raises(ValueError, match="labels"):
        labels_of(Batch(batch.codes, batch.token_ids, batch.documents))


def test_a_mean_has_an_interval_and_leaves_out_what_is_no_number() -> None:
    found = mean_row("x", [1.0, 3.0, float("nan")], n_tokens=9, about="y")
    assert (found.value, found.n, found.n_tokens, found.about) == (2.0, 2, 9, "y")
    assert found.low <= 2 <= found.high
    assert np.isnan(mean_row("x", [], n_tokens=0).value)
    assert row("x", 3.0, n_tokens=1, n=1)[1:4] == Estimate.exact(3.0)


def test_sums_per_document() -> None:
    sums, counts = per_document([5, 3, 5], [1.0, 2.0, 4.0])
    assert (sums.tolist(), counts.tolist()) == ([2.0, 5.0], [1, 2])
