"""Look at, and change, the residual stream after a block while a model runs."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers import LlamaModel

CACHE = "cache" if "cache" in inspect.signature(LlamaModel.forward).parameters else "past_key_values"
"""What transformers calls the cache of keys and values; it was renamed in 5.24."""
Read = TypeVar("Read")


@torch.no_grad()
def read_sites(
    model: Any,
    token_ids: Tensor,
    attention_mask: Tensor | None,
    sites: Iterable[int],
    read: Callable[[int, Tensor], Read],
) -> dict[int, Read]:
    """Run a model's decoder once and apply `read` to each site and its residual stream.

    The stream, shape (batch, token, width), is dropped as soon as it is read.
    """
    found: dict[int, Read] = {}

    def keep(site: int, module: Any, inputs: Any, output: Any) -> None:
        found[site] = read(site, output[0] if isinstance(output, tuple) else output)

    with ExitStack() as hooks:
        for site in sites:
            handle = model.model.layers[site].register_forward_hook(partial(keep, site))
            hooks.callback(handle.remove)
        mask = None if attention_mask is None else attention_mask.to(model.device)
        model.model(input_ids=token_ids.to(model.device), attention_mask=mask, use_cache=False)
    return found


def cached(output: Any) -> Any:
    """Return the cache of keys and values that a model's output carries."""
    return getattr(output, CACHE)


@contextmanager
def added_at_the_end(model: Any, site: int, change: Tensor) -> Iterator[None]:
    """Inside the with block, add `change`, shape (batch, width), to each row's last token at a site."""

    def add(module: Any, inputs: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        hidden[:, -1] += change.to(hidden)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    handle = model.model.layers[site].register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
