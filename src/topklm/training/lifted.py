"""TopK with a lift: a bias that counts when entries are ranked and never shows in a value."""

import torch
from torch import Tensor

from ..model.topk import Masked, keep_largest_op, kernels, kernels_take, masked_op, topk, topk_mask


def lifted_topk(x: Tensor, k: int, lift: Tensor, *, by: str = "value") -> Tensor:
    """Keep entry i of `x` where key_i + lift_i is among the k largest; kept entries keep their value.

    The keys are x (`value`), |x| (`magnitude`), or x where it is above zero (`positive`: an entry that
    is not cannot fire, so it is not lifted). The order is `topk`'s, and so is the gradient: the incoming
    one at the kept entries. A lift of zero gives `topk(x, k, by=by)`.

    x: shape (..., width); lift: shape (width,), 0 or more, in units of x.
    Source: this project's prototype; close to the selection bias of expert routing without an auxiliary
    loss (Wang et al. 2024, arXiv 2408.15664), but one-sided.
    """
    if k == x.shape[-1]:
        return topk(x, k, by=by)
    values = x.detach()
    keys = values.abs() if by == "magnitude" else values
    keys = torch.where(values > 0, keys + lift, keys) if by == "positive" else keys + lift
    dropped = _dropped(keys, k)
    if by == "positive":
        dropped = dropped | (values <= 0)
    if not kernels_take(x):
        return x.masked_fill(dropped, 0.0)
    if torch.compiler.is_compiling():
        result: Tensor = masked_op(x, dropped)
    else:
        result = Masked.apply(x, dropped)
    return result


def _dropped(keys: Tensor, k: int) -> Tensor:
    """Mark all but the k largest keys of every row."""
    if not kernels_take(keys):
        return ~topk_mask(keys, k)
    if torch.compiler.is_compiling():
        dropped: Tensor = keep_largest_op(keys, k, "value")[1]
        return dropped
    return kernels().keep_largest(keys.contiguous(), k, "value")[1]  # type: ignore[no-any-return]
