"""Sparse codes: to and from dense, slices, concatenation, equality."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from topklm.model import SparseCodes


@st.composite
def sparse_matrices(draw: st.DrawFn) -> torch.Tensor:
    """Matrices with many zeros and rows of every length, none at all included."""
    rows, width = draw(st.integers(0, 6)), draw(st.integers(1, 6))
    value = st.sampled_from([0.0, 0.0, 1.5, -2.0])
    cells = draw(st.lists(value, min_size=rows * width, max_size=rows * width))
    return torch.tensor(cells, dtype=torch.float32).reshape(rows, width)


@given(sparse_matrices())
def test_dense_and_back_is_the_identity(dense: torch.Tensor) -> None:
    codes = SparseCodes.from_dense(dense)
    assert torch.equal(codes.to_dense(), dense)
    assert len(codes) == len(dense)
    assert torch.equal(codes.counts, (dense != 0).sum(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_compiled_collector_finds_what_torch_finds(dtype: torch.dtype, threads: int) -> None:
    dense = torch.randn(300, 400).relu().round(decimals=1).to(dtype)
    dense[3], dense[7, 5], dense[7, 6], dense[8, ::3] = -0.0, torch.nan, -torch.inf, -1e-4
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    codes = SparseCodes.from_dense(dense)
    torch.set_num_threads(before)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["topklm.model.topk"], "HAS_NUMBA", False)
        expected = SparseCodes.from_dense(dense)
    assert torch.equal(codes.offsets, expected.offsets)
    assert torch.equal(codes.indices, expected.indices)
    torch.testing.assert_close(codes.values, expected.values, rtol=0, atol=0, equal_nan=True)


@given(sparse_matrices(), st.integers(-7, 7), st.integers(-7, 7))
def test_a_slice_of_the_codes_is_the_code_of_the_slice(dense: torch.Tensor, a: int, b: int) -> None:
    assert SparseCodes.from_dense(dense)[a:b] == SparseCodes.from_dense(dense[a:b])


@given(sparse_matrices(), st.integers(0, 6))
def test_cutting_and_joining_is_the_identity(dense: torch.Tensor, cut: int) -> None:
    codes = SparseCodes.from_dense(dense)
    assert SparseCodes.cat([codes[:cut], codes[cut:]]) == codes


def test_leading_dimensions_become_rows() -> None:
    dense = torch.randn(2, 3, 4).relu()
    assert torch.equal(SparseCodes.from_dense(dense).to_dense(), dense.view(6, 4))


def test_one_row_and_iteration_work_as_in_a_list() -> None:
    dense = torch.eye(3)
    codes = SparseCodes.from_dense(dense)
    assert torch.equal(codes[-1].to_dense(), dense[-1:])
    assert codes[np.int64(1)] == codes[1]
    assert len(list(codes)) == 3
    with pytest.raises(IndexError):
        codes[3]


def test_different_codes_are_unequal() -> None:
    codes = SparseCodes.from_dense(torch.eye(3))
    assert codes != SparseCodes.from_dense(2 * torch.eye(3))
    assert codes != SparseCodes.from_dense(torch.eye(3, 4))
    assert codes != codes[:2]
    assert codes != "codes"
    assert codes.to("cpu") == codes
    assert repr(codes) == "SparseCodes(rows=3, width=3, entries=3)"


def test_parts_that_do_not_fit_are_refused() -> None:
    offsets, indices, values = torch.tensor([0, 2]), torch.tensor([0, 1], dtype=torch.int32), torch.ones(2)
    SparseCodes(offsets, indices, values, 2)
    with pytest.raises(ValueError, match="equally long"):
        SparseCodes(offsets, indices, torch.ones(3), 2)
    with pytest.raises(ValueError, match="int32 indices"):
        SparseCodes(offsets, indices.long(), values, 2)
    with pytest.raises(ValueError, match="rise from 0"):
        SparseCodes(torch.tensor([0, 3]), indices, values, 2)
    with pytest.raises(ValueError, match=r"0\.\.0"):
        SparseCodes(offsets, indices, values, 1)
    with pytest.raises(ValueError, match="ascend within a row"):
        SparseCodes(offsets, indices.flip(0), values, 2)
    SparseCodes(torch.tensor([0, 0, 1, 1, 2]), indices.flip(0), values, 2)
    with pytest.raises(ValueError, match="floating-point values"):
        SparseCodes(offsets, indices, values.long(), 2)
    with pytest.raises(ValueError, match="step 1"):
        SparseCodes(offsets, indices, values, 2)[::2]
    with pytest.raises(ValueError, match="equal widths"):
        SparseCodes.cat([SparseCodes.from_dense(torch.eye(2)), SparseCodes.from_dense(torch.eye(3))])
