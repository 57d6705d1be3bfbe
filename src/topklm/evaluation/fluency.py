"""How fluent written texts are: their likelihood under a model, and how much they repeat themselves."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

Array = np.ndarray[Any, Any]
BATCH = 64


@torch.no_grad()
def continuation_nats(
    model: Any, prompts: Sequence[Sequence[int]], written: Sequence[Sequence[int]]
) -> Array:
    """Return the negative log-likelihood of what was written after each prompt, in nats: shape (texts,).

    prompts, written: token ids; together they must fit the model's context. A text without a token has 0.
    """
    found = np.zeros(len(prompts))
    for start in range(0, len(prompts), BATCH):
        pairs = list(zip(prompts[start : start + BATCH], written[start : start + BATCH], strict=True))
        longest = max(len(prompt) + len(text) for prompt, text in pairs)
        ids = torch.zeros(len(pairs), longest, dtype=torch.int64)
        targets = torch.full((len(pairs), longest), -100)
        for row, (prompt, text) in enumerate(pairs):  # padded on the right: what follows changes nothing
            ids[row, : len(prompt) + len(text)] = torch.tensor([*prompt, *text])
            targets[row, len(prompt) : len(prompt) + len(text)] = torch.tensor(list(text), dtype=torch.int64)
        logits = model(input_ids=ids[:, :-1].to(model.device), use_cache=False).logits.float()
        losses = cross_entropy(logits.transpose(1, 2), targets[:, 1:].to(model.device), reduction="none")
        found[start : start + len(pairs)] = losses.double().sum(dim=1).cpu().numpy()
    return found


def perplexity(nats: Any, tokens: Any) -> float:
    """Return exp(nats per token) of all texts together; NaN without a token."""
    total = float(np.sum(tokens))
    return math.exp(min(float(np.sum(nats)) / total, 700.0)) if total else math.nan


def distinct_bigrams(written: Sequence[int]) -> float:
    """Return distinct-2: the share of a text's pairs of neighbouring tokens that are different ones.

    1 where no pair comes twice; NaN for fewer than two tokens. Source: Li et al. 2016, arXiv 1510.03055.
    """
    pairs = list(pairwise(written))
    return len(set(pairs)) / len(pairs) if pairs else math.nan
