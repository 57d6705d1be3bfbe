"""Keep the k largest entries of a vector, set the rest to zero.

Which entries count as largest is defined once, by `stable_mask`; every quicker way to find them
must give the same mask.
"""

import torch
from torch import Tensor, nn

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
    keys = x.detach().abs() if by == "magnitude" else x.detach()
    kept = None if k == x.shape[-1] else topk_mask(keys, k)
    if by == "positive":
        above = ~(x <= 0)  # not `x > 0`: NaN stays visible
        kept = above if kept is None else kept & above
    return x if kept is None else torch.where(kept, x, torch.zeros((), dtype=x.dtype, device=x.device))


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
