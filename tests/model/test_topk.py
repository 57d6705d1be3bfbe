"""TopK: what is kept, in which order, with which gradient."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from topklm.model.topk import TopK, stable_mask, topk, topk_mask

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 0.5, math.inf, -math.inf, math.nan, 1e-30])
"""Few different values, so that rows are full of ties."""


@st.composite
def tied_rows(draw: st.DrawFn) -> tuple[torch.Tensor, int]:
    """A matrix full of ties and odd values, and a k that fits it."""
    width = draw(st.integers(1, 12))
    rows = draw(st.lists(st.lists(VALUES, min_size=width, max_size=width), min_size=1, max_size=4))
    dtype = draw(st.sampled_from(DTYPES))
    return torch.tensor(rows, dtype=dtype), draw(st.integers(1, width))


def by_python(row: list[float], k: int, by: str) -> list[int]:
    """The indices kept, found with Python's own stable sort: NaN first, then descending."""

    def key(index: int) -> tuple[bool, float]:
        value = abs(row[index]) if by == "magnitude" else row[index]
        return (False, 0.0) if math.isnan(value) else (True, -value)

    kept = sorted(range(len(row)), key=key)[:k]
    return sorted(index for index in kept if by != "positive" or not row[index] <= 0)


@given(tied_rows(), st.sampled_from(["value", "magnitude", "positive"]))
@example((torch.tensor([[0.0, -0.0, 0.0]]), 2), "value")
@example((torch.tensor([[math.nan, math.inf, math.nan]]), 2), "value")
def test_kept_entries_are_those_of_a_stable_sort(case: tuple[torch.Tensor, int], by: str) -> None:
    x, k = case
    x.requires_grad_(True)
    topk(x, k, by=by).sum().backward()
    for row, gradient in zip(x.tolist(), x.grad, strict=True):
        assert gradient.nonzero().flatten().tolist() == by_python(row, k, by)


@given(tied_rows())
def test_the_quick_mask_equals_the_stable_one(case: tuple[torch.Tensor, int]) -> None:
    x, k = case
    assert torch.equal(topk_mask(x, k), stable_mask(x, k))
    assert (topk_mask(x, k).sum(-1) == k).all()


@pytest.mark.parametrize("by", ["value", "magnitude", "positive"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_and_gradients_equal_the_plain_path(by: str, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 50, 64, generator=generator).to(dtype).requires_grad_(True)
    incoming = torch.randn(3, 50, 64, generator=generator).to(dtype)
    mask = stable_mask(x.detach().abs() if by == "magnitude" else x.detach(), 16)
    if by == "positive":
        mask = mask & (x.detach() > 0)
    result = topk(x, 16, by=by)
    result.backward(incoming)
    assert result.dtype == dtype
    assert torch.equal(result, torch.where(mask, x, torch.zeros_like(x)))
    assert torch.equal(x.grad, torch.where(mask, incoming, torch.zeros_like(incoming)))


def test_keeping_every_entry_returns_the_input_itself() -> None:
    x = torch.randn(2, 8)
    assert topk(x, 8) is x
    assert topk(x, 8, by="magnitude") is x
    assert torch.equal(topk(x, 8, by="positive"), x.relu())


def test_nan_stays_visible() -> None:
    x = torch.tensor([1.0, math.nan, 3.0, 2.0])
    assert topk(x, 1).isnan().tolist() == [False, True, False, False]
    assert topk(x, 1, by="positive").isnan().any()


def test_autocast_leaves_the_dtype_alone() -> None:
    x = torch.randn(4, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert topk(x, 4).dtype == torch.float32
        assert torch.equal(topk(x, 4), topk(x, 4))


@pytest.mark.parametrize("by", ["value", "magnitude", "positive"])
def test_compiled_without_a_graph_break_it_is_the_same(by: str) -> None:
    torch.compiler.reset()
    compiled = torch.compile(lambda x: topk(x, 4, by=by), fullgraph=True, backend="aot_eager")
    x = torch.randn(8, 16)
    x[0] = 1.0
    assert torch.equal(compiled(x), topk(x, 4, by=by))


@pytest.mark.slow
def test_compiled_to_machine_code_it_is_the_same_forward_and_backward() -> None:
    torch.compiler.reset()
    plain, compiled = TopK(4), torch.compile(TopK(4), fullgraph=True)
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(32, 16, dtype=dtype)
        x[:8] = x[:8].round()
        a, b = x.clone().requires_grad_(True), x.clone().requires_grad_(True)
        (plain(a) ** 2).sum().backward()
        (compiled(b) ** 2).sum().backward()
        assert torch.equal(a.grad, b.grad)


def test_blending_runs_from_the_identity_to_topk() -> None:
    x = torch.randn(5, 16)
    assert TopK(4, blend=0.0)(x) is x
    assert torch.equal(TopK(4)(x), topk(x, 4))
    half = TopK(4, blend=0.5)(x)
    torch.testing.assert_close(half, (x + topk(x, 4)) / 2)


@pytest.mark.parametrize("k", [0, -1, 9, True, 2.0])
def test_a_k_that_does_not_fit_says_what_does(k: object) -> None:
    with pytest.raises(ValueError, match=r"choose 1\.\.8"):
        topk(torch.randn(2, 8), k)  # type: ignore[arg-type]


def test_other_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="choose one of value, magnitude, positive"):
        topk(torch.randn(2, 8), 2, by="size")
    with pytest.raises(ValueError, match="choose"):
        TopK(0)
    with pytest.raises(ValueError, match=r"blend=3\.0"):
        TopK(2, blend=3.0)
    with pytest.raises(TypeError, match="int64"):
        topk(torch.arange(8), 2)
