"""Writing text with a causal language model: one prompt in, its continuation out."""

from typing import Any

import torch

from ..core.errors import InputError
from ..data.tokenizer import boundary_id, encode_prompt


def write(
    model: Any,
    tokenizer: Any,
    prompt: str,
    *,
    max_new_tokens: int = 100,
    temperature: float = 0.8,
    seed: int = 0,
) -> str:
    """Continue `prompt` by at most `max_new_tokens`, until the text ends or the context is full.

    temperature: 0 takes the likeliest token each time. The global random state stays as it is.
    Raises InputError for a prompt that leaves no room in the context, or an option out of range.
    """
    return write_many(
        model,
        tokenizer,
        prompt,
        1,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
    )[0]


def write_many(
    model: Any,
    tokenizer: Any,
    prompt: str,
    count: int,
    *,
    max_new_tokens: int = 100,
    temperature: float = 0.8,
    seed: int = 0,
) -> list[str]:
    """Continue `prompt` in `count` ways at once; as `write` otherwise."""
    if max_new_tokens < 1:
        raise InputError(f"max_new_tokens={max_new_tokens} is not allowed; choose 1 or more")
    if temperature != 0 and not 1e-3 <= temperature <= 1e3:
        raise InputError(f"temperature={temperature} is not allowed; choose 0, or 0.001 to 1000")
    if not 0 <= seed < 2**63:
        raise InputError(f"seed={seed} is not allowed; choose 0..2**63 - 1")
    ids = torch.tensor([encode_prompt(tokenizer, prompt)] * count, device=model.device)
    length, context = ids.shape[1], model.config.max_position_embeddings
    if length >= context:
        raise InputError(
            f"the prompt has {length} tokens, but the model's context is {context}; shorten it to "
            f"at most {context - 1}"
        )
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0}
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(seed)
        output = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=min(max_new_tokens, context - length),
            pad_token_id=_first(tokenizer.pad_token_id, tokenizer.eos_token_id, boundary_id(tokenizer)),
            **sampling,
        )
    return [str(text) for text in tokenizer.batch_decode(output[:, length:], skip_special_tokens=True)]


def _first(*choices: int | None) -> int | None:
    return next((choice for choice in choices if choice is not None), None)
