"""Activations to train on: streams at several sites of random blocks of a text, read once for all SAEs."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import CorpusError
from ..data import Packed
from ..features.capture import batch_rows
from ..features.hooks import read_sites

CHUNK_BATCHES = 32
"""Batches that are captured at once: what lies in memory, and what is shuffled."""


class Chunks:
    """A packed text as chunks of activations, each a random sample of the text's blocks.

    Chunk c holds the next blocks of a random order of the text; the order is drawn anew each time that the
    text has been read to its end. So a chunk depends on its number alone, and reading can go on anywhere.
    """

    def __init__(self, model: Any, packed: Packed, *, context: int, batch_tokens: int) -> None:
        self.model, self.packed, self.context = model, packed, context
        self.blocks = len(packed.tokens) // context
        if not self.blocks:
            raise CorpusError(
                f"the text has {len(packed.tokens)} tokens, less than one block of {context}; give more text"
            )
        self.rows = max(1, -(-CHUNK_BATCHES * batch_tokens // context))
        self.tokens = self.rows * context // batch_tokens * batch_tokens
        """Tokens of a chunk that fill whole batches; the rest, drawn at random, is left out."""
        self._order = lru_cache(maxsize=2)(
            lambda epoch: np.random.default_rng([epoch, 0]).permutation(self.blocks)
        )

    def token_ids(self, number: int) -> Tensor:
        """Return the token ids of a chunk, shape (row, context)."""
        places = np.arange(number * self.rows, (number + 1) * self.rows)
        chosen = [int(self._order(int(place // self.blocks))[place % self.blocks]) for place in places]
        starts = [block * self.context for block in chosen]
        ids = [self.packed.tokens[start : start + self.context].astype(np.int64) for start in starts]
        return torch.from_numpy(np.stack(ids))

    def streams(self, number: int, sites: Sequence[int]) -> dict[int, Tensor]:
        """Return the residual streams of a chunk at some sites, shape (tokens, width), in one pass."""
        return streams(self.model, self.token_ids(number), sites)


def streams(model: Any, token_ids: Tensor, sites: Sequence[int]) -> dict[int, Tensor]:
    """Return the residual streams of rows of tokens at some sites, shape (tokens, width), float32."""
    parts: dict[int, list[Tensor]] = {site: [] for site in sites}

    def keep(site: int, hidden: Tensor) -> None:
        parts[site].append(hidden.flatten(0, 1).float())

    for rows in token_ids.split(batch_rows(token_ids.shape[1])):
        read_sites(model, rows, None, sites, keep)
    return {site: torch.cat(some) for site, some in parts.items()}


def shuffled(tokens: int, *, seed: int, number: int) -> Tensor:
    """Return the order in which an SAE of this seed takes a chunk's tokens."""
    return torch.from_numpy(np.random.default_rng([seed, number, 1]).permutation(tokens))
