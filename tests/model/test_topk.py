"""TopK: what is kept, in which order, with which gradient."""

import math
import sys

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from topklm.model.topk import TopK, keep_largest_op, masked_op, stable_mask, topk, topk_mask

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


@st.composite
def long_rows(draw: st.DrawFn) -> tuple[torch.Tensor, int]:
    """Many random rows of many scales, rounded more or less, so that some have ties."""
    width = draw(st.sampled_from([1, 3, 31, 64, 65, 300, 1024]))
    rows = draw(st.sampled_from([1, 7, 200]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    x = x * torch.exp(draw(st.sampled_from([0, 1, 30])) * torch.randn(rows, 1, generator=generator))
    x = x.round(decimals=draw(st.sampled_from([0, 1, 15])))
    if draw(st.booleans()):
        x[torch.rand(rows, width, generator=generator) < 0.1] = math.nan
    dtype = draw(st.sampled_from(DTYPES))
    return x.to(dtype), draw(st.integers(1, width))


@given(long_rows(), st.sampled_from(["value", "magnitude", "positive"]), st.sampled_from([1, 2, 3]))
def test_the_kernel_keeps_what_a_stable_sort_keeps(
    case: tuple[torch.Tensor, int], by: str, threads: int
) -> None:
    x, k = case
    mask = stable_mask(x.abs() if by == "magnitude" else x, k)
    if by == "positive":
        mask = mask & ~(x <= 0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        result = topk(x, k, by=by)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(
        result, torch.where(mask, x, torch.zeros_like(x)), rtol=0, atol=0, equal_nan=True
    )


def test_tests_of_the_kernel_run_the_kernel() -> None:

    x = torch.randn(65, 64, requires_grad=True)
    assert type(topk(x, 2).grad_fn).__name__ == "KeepLargestBackward"


def test_without_numba_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(50, 64).round(decimals=1)
    fast = [topk(x, 9, by=by) for by in ("value", "magnitude", "positive")]
    monkeypatch.setattr(sys.modules["topklm.model.topk"], "HAS_NUMBA", False)
    for by, expected in zip(("value", "magnitude", "positive"), fast, strict=True):
        assert torch.equal(topk(x, 9, by=by), expected)


def test_a_transposed_input_and_gradient_are_taken() -> None:
    x = torch.randn(80, 60).T.requires_grad_(True)
    incoming = torch.randn(80, 60).T
    topk(x, 3).backward(incoming)
    mask = stable_mask(x.detach(), 3)
    assert torch.equal(x.grad, torch.where(mask, incoming, torch.zeros_like(incoming)))


def test_the_second_derivative_passes_where_the_first_did() -> None:
    x = torch.randn(65, 64, dtype=torch.float64, requires_grad=True)  # many enough for the kernel's own
    mask = stable_mask(x.detach(), 9)
    (first,) = torch.autograd.grad((topk(x, 9) ** 3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(first, torch.where(mask, 3 * x**2, 0.0))
    torch.testing.assert_close(second, torch.where(mask, 6 * x, 0.0))


def test_functions_of_torch_func_see_the_same_gradient() -> None:
    x = torch.randn(4, 12)
    gradient = torch.func.grad(lambda x: (topk(x, 3) ** 2).sum())(x)
    assert torch.equal(gradient, 2 * topk(x, 3))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_operators_keep_the_rules_of_torch(dtype: torch.dtype) -> None:
    x = torch.randn(5, 20).to(dtype).requires_grad_(True)
    torch.library.opcheck(keep_largest_op, (x, 4, "value"))
    torch.library.opcheck(masked_op, (x, torch.rand(5, 20) < 0.5))


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
