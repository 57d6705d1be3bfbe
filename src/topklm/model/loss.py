"""The language-modelling loss without the whole matrix of logits."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

IGNORED = -100
"""transformers' label for a position that does not count."""
LOGITS_AT_ONCE = 2**22
"""Logits of one chunk; in fp32 they take 16 MB."""

Score = Callable[[slice, Tensor], tuple[Tensor, Tensor]]
"""Given a chunk's place and its logits: its loss, summed, in fp64; the logits' gradient of the whole loss."""


def chunked_cross_entropy(
    hidden_states: Tensor, weight: Tensor, labels: Tensor, *, items: Tensor | int | None = None
) -> Tensor:
    """Return the mean cross-entropy of the next token, its logits made and dropped chunk by chunk.

    hidden_states: shape (batch, token, width); weight: (vocabulary, width); labels: (batch, token), of
    which the first of each row is predicted by nothing, and those of -100 do not count. items: divide
    by this instead of the number of labels that count. It equals the loss of the whole matrix up to
    rounding, and so do its gradients, which are worked out along the way. Under autocast the products
    have autocast's type, the loss is fp32.
    """
    states, targets = hidden_states[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
    share = share_of_one(targets, items)

    def score(place: slice, logits: Tensor) -> tuple[Tensor, Tensor]:
        loss, gradient = scored(logits.float(), targets[place])
        return loss, gradient.mul_(((targets[place] != IGNORED) * share)[:, None])

    return by_chunks(states, weight, share, score)


def share_of_one(targets: Tensor, items: Tensor | int | None) -> Tensor:
    """Return what one counting label's loss is multiplied by: one over `items`, or over their number."""
    if items is None:
        items = (targets != IGNORED).sum()
    return 1 / torch.as_tensor(items, dtype=torch.float32, device=targets.device)


def scored(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy summed over the rows that count, and each row's own gradient.

    logits: shape (row, vocabulary); targets: (row,). The gradient of a row that does not count is for the
    caller to drop.
    """
    place = targets.clamp(min=0)[:, None]
    gradient = torch.log_softmax(logits, dim=-1)
    loss = -(gradient.gather(-1, place)[:, 0] * (targets != IGNORED)).sum(dtype=torch.float64)
    gradient.exp_().scatter_add_(-1, place, gradient.new_full(place.shape, -1))
    return loss, gradient


def by_chunks(states: Tensor, weight: Tensor, share: Tensor, score: Score) -> Tensor:
    """Return `share` times the loss that `score` sums over chunks of the logits states @ weight.T.

    states: shape (row, width); weight: (vocabulary, width). Gradients reach both.
    """
    device = states.device.type
    autocast = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if autocast else states.dtype
    with torch.autocast(device, enabled=False):
        loss: Tensor = _Chunked.apply(states.to(dtype), weight.to(dtype), share, score)
    return loss


class _Chunked(torch.autograd.Function):
    """Loss and gradients in one pass over the chunks."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, share: Tensor, score: Score) -> Tensor:
        """Sum the loss, and keep the gradients of states and weight."""
        total = torch.zeros((), dtype=torch.float64, device=states.device)
        to_states = torch.empty_like(states)
        to_weight = torch.zeros_like(weight, dtype=torch.float32)
        size = max(1, LOGITS_AT_ONCE // weight.shape[0])
        for first in range(0, len(states), size):
            place = slice(first, first + size)
            rows = states[place]
            loss, gradient = score(place, rows @ weight.T)
            total += loss
            gradient = gradient.to(weight.dtype)
            torch.mm(gradient, weight, out=to_states[place])
            to_weight += gradient.T @ rows
        ctx.save_for_backward(to_states, to_weight.to(weight.dtype))
        return (total * share).float()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Scale the gradients worked out before."""
        to_states, to_weight = ctx.saved_tensors
        return to_states * gradient.to(to_states.dtype), to_weight * gradient.to(to_weight.dtype), None, None
