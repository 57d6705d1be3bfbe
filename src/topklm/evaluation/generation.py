"""Writing text with a causal language model: prompts in, their continuations out."""

from collections.abc import Sequence
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
    written = continue_ids(
        model,
        tokenizer,
        [encode_prompt(tokenizer, prompt)] * count,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
    )
    return [str(text) for text in tokenizer.batch_decode(written, skip_special_tokens=True)]


def continue_ids(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int = 100,
    temperature: float = 0.8,
    seed: int = 0,
) -> list[list[int]]:
    """Continue prompts given as token ids, in one batch; shorter ones are padded on the left.

    Returns the tokens written, without the one that ends a text. As `write` otherwise.
    """
    if max_new_tokens < 1:
        raise InputError(f"max_new_tokens={max_new_tokens} is not allowed; choose 1 or more")
    if temperature != 0 and not 1e-3 <= temperature <= 1e3:
        raise InputError(f"temperature={temperature} is not allowed; choose 0, or 0.001 to 1000")
    if not 0 <= seed < 2**63:
        raise InputError(f"seed={seed} is not allowed; choose 0..2**63 - 1")
    length, context = max(map(len, prompts)), model.config.max_position_embeddings
    if length >= context:
        raise InputError(
            f"the prompt has {length} tokens, but the model's context is {context}; shorten it to "
            f"at most {context - 1}"
        )
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0}
    pad = _first(tokenizer.pad_token_id, tokenizer.eos_token_id, boundary_id(tokenizer))
    padded = [[pad] * (length - len(prompt)) + list(prompt) for prompt in prompts]
    real = [[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(seed)
        output = model.generate(
            input_ids=torch.tensor(padded, device=model.device),
            attention_mask=torch.tensor(real, device=model.device),
            max_new_tokens=min(max_new_tokens, context - length),
            pad_token_id=pad,
            **sampling,
        )
    ends = model.generation_config.eos_token_id
    ends = set() if ends is None else {ends} if isinstance(ends, int) else set(ends)
    return [_until(row, ends) for row in output[:, length:].tolist()]


def _until(ids: list[int], ends: set[int]) -> list[int]:
    """Return the ids before the first that ends a text."""
    return ids[: next((place for place, one in enumerate(ids) if one in ends), len(ids))]


def _first(*choices: int | None) -> int | None:
    return next((choice for choice in choices if choice is not None), None)
