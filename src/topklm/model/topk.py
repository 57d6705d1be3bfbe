"""Keep the k largest entries of a vector, set the rest to zero.

Which entries count as largest is defined once, by `stable_mask`; every quicker way to find them
must give the same mask. On a CPU with Numba that way is `kernels.py`; anywhere else, `topk_mask`.
"""

import importlib.util
import sys
from typing import Any

import torch
from torch import Tensor, nn

HAS_NUMBA = importlib.util.find_spec("numba") is not None
FEW_ENTRIES = 1024
"""Up to here torch's own `masked_fill` under autograd costs less than a function of ours."""
KERNEL_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

SELECTIONS = ("value", "magnitude", "positive")
"""How entries are ranked: by value, by absolute value, or by max(value, 0)."""


def check_selection(by: str) -> None:
    """Raise ValueError unless `by` names a way to select entries."""
    if by not in SELECTIONS:
        raise ValueError(f"topk_by={by!r} is unknown; choose one of {', '.join(SELECTIONS)}")


def check_k(k: int, width: int) -> None:
    """Raise ValueError unless 1 <= k <= width."""
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= width:
        raise ValueError(f"topk_k={k!r} does not fit width {width}; choose 1..{width}")


def topk(x: Tensor, k: int, *, by: str = "value") -> Tensor:
    """Return `x` with all but its k largest entries along the last dimension set to zero.

    `by="value"` keeps the k largest entries, `"magnitude"` the k of largest absolute value,
    `"positive"` those of the k largest that are above zero (a TopK SAE's own form, so at most k).
    The order is that of a stable descending sort: ties go to the lower index, -0.0 equals 0.0, and
    NaN sorts largest, so that it stays visible. The gradient is the incoming gradient at the kept
    entries and zero elsewhere. With k equal to the width, `value` and `magnitude` return `x` itself.

    x: floating point, shape (..., width); the result has the same shape and dtype.
    Raises ValueError for an unknown `by` or a k outside 1..width, TypeError for integers.
    Source: Takahashi et al. 2025, arXiv 2506.21468; the `positive` form: Gao et al. 2024,
    arXiv 2406.04093.
    """
    check_selection(by)
    check_k(k, x.shape[-1])
    if not x.is_floating_point():
        raise TypeError(f"topk needs a floating-point tensor, not {x.dtype}")
    if k == x.shape[-1] and by != "positive":
        return x
    if kernels_take(x):
        if torch.compiler.is_compiling():
            result: Tensor = keep_largest_op(x, k, by)[0]
            return result
        if not torch._C._are_functorch_transforms_active():
            return _by_kernel(x, k, by)
    mask = topk_mask(x.detach().abs() if by == "magnitude" else x.detach(), k)
    if by == "positive":
        mask = mask & ~(x <= 0)  # not `x > 0`: NaN stays visible
    return torch.where(mask, x, torch.zeros((), dtype=x.dtype, device=x.device))


def _by_kernel(x: Tensor, k: int, by: str) -> Tensor:
    if x.requires_grad and torch.is_grad_enabled():
        if x.numel() > FEW_ENTRIES:
            result: Tensor = KeepLargest.apply(x, k, by)
            return result
        return x.masked_fill(kernels().keep_largest(x.detach().contiguous(), k, by)[1], 0.0)
    kept: Tensor = kernels().keep_largest(x.contiguous(), k, by)[0]
    return kept


def kernels_take(x: Tensor) -> bool:
    """Tell whether the compiled kernels can take `x`: ordinary memory of the CPU, a type that they know."""
    if not (HAS_NUMBA and x.is_cpu and x.dtype in KERNEL_TYPES and x.numel() > 0):
        return False
    return torch.compiler.is_compiling() or type(x) is Tensor or type(x) is nn.Parameter


_loaded: Any = None


def kernels() -> Any:
    """Import `kernels.py` when it is first needed: Numba takes a moment."""
    global _loaded
    if _loaded is None:
        from .kernels import __name__ as name

        _loaded = sys.modules[name]
    return _loaded


