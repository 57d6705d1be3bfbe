"""The lift, the auxiliary loss and the books of a watched TopK module."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from topklm.model import TopK, topk
from topklm.model.topk import SELECTIONS, stable_mask
from topklm.training.lifted import lifted_topk
from topklm.training.watched import WatchedTopK


def watched(width: int = 16, k: int = 4, **changes: object) -> WatchedTopK:
    fields: dict[str, object] = {
        "width": width, "lift": 0.1, "lift_below": 0.02, "dead_after": 50, "aux_k": 0,
        "reading": lambda: torch.eye(width),
    }  # fmt: skip
    by = str(changes.pop("by", "value"))
    return WatchedTopK(TopK(k, by=by), **{**fields, **changes}).train()


def states(seed: int, rows: int = 40, width: int = 16) -> Tensor:
    """Random states with ties and both zeros among them."""
    x = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    x = (x * 4).round() / 4
    return torch.where(x == 0.25, -torch.zeros(()), x)


@given(st.integers(0, 10_000), st.integers(1, 16), st.sampled_from(SELECTIONS))
def test_without_a_lift_it_is_plain_topk(seed: int, k: int, by: str) -> None:
    x = states(seed)
    assert torch.equal(lifted_topk(x, k, torch.zeros(16), by=by), topk(x, k, by=by))


@given(st.integers(0, 10_000), st.integers(1, 15), st.sampled_from(SELECTIONS))
def test_a_lift_changes_which_entries_are_kept_by_the_judges_order_and_never_a_value(
    seed: int, k: int, by: str
) -> None:
    x = states(seed)
    lift = torch.rand(16, generator=torch.Generator().manual_seed(seed)) * 3
    kept = lifted_topk(x, k, lift, by=by)
    if by == "positive":
        expected = stable_mask(torch.where(x > 0, x + lift, x), k) & (x > 0)
    else:
        expected = stable_mask((x.abs() if by == "magnitude" else x) + lift, k)
    assert torch.equal(kept, x.masked_fill(~expected, 0.0))


@pytest.mark.parametrize("by", SELECTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_without_kernels_the_lift_gives_the_same_with_gradients(
    by: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    lift = torch.rand(64, generator=torch.Generator().manual_seed(1))

    def both() -> tuple[Tensor, Tensor]:
        x = states(3, rows=30, width=64).to(dtype).requires_grad_()
        result = lifted_topk(x, 5, lift, by=by)
        (result * torch.arange(64)).float().sum().backward()
        assert x.grad is not None
        return result.detach(), x.grad

    fast = both()
    assert torch.equal(fast[1] != 0, (fast[0] != 0) & (torch.arange(64) > 0))
    monkeypatch.setattr("topklm.training.lifted.kernels_take", lambda x: False)
    slow = both()
    assert torch.equal(fast[0], slow[0])
    assert torch.equal(fast[1], slow[1])


@pytest.mark.slow
@pytest.mark.parametrize("by", SELECTIONS)
def test_compiled_the_lift_gives_the_same_with_gradients(by: str) -> None:
    lift = torch.rand(64, generator=torch.Generator().manual_seed(1))

    def lifted(x: Tensor) -> Tensor:
        return lifted_topk(x, 5, lift, by=by)

    found = []
    for function in (lifted, torch.compile(lifted, fullgraph=True)):
        x = states(3, rows=30, width=64).requires_grad_()
        result = function(x)
        (result * torch.arange(64)).sum().backward()
        assert x.grad is not None
        found.append((result.detach(), x.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_nan_stays_visible_under_a_lift() -> None:
    x = torch.tensor([[1.0, float("nan"), 3.0, 2.0]])
    for by in SELECTIONS:
        assert lifted_topk(x, 1, torch.full((4,), 2.0), by=by).isnan().sum() == 1


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30), st.sampled_from(SELECTIONS))
def test_the_bias_is_never_below_zero_and_only_the_unused_grow(seeds: list[int], by: str) -> None:
    module = watched(by=by)
    for seed in seeds:
        before = module.bias.clone()
        kept = module(torch.randn(40, 16, generator=torch.Generator().manual_seed(seed)))
        module.settle()
        unused = (kept != 0).sum(0) < 0.02 * 40 * 4 / 16
        assert bool((module.bias >= 0).all())
        assert torch.equal(module.bias > before, unused)
        assert bool((module.bias[~unused] <= before[~unused]).all())


def test_the_bias_moves_by_its_step_in_standard_deviations_and_only_shrinks_while_it_fades() -> None:
    module = watched(width=4, k=1)
    x = torch.tensor([[9.0, 1.0, 2.0, 3.0]]).repeat(8, 1)
    module(x)
    module.settle()
    assert module.bias.tolist() == pytest.approx([0, *[0.1 * float(x.std())] * 3])
    module.fade = 0.5
    before = module.bias.clone()
    module(x)
    module.settle()
    assert torch.equal(module.bias, before)
    module.bias[:] = 20.0
    module(x)
    module.settle()
    assert module.bias[0] < 20.0
    assert module.bias[1:].tolist() == [20.0] * 3


def test_a_neuron_that_never_wins_is_chosen_once_lifted_and_plain_topk_rules_outside_training() -> None:
    module = watched(lift=0.2)
    x = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    x[:, 3] -= 6.0
    assert not (module(x)[:, 3] != 0).any()
    for _ in range(60):
        fired = module(x)[:, 3] != 0
        module.settle()
    assert fired.any()
    module.eval()
    assert torch.equal(module(x), topk(x, 4))
    module.train()
    module.fade = 0.0
    assert torch.equal(module(x), topk(x, 4))


def test_silence_counts_tokens_since_the_last_firing() -> None:
    module = watched(width=3, k=1, lift=0.0)
    for x, expected in (
        ([5.0, 1.0, 1.0], [0, 4, 4]),
        ([1.0, 5.0, 0.0], [4, 0, 8]),
        ([5.0, 0.0, 0.0], [0, 4, 12]),
    ):
        module(torch.tensor([x] * 4))
        module.settle()
        assert module.silent.tolist() == expected
    module.dead_after = 12
    assert module.dead.tolist() == [False, False, True]


def test_the_auxiliary_loss_is_its_formula_and_reaches_dead_entries_alone() -> None:
    reading = torch.randn(5, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    module = watched(width=8, k=2, lift=0.0, aux_k=4, dead_after=1, reading=lambda: reading)
    x = torch.randn(6, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    dead = torch.tensor([False] * 5 + [True] * 3)
    module(x)
    assert module.loss is None  # nobody is dead yet
    module.silent[dead] = 1
    sparse = module(x)
    cut = (x - sparse).detach()
    cut[:, dead] = 0
    target = cut @ reading.detach().T
    missed = x[:, dead] @ reading[:, dead].T - target
    expected = missed.square().sum() / target.square().sum() * 3 / 4  # 3 of the 4 it wants are dead
    assert module.loss is not None
    torch.testing.assert_close(module.loss, expected)
    to_x, to_reading = torch.autograd.grad(module.loss, [x, reading])
    assert bool((to_x[:, ~dead] == 0).all())
    assert bool((to_reading[:, ~dead] == 0).all())
    assert bool((to_x[:, dead] != 0).all())


def test_descending_on_the_auxiliary_loss_lowers_it() -> None:
    reading = torch.randn(12, 16, generator=torch.Generator().manual_seed(0))
    module = watched(lift=0.0, aux_k=4, dead_after=1, reading=lambda: reading)
    x = torch.randn(20, 16, generator=torch.Generator().manual_seed(1))
    x[:, 8:] *= 0.01
    module.silent[8:] = 1
    values = x.clone().requires_grad_()
    losses = []
    for _ in range(30):
        module(values)
        assert module.loss is not None
        losses.append(float(module.loss.detach()))
        (gradient,) = torch.autograd.grad(module.loss, [values])
        values = (values - 1.0 * gradient).detach().requires_grad_()
    assert losses[-1] < 0.9 * losses[0]
