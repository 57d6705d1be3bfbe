"""Token mass and token entropy."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from topklm.metrics.tokens import token_entropy, token_mass, top_tokens
from topklm.model import SparseCodes


def test_mass_by_hand() -> None:
    codes = SparseCodes.from_dense(torch.tensor([[1.0, 0.0], [2.0, -3.0], [4.0, 5.0]]))
    mass = token_mass(codes, torch.tensor([7, 8, 7]), vocabulary=10).to_dense()
    assert mass[0, 7] == 5.0
    assert mass[0, 8] == 2.0
    assert mass[1].nonzero().flatten().tolist() == [7]
    assert top_tokens(mass, 0, 3) == [(7, 5 / 7), (8, 2 / 7)]


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 10_000))
def test_mass_equals_a_dense_product(width: int, vocabulary: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(20, width, generator=generator).double()
    dense[torch.rand(20, width, generator=generator) < 0.5] = 0
    ids = torch.randint(0, vocabulary, (20,), generator=generator)
    mass = token_mass(SparseCodes.from_dense(dense), ids, vocabulary=vocabulary)
    one_hot = torch.nn.functional.one_hot(ids, vocabulary).double()
    torch.testing.assert_close(mass.to_dense(), dense.clamp(min=0).T @ one_hot)


def test_entropy_of_known_distributions() -> None:
    mass = torch.tensor([[1.0, 1, 1, 1], [5, 0, 0, 0], [0, 0, 0, 0], [2, 1, 1, 0]], dtype=torch.float64)
    entropy = token_entropy(mass)
    assert entropy[0] == pytest.approx(2.0)
    assert entropy[1] == 0
    assert entropy[2].isnan()
    assert entropy[3] == pytest.approx(1.5)
    torch.testing.assert_close(token_entropy(mass.to_sparse()), entropy, equal_nan=True)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.floats(0.1, 10))
def test_entropy_ignores_scale_and_stays_in_its_bounds(row: list[float], scale: float) -> None:
    mass = torch.tensor([row], dtype=torch.float64)
    entropy = float(token_entropy(mass))
    assert -1e-9 <= entropy <= math.log2(len(row)) + 1e-9
    assert float(token_entropy(mass * scale)) == pytest.approx(entropy)


def test_ids_that_do_not_fit_the_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="3 codes"):
        token_mass(SparseCodes.from_dense(torch.eye(3)), torch.tensor([1, 2]), vocabulary=5)


def test_shapes_are_checked() -> None:
    with pytest.raises(Exception, match="Type-check"):
        token_entropy(torch.ones(3))
