"""Emergence and turnover, by their definitions; firings kept of a text in memory."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from planted import WIDTH, planted
from topklm.metrics.emergence import emergence, turnover
from topklm.metrics.firings import FiringSample, kept_samples

CURVES = st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=8)


@given(CURVES, st.floats(0.1, 0.9))
def test_a_feature_has_emerged_from_the_first_checkpoint_after_which_it_never_falls_below(
    curves: list[list[float]], threshold: float
) -> None:
    table = torch.tensor(curves, dtype=torch.float64)
    for feature, found in enumerate(emergence(table, threshold=threshold).tolist()):
        column = table[:, feature]
        assert bool((column[found:] >= threshold).all())
        assert found == 0 or column[found - 1] < threshold


def test_what_is_dead_or_undefined_never_emerges() -> None:
    table = torch.tensor([[0.9, torch.nan], [0.2, torch.nan]])
    assert emergence(table).tolist() == [2, 2]
    assert emergence(torch.zeros(0, 4)).tolist() == [0, 0, 0, 0]


def test_turnover_by_hand() -> None:
    # born, died, changed and moved, changed alone, kept, silent
    found = turnover(
        same=torch.tensor([0.0, 0.0, 0.1, 0.2, 0.9, 0.0]),
        best=torch.tensor([0.0, 0.8, 0.7, 0.4, 0.9, 0.0]),
        live_before=torch.tensor([False, True, True, True, True, False]),
        live_after=torch.tensor([True, False, True, True, True, False]),
        fires_after=torch.tensor([True, False, True, True, True, False]),
    )
    assert found.born.tolist() == [True, False, False, False, False, False]
    assert found.died.tolist() == [False, True, False, False, False, False]
    assert found.changed.tolist() == [False, False, True, True, False, False]
    assert found.moved.tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("by", ["strongest", "random"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_text_in_memory_keeps_the_firings_that_a_stream_keeps(by: str, size: int) -> None:
    batch = planted().batch
    sample = FiringSample(WIDTH, size=size, by=by)
    sample.update(batch)
    for name, ours, theirs in zip(
        FiringSample.result(sample)._fields,
        *kept_samples(batch, size=size, by=(by,)),
        sample.result(),
        strict=True,
    ):
        assert torch.equal(torch.as_tensor(ours), torch.as_tensor(theirs)), name
