"""Held-out loss, perplexity and bits per byte of a packed text, with intervals over documents."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from ..core.stats import Estimate, bootstrap_ratio
from ..data import Packed
from ..data.packing import Report

BATCH_TOKENS = 8192


class HeldOut(NamedTuple):
    """How well a model predicts a text."""

    loss: Estimate
    """Mean negative log-likelihood per predicted token, in nats; document ends count as tokens."""
    perplexity: Estimate
    """exp(loss)."""
    bits_per_byte: Estimate
    """Negative log2-likelihood of the documents' text over its UTF-8 bytes; ends do not count."""
    n_tokens: int
    """Predicted tokens."""
    n_documents: int
    n_bytes: int


class Likelihoods(NamedTuple):
    """Sums over each document of a packed text, all of shape (documents,)."""

    nats: np.ndarray[Any, Any]
    """Negative log-likelihood of its text and its end."""
    tokens: np.ndarray[Any, Any]
    """Tokens predicted."""
    text_nats: np.ndarray[Any, Any]
    """Negative log-likelihood of its text alone."""
    bytes: np.ndarray[Any, Any]


def held_out(model: Any, packed: Packed, *, context: int) -> HeldOut:
    """Measure how well a causal language model predicts a packed text.

    Every token but the first is predicted once, with up to `context - 1` tokens before its
    predecessor, in consecutive blocks. Intervals: bootstrap over documents, 95 %.
    """
    return summary(document_likelihoods(model, packed, context=context))


def summary(sums: Likelihoods) -> HeldOut:
    """Turn sums per document into the three measures."""
    loss = bootstrap_ratio(sums.nats, sums.tokens)
    return HeldOut(
        loss=loss,
        perplexity=loss.transformed(math.exp),
        bits_per_byte=bootstrap_ratio(sums.text_nats / math.log(2), sums.bytes),
        n_tokens=int(sums.tokens.sum()),
        n_documents=len(sums.tokens),
        n_bytes=int(sums.bytes.sum()),
    )


def document_likelihoods(
    model: Any, packed: Packed, *, context: int, report: Report = lambda _tokens: None
) -> Likelihoods:
    """Sum the likelihoods of each document's tokens. report: called with the tokens read so far."""
    nats = token_nats(model, packed.tokens, context=context, report=report)
    starts, sizes = packed.documents[:, 0], packed.documents[:, 1]
    targets = np.arange(1, len(packed.tokens))
    # The document of the token before: a boundary then counts as the end of the document it ends.
    document = np.searchsorted(starts, targets - 1, side="right") - 1
    is_text = np.ones(len(targets), bool)
    is_text[starts[1:] - 1] = False
    count = len(starts)
    return Likelihoods(
        nats=np.bincount(document, nats, minlength=count),
        tokens=np.bincount(document, minlength=count),
        text_nats=np.bincount(document, nats * is_text, minlength=count),
        bytes=np.asarray(sizes, np.float64),
    )


@torch.no_grad()
def token_nats(
    model: Any,
    tokens: np.ndarray[Any, Any],
    *,
    context: int,
    report: Report = lambda _tokens: None,
) -> np.ndarray[Any, Any]:
    """Return each token's negative log-likelihood but the first's, in nats, float64."""
    found = []
    rows = max(1, BATCH_TOKENS // context)
    for start in range(0, len(tokens) - 1, rows * context):
        chunk = torch.from_numpy(tokens[start : start + rows * context + 1].astype(np.int64))
        whole = (len(chunk) - 1) // context * context
        for part in (chunk[: whole + 1], chunk[whole:]):
            if len(part) < 2:
                continue
            inputs = part[:-1].view(-1, context) if len(part) > context else part[None, :-1]
            logits = model(input_ids=inputs.to(model.device), use_cache=False).logits
            losses = cross_entropy(logits.flatten(0, 1).float(), part[1:].to(model.device), reduction="none")
            found.append(losses.double().cpu().numpy())
        report(start + len(chunk) - 1)
    return np.concatenate(found)
