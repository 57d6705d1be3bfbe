"""Look at, and change, the residual stream after a block while a model runs."""

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from transformers import LlamaModel

from ..core.errors import InputError

CACHE = "cache" if "cache" in inspect.signature(LlamaModel.forward).parameters else "past_key_values"
"""What transformers calls the cache of keys and values; it was renamed in 5.24."""
Read = TypeVar("Read")


def blocks(model: Any) -> nn.ModuleList:
    """Return the blocks of a transformers causal language model, first to last, whatever they are called.

    They are the first list of modules that is as long as the configuration says the model is deep: Llama's
    `model.layers`, GPT-2's `transformer.h`. Raises InputError where there is none.
    """
    depth = depth_of(model)
    for module in model.base_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise InputError(
        f"a {type(model).__name__} has no list of {depth} blocks whose residual stream could be read"
    )


def depth_of(model: Any) -> int:
    """Count the blocks of a transformers causal language model."""
    return int(model.config.get_text_config().num_hidden_layers)


def with_own_hooks(model: Any) -> Any:
    """Return a second model of the same weights: the tensors are shared, the modules and hooks are its own.

    So two threads can use a model at once, one of them editing it. Nothing may run in `model` meanwhile.
    """
    shared = {id(one): one for one in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared)


@torch.no_grad()
def read_sites(
    model: Any,
    token_ids: Tensor,
    attention_mask: Tensor | None,
    sites: Iterable[int],
    read: Callable[[int, Tensor], Read],
) -> dict[int, Read]:
    """Run a model once, without its output layer, and apply `read` to each site and its residual stream.

    The stream, shape (batch, token, width), is dropped as soon as it is read.
    """
    found: dict[int, Read] = {}

    def keep(site: int, module: Any, inputs: Any, output: Any) -> None:
        found[site] = read(site, output[0] if isinstance(output, tuple) else output)

    layers = blocks(model)
    with ExitStack() as hooks:
        for site in sites:
            hooks.callback(layers[site].register_forward_hook(partial(keep, site)).remove)
        mask = None if attention_mask is None else attention_mask.to(model.device)
        model.base_model(input_ids=token_ids.to(model.device), attention_mask=mask, use_cache=False)
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

    handle = blocks(model)[site].register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
