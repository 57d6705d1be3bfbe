"""Held-out loss during training, each process reading its share."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from ..core.processes import added_up, place
from ..data.packing import IGNORED
from ..model import TopKLMForCausalLM
from .stream import SiteTally, tallied

Batch = dict[str, Tensor]


def evaluate(
    model: TopKLMForCausalLM, blocks: Dataset[Batch], *, size: int, loss_of: Callable[[Batch], Tensor]
) -> tuple[float, dict[int, SiteTally]]:
    """Return the mean loss (nats a token) over `blocks`, and how each TopK layer was used.

    size: blocks of a batch. loss_of: gives a batch's mean loss. Batches go round the processes; each block
    counts once, whatever their number.
    """
    model.train(False)
    here = place()
    starts = range(0, len(blocks), size)  # type: ignore[arg-type]  # torch gives a Dataset no length
    mine = starts[here.rank :: here.size]
    sums = torch.zeros(2, dtype=torch.float64)
    with tallied(model) as tallies:
        for start in mine:
            batch = batch_from(blocks, start, size)
            count = int((batch["labels"][:, 1:] != IGNORED).sum())
            if count:
                sums += torch.tensor([float(loss_of(batch)) * count, count], dtype=torch.float64)
    for _ in range(-(-len(starts) // here.size) - len(mine)):
        loss_of(batch_from(blocks, 0, size))  # uncounted: a split model needs every process in every pass
    for tally in tallies.values():
        tally.join()
    loss, tokens = added_up(sums).tolist()
    return loss / max(1, tokens), tallies


def batch_from(blocks: Any, start: int, size: int) -> Batch:
    """Put the blocks from `start` on, at most `size`, into one batch."""
    batch: Batch = default_collate([blocks[index] for index in range(start, min(start + size, len(blocks)))])
    return batch
