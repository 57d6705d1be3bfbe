"""Writing text with a causal language model: prompts in, their continuations out."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from ..core.errors import InputError
from ..data.tokenizer import boundary_id, encode_prompt, end_ids


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
    ids = encode_prompt(tokenizer, prompt)
    written = continue_ids(
        model,
        tokenizer,
        [ids] * count,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
    )
    return [_after(tokenizer, ids, one) for one in written]


def _after(tokenizer: Any, prompt: list[int], written: list[int]) -> str:
    """Decode what was written as it stands after its prompt, for a tokenizer may drop a leading space."""
    whole = tokenizer.decode([*prompt, *written], skip_special_tokens=True)
    before = tokenizer.decode(prompt, skip_special_tokens=True)
    if whole.startswith(before):
        return str(whole[len(before) :])
    return str(tokenizer.decode(written, skip_special_tokens=True))


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
    length, context = max(map(len, prompts)), model.config.max_position_embeddings
    check_options(length, context, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0}
    ends = _ends(model, tokenizer)
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(seed)
        output = model.generate(
            **_padded(model, tokenizer, prompts),
            max_new_tokens=min(max_new_tokens, context - length),
            eos_token_id=sorted(ends) or None,
            **sampling,
        )
    return [_until(row, ends) for row in output[:, length:].tolist()]


def check_options(length: int, context: int, *, max_new_tokens: int, temperature: float, seed: int) -> None:
    """Raise InputError for an option out of range, or a prompt of `length` tokens that leaves no room."""
    if max_new_tokens < 1:
        raise InputError(f"max_new_tokens={max_new_tokens} is not allowed; choose 1 or more")
    if temperature != 0 and not 1e-3 <= temperature <= 1e3:
        raise InputError(f"temperature={temperature} is not allowed; choose 0, or 0.001 to 1000")
    if not 0 <= seed < 2**63:
        raise InputError(f"seed={seed} is not allowed; choose 0..2**63 - 1")
    if length >= context:
        raise InputError(
            f"the prompt has {length} tokens, but the model's context is {context}; shorten it to "
            f"at most {context - 1}"
        )


class Line(NamedTuple):
    """A text to be written on: one row of a batch, with options of its own."""

    prompt: Sequence[int]
    """Token ids."""
    max_new_tokens: int = 100
    temperature: float = 0.8
    seed: int = 0
    penalty: float = 0.0
    """Taken from a token's logit, after the temperature, for every time that the text holds it."""


Told = Callable[[list[int | None], Tensor], Collection[int]]
"""Called with the token that each row has chosen (None: its text has ended) and the logits, shape
(rows, vocabulary), that it was chosen from; returns the rows that are to end here."""


def continue_live(
    model: Any, tokenizer: Any, lines: Sequence[Line], told: Told = lambda chosen, logits: ()
) -> list[list[int]]:
    """Continue texts in one batch, each with options of its own, telling of every token as it is chosen.

    A line is what `continue_ids` writes for it alone, up to rounding: the others in the batch change nothing.
    A text also ends where logits are not finite. Returns the tokens written, without the one that ends a
    text. Raises InputError as `continue_ids`.
    """
    context = model.config.max_position_embeddings
    for line in lines:
        check_options(
            len(line.prompt),
            context,
            max_new_tokens=line.max_new_tokens,
            temperature=line.temperature,
            seed=line.seed,
        )
    room = [min(line.max_new_tokens, context - len(line.prompt)) for line in lines]
    choice = _Choice(lines, room, _ends(model, tokenizer), told)
    with torch.no_grad():
        model.generate(
            **_padded(model, tokenizer, [line.prompt for line in lines]),
            max_new_tokens=max(room),
            do_sample=False,
            logits_processor=LogitsProcessorList([choice]),
            stopping_criteria=StoppingCriteriaList([_Ended(choice)]),
        )
    return choice.written


class _Choice(LogitsProcessor):
    """Chooses each row's token by the row's own options, and leaves nothing else to choose."""

    def __init__(self, lines: Sequence[Line], room: list[int], ends: set[int], told: Told) -> None:
        self.lines, self.room, self.ends, self.told = lines, room, ends, told
        self.random = [torch.Generator().manual_seed(line.seed) for line in lines]
        self.written: list[list[int]] = [[] for _ in lines]
        self.ended = [False] * len(lines)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return `scores`, shape (rows, vocabulary), with all but the chosen tokens ruled out."""
        logits = scores.float().cpu()
        chosen: list[int | None] = [None] * len(self.lines)
        only = torch.full_like(scores, -torch.inf)
        for row, line in enumerate(self.lines):
            broken = not bool(logits[row].isfinite().all())  # an edit can be stronger than numbers are
            token = 0 if broken or self.ended[row] else self._chosen(row, line, logits[row])
            only[row, token] = 0
            self.ended[row] |= broken or token in self.ends
            if self.ended[row]:
                continue
            chosen[row] = token
            self.written[row].append(token)
            self.ended[row] = len(self.written[row]) >= self.room[row]
        for row in self.told(chosen, logits):
            self.ended[row] = True
        return only

    def _chosen(self, row: int, line: Line, logits: Tensor) -> int:
        if line.temperature > 0:
            logits = logits / line.temperature
        if line.penalty:
            text = torch.tensor([*line.prompt, *self.written[row]])
            logits = logits - line.penalty * torch.bincount(text, minlength=len(logits))
        if line.temperature == 0:
            return int(logits.argmax())
        return int(torch.multinomial(logits.softmax(-1), 1, generator=self.random[row]))


class _Ended(StoppingCriteria):
    """Ends the rows that a choice has ended."""

    def __init__(self, choice: _Choice) -> None:
        self.choice = choice

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        """Return which rows have ended: bool, shape (rows,)."""
        return torch.tensor(self.choice.ended, device=input_ids.device)


def _padded(model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Return prompts as `generate` takes them, padded on the left to the longest."""
    length = max(map(len, prompts))
    pad = _first(tokenizer.pad_token_id, tokenizer.eos_token_id, boundary_id(tokenizer))
    padded = [[pad] * (length - len(prompt)) + list(prompt) for prompt in prompts]
    real = [[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return {
        "input_ids": torch.tensor(padded, device=model.device),
        "attention_mask": torch.tensor(real, device=model.device),
        "pad_token_id": pad,
    }


def _ends(model: Any, tokenizer: Any) -> set[int]:
    """Return the tokens that end a text: the model's, and what packing puts before the next document."""
    return end_ids(model.generation_config.eos_token_id, tokenizer)


def _until(ids: list[int], ends: set[int]) -> list[int]:
    """Return the ids before the first that ends a text."""
    return ids[: next((place for place, one in enumerate(ids) if one in ends), len(ids))]


def _first(*choices: int | None) -> int | None:
    return next((choice for choice in choices if choice is not None), None)
