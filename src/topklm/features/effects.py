"""What a feature does to the output: the tokens that it promotes and suppresses when it is raised."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..data.tokenizer import vocabulary_size
from ..model import SparseCodes
from .hooks import CACHE, added_at_the_end, cached
from .source import SteerableSource

CONTEXTS = 16
CONTEXT_TOKENS = 16
AT_ONCE = 2**24
"""Log-probabilities held at once, as a number."""


class TokenEffects(NamedTuple):
    """Output tokens whose log-probability changes most; one row per feature, strongest first."""

    promoted: Tensor
    """Token ids with the largest rise, int64, shape (feature, count)."""
    rises: Tensor
    """Their changes of log-probability, in nats, float32, shape (feature, count)."""
    suppressed: Tensor
    """Token ids with the largest fall."""
    falls: Tensor
    """Their changes, negative."""


def probe_contexts(tokens: Tensor, *, count: int = CONTEXTS, length: int = CONTEXT_TOKENS) -> Tensor:
    """Cut `count` stretches, evenly spread, from a text's tokens: shape (count, length).

    A short text gives fewer, or shorter ones. The same text always gives the same.
    """
    length = min(length, len(tokens))
    count = max(1, min(count, len(tokens) // length))
    starts = torch.linspace(0, len(tokens) - length, count).long()
    return torch.stack([tokens[start : start + length] for start in starts])


@torch.no_grad()
def token_effects(
    source: SteerableSource,
    site: int,
    features: Sequence[int],
    amounts: Sequence[float],
    contexts: Tensor,
    *,
    count: int = 10,
) -> Iterator[TokenEffects]:
    """Yield, for some features at a time, the output tokens that they promote and suppress.

    Each feature alone is raised by its amount at the last token of each context, that is, its direction
    times the amount is added to what the block hands on. The change of a token's log-probability there
    is averaged over the contexts. It is the whole effect through all later blocks, not a projection.

    contexts: token ids, shape (context, token). The results come in the order of `features`.
    """
    model = source.model
    contexts = contexts.to(model.device)
    before = model(input_ids=contexts[:, :-1], use_cache=True) if contexts.shape[1] > 1 else None
    past = cached(before) if before is not None else None
    # read like the raised ones, from the cache, so that rounding is the same
    known = vocabulary_size(source.tokenizer)  # an output layer may have more rows than there are tokens
    plain = _log_probabilities(model(contexts[:, -1:], **_copies(past, 1)).logits, known)
    rows, vocabulary = plain.shape
    step = max(1, AT_ONCE // (rows * vocabulary))
    for start in range(0, len(features), step):
        some = torch.as_tensor(list(features[start : start + step]))
        change = _directions(source, site, some, torch.as_tensor(list(amounts[start : start + step])))
        last = contexts[:, -1:].repeat_interleave(len(some), dim=0)
        with added_at_the_end(model, site, change.repeat(rows, 1)):
            logits = model(input_ids=last, use_cache=True, **_copies(past, len(some))).logits
        raised = _log_probabilities(logits, known).view(rows, len(some), vocabulary)
        yield _strongest((raised - plain[:, None]).mean(dim=0), min(count, vocabulary))


def _directions(source: SteerableSource, site: int, features: Tensor, amounts: Tensor) -> Tensor:
    """Return what raising each feature by its amount adds to the stream, shape (feature, width)."""
    width = source.width(site)
    each = torch.arange(len(features) + 1)
    alone = SparseCodes(each, features.to(torch.int32), amounts.to(torch.float32), width)
    nothing = SparseCodes(torch.zeros(2, dtype=torch.int64), alone.indices[:0], alone.values[:0], width)
    device = source.model.device
    return source.decode(site, alone.to(device)) - source.decode(site, nothing.to(device))


def _copies(past: Any, count: int) -> dict[str, Any]:
    if past is None:
        return {}
    copies = copy.deepcopy(past)
    copies.batch_repeat_interleave(count)
    return {CACHE: copies}


def _log_probabilities(logits: Tensor, tokens: int) -> Tensor:
    return logits[:, -1].float().log_softmax(dim=-1)[:, :tokens]


def _strongest(change: Tensor, count: int) -> TokenEffects:
    rises, falls = change.topk(count, dim=1), (-change).topk(count, dim=1)
    return TokenEffects(rises.indices.cpu(), rises.values.cpu(), falls.indices.cpu(), -falls.values.cpu())
