"""Emergence and turnover: when a feature becomes what it ends as, and what happens to it on the way."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.stats import EMERGED as EMERGED


class Turnover(NamedTuple):
    """What happens to features from one checkpoint to the next."""

    born: Bool[Tensor, " feature"]
    """Not live before, live after."""
    died: Bool[Tensor, " feature"]
    """Live before, never fires after."""
    changed: Bool[Tensor, " feature"]
    """Live at both, and its own index is less than 0.5 similar to what it was."""
    moved: Bool[Tensor, " feature"]
    """Changed, while another index after it is at least 0.5 similar to what it was."""


def emergence(
    similarity: Float[Tensor, "checkpoint feature"], *, threshold: float = EMERGED
) -> Int[Tensor, " feature"]:
    """Return the first checkpoint from which a feature's similarity stays at least `threshold`.

    similarity: to the final self, checkpoints in order. A feature that is below it at the last one never
    emerges: the number of checkpoints. NaN counts as below. Source: design of topklm.
    """
    if not len(similarity):
        return torch.zeros(similarity.shape[1], dtype=torch.int64)
    stays = (similarity >= threshold).flip(0).long().cumprod(0)
    return len(similarity) - stays.sum(0)


def turnover(
    same: Float[Tensor, " feature"],
    best: Float[Tensor, " feature"],
    live_before: Bool[Tensor, " feature"],
    live_after: Bool[Tensor, " feature"],
    fires_after: Bool[Tensor, " feature"],
    *,
    threshold: float = EMERGED,
) -> Turnover:
    """Say what happened to each feature between two checkpoints.

    same, best: similarity of what it was before to the same index after, and to its best match after.
    """
    changed = live_before & live_after & ~(same >= threshold)
    return Turnover(
        born=~live_before & live_after,
        died=live_before & ~fires_after,
        changed=changed,
        moved=changed & (best >= threshold),
    )
