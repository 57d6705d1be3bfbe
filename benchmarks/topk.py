"""What TopK costs."""

from collections.abc import Callable

import torch
from torch import Tensor

from topklm.model import topk as our_topk

from .models import training_step
from .pairs import Ratio, ratio

ROWS = 8192


def scattered(x: Tensor, k: int) -> Tensor:
    """TopK as usually written: torch.topk, then scatter."""
    values, indices = x.topk(k, dim=-1)
    return torch.zeros_like(x).scatter(-1, indices, values)


def topk() -> list[Ratio]:
    """TopK forward and backward against torch.topk and scatter, 8,192 rows.

    Random normal values have no ties, so both must give the same tensor.
    """
    rows = []
    for width in (128, 256, 512, 1024):
        k = width // 8
        x = torch.randn(ROWS, width)
        assert torch.equal(our_topk(x, k), scattered(x, k))
        rows.append(ratio(f"width {width}, k {k}", both_ways(our_topk, x, k), both_ways(scattered, x, k)))
    return rows


def both_ways(function: Callable[[Tensor, int], Tensor], x: Tensor, k: int) -> Callable[[], object]:
    """Make a forward and backward pass of a TopK function."""
    gradient = torch.ones_like(x)

    def work() -> None:
        leaf = x.clone().requires_grad_(True)
        function(leaf, k).backward(gradient)

    return work


def steps() -> list[Ratio]:
    """Training step of a TopK model against its dense twin's."""
    return [
        ratio(f"{name}, bf16 eager", training_step(name), training_step(name, dense=True))
        for name in ("tiny", "small")
    ]