class KeepLargest(torch.autograd.Function):
    """The kernel under autograd. The operator below does the same, but costs 80 us more a call."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, k: int, by: str) -> Tensor:
        """Keep the largest entries."""
        result, ctx.dropped = kernels().keep_largest(x.contiguous(), k, by)
        return result  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Pass the gradient on where an entry was kept."""
        if gradient.requires_grad:
            return Masked.apply(gradient, ctx.dropped), None, None
        return kernels().masked(gradient.contiguous(), ctx.dropped), None, None


class Masked(torch.autograd.Function):
    """The gradient of `KeepLargest`, and its own gradient."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, dropped: Tensor) -> Tensor:
        """Put zeros where `dropped` is true."""
        ctx.dropped = dropped
        return kernels().masked(gradient.contiguous(), dropped)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Do the same again."""
        return Masked.apply(gradient, ctx.dropped), None


@torch.library.custom_op("topklm::keep_largest", mutates_args=(), device_types="cpu")
def keep_largest_op(x: Tensor, k: int, by: str) -> tuple[Tensor, Tensor]:
    """Run the kernel as an operator, which `torch.compile` takes whole: the result, what is dropped."""
    return kernels().keep_largest(x.contiguous(), k, by)  # type: ignore[no-any-return]


@torch.library.custom_op("topklm::masked", mutates_args=(), device_types="cpu")
def masked_op(gradient: Tensor, dropped: Tensor) -> Tensor:
    """Put zeros where `dropped` is true."""
    return kernels().masked(gradient.contiguous(), dropped)  # type: ignore[no-any-return]


def _remember_dropped(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(inputs[1] if isinstance(output, Tensor) else output[1])


def _like(x: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


keep_largest_op.register_fake(lambda x, k, by: (_like(x), _like(x).bool()))
keep_largest_op.register_autograd(
    lambda ctx, gradient, _: (masked_op(gradient, ctx.saved_tensors[0]), None, None),
    setup_context=_remember_dropped,
)
masked_op.register_fake(lambda gradient, dropped: _like(gradient))
masked_op.register_autograd(
    lambda ctx, gradient: (masked_op(gradient, ctx.saved_tensors[0]), None), setup_context=_remember_dropped
)


def stable_mask(keys: Tensor, k: int) -> Tensor:
    """Mark the k largest of `keys` along the last dimension, by a stable sort: the judge.

    keys: shape (..., width). Returns booleans of that shape, exactly k of them true per row.
    """
    keys = torch.where(keys == 0, torch.zeros_like(keys), keys)  # radix sorts tell -0.0 from 0.0
    order = keys.sort(dim=-1, descending=True, stable=True).indices
    return torch.zeros_like(keys, dtype=torch.bool).scatter_(-1, order[..., :k], True)


def topk_mask(keys: Tensor, k: int) -> Tensor:
    """Mark the same entries as `stable_mask`, several times faster where few rows have ties.

    A row is settled when exactly k of its entries reach its k-th largest value. The other rows
    (a tie at the threshold, or a NaN, which compares false with everything) go to `stable_mask`.
    """
    if torch.compiler.is_compiling():  # the choice below depends on the data
        return stable_mask(keys, k)
    threshold = keys.topk(k, dim=-1, sorted=False).values.amin(dim=-1, keepdim=True)
    kept = keys >= threshold
    unsettled = kept.sum(dim=-1) != k
    if bool(unsettled.any()):
        kept[unsettled] = stable_mask(keys[unsettled], k)
    return kept


class TopK(nn.Module):
    """`topk` as a module, with a blend for annealing.

    The output is `blend * topk(x) + (1 - blend) * x`: 1.0 is plain TopK, 0.0 the identity.
    `k` and `blend` may be set while training.
    """

    def __init__(self, k: int, *, by: str = "value", blend: float = 1.0) -> None:
        super().__init__()
        check_selection(by)
        check_k(k, max(1, k))  # the width is known only when it runs
        if not 0 <= blend <= 1:
            raise ValueError(f"blend={blend} must lie in 0..1")
        self.k = k
        self.by = by
        self.blend = blend

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Sparsify `hidden_states` of shape (..., width)."""
        if self.blend == 0.0:
            return hidden_states
        sparse = topk(hidden_states, self.k, by=self.by)
        if self.blend == 1.0:
            return sparse
        return torch.lerp(hidden_states, sparse, self.blend)

    def extra_repr(self) -> str:
        """Show the settings in the module's repr."""
        return f"k={self.k}, by={self.by!r}, blend={self.blend:g}"
