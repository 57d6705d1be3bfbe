"""One pass over a packed text: the codes of every token at every site, batch after batch."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data import Packed
from ..model import SparseCodes
from .source import FeatureSource

BATCH_TOKENS = 8192


class Batch(NamedTuple):
    """Consecutive tokens of a text with their codes; all of equal length, in reading order."""

    token_ids: Tensor
    """int64, shape (tokens,)."""
    positions: np.ndarray[Any, Any]
    """Place of each token in the whole text, int64."""
    documents: np.ndarray[Any, Any]
    """Number of each token's document, int64."""
    codes: dict[int, SparseCodes]
    """Codes by site, one row per token."""


def batch_rows(context: int, batch_tokens: int = BATCH_TOKENS) -> int:
    """Count the blocks that are read at once."""
    return max(1, batch_tokens // context)


def capture(
    source: FeatureSource,
    packed: Packed,
    *,
    context: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[Batch]:
    """Read a packed text in blocks of `context` tokens (by default all that the model can), as in training.

    Blocks follow each other without overlap; a shorter last one is read by itself. start: a multiple of
    the context. Nothing is held but the batch at hand. A block is read in the same company wherever
    `start` lies on a multiple of a whole batch, so the same codes come out, bit for bit.
    """
    context = source.context if context is None else context
    assert start % context == 0
    rows = batch_rows(context, batch_tokens)
    end = len(packed.tokens) if stop is None else min(stop, len(packed.tokens))
    starts = packed.documents[:, 0]
    while start < end:
        whole = min(rows, (end - start) // context)
        shape = (whole, context) if whole else (1, end - start)
        size = shape[0] * shape[1]
        ids = torch.from_numpy(packed.tokens[start : start + size].astype(np.int64))
        positions = np.arange(start, start + size)
        documents = np.searchsorted(starts, positions, side="right") - 1
        yield Batch(ids, positions, documents, source.codes(ids.view(shape)))
        start += size
