"""Hashes of numbers, bootstrap weights and intervals that streams can use."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topklm.core.hashing import hashed, uniform
from topklm.core.stats import Estimate, interval, poisson_weights


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20), st.integers(0, 5))
def test_a_hash_depends_on_its_number_alone(numbers: list[int], seed: int) -> None:
    whole = hashed(numbers, seed)
    assert [int(hashed([number], seed)[0]) for number in numbers] == whole.tolist()


def test_hashes_are_spread_evenly_and_seeds_differ() -> None:
    values = uniform(range(20_000))
    counts, _ = np.histogram(values, bins=20, range=(0, 1))
    assert abs(counts - 1000).max() < 5 * np.sqrt(1000)
    assert abs(np.corrcoef(values, uniform(range(20_000), 1))[0, 1]) < 0.03
    assert len(set(hashed(range(20_000)).tolist())) == 20_000


def test_poisson_weights_have_mean_and_variance_one_and_belong_to_their_document() -> None:
    weights = poisson_weights(range(2_000), resamples=50)
    assert abs(weights.mean() - 1) < 0.02  # five standard errors
    assert abs(weights.var() - 1) < 0.05
    assert (poisson_weights([7, 3], resamples=50) == weights[[7, 3]]).all()


def test_an_interval_includes_its_value_and_says_when_nothing_is_known() -> None:
    assert interval(5.0, [1.0, 2.0, 3.0]).high == 5
    assert interval(2.0, [1.0, np.nan, 3.0]).low == pytest.approx(1.05)
    assert interval(2.0, [np.nan, 1.0]) == Estimate(2.0, -np.inf, np.inf)
