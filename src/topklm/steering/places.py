"""Which tokens an edit changes, and where the tokens at hand stand in their texts.

Positions are "all", "prompt", "generated", a slice, or a mask. A slice or mask counts each row's own tokens
from 0, padding left out, the boundary before the text being token 0; so a row padded on the left is edited
as if it were alone. A mask is one boolean a token; tokens beyond its end are left alone.

The prompt is what `generate` is given, or the first call of the model without a cache; what follows is
generated. The first generated token is chosen by the last token of the prompt.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ..core.errors import InputError
from ..features.hooks import CACHE

NAMED = ("all", "prompt", "generated")


class Span(NamedTuple):
    """Tokens start, ..., stop - 1 of a text; without a stop, all from start on."""

    start: int
    stop: int | None


Positions = str | Span | tuple[bool, ...]


def positions_of(value: Any) -> Positions:
    """Check positions as a user gives them, or as JSON has them. Raises InputError where they are none."""
    if isinstance(value, str):
        if value in NAMED:
            return value
        start, colon, stop = value.partition(":")
        if colon and all(part.isdecimal() or not part for part in (start, stop)):
            return positions_of(slice(int(start) if start else None, int(stop) if stop else None))
    elif isinstance(value, slice) and value.step in (None, 1):
        value = Span(0 if value.start is None else value.start, value.stop)
    if isinstance(value, Span):
        return _checked_span(value)
    if isinstance(value, Tensor):
        value = value.tolist() if value.dtype == torch.bool else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(one, Sequence) for one in value):
            raise InputError(
                "positions as a mask are one boolean a token of one text; for several texts give rows="
            )
        if value and all(isinstance(one, bool) for one in value):
            return tuple(value)
    raise InputError(
        f"positions={value!r} are none; give all, prompt, generated, a slice such as 3:9, or one boolean "
        "a token"
    )


def _checked_span(span: Span) -> Span:
    for bound in span:
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int) or bound < 0):
            raise InputError(
                f"positions {span.start}:{span.stop} are not allowed: tokens are counted from the beginning, "
                "which is 0"
            )
    if span.stop is not None and span.stop <= span.start:
        raise InputError(f"positions {span.start}:{span.stop} hold no token; the second must be larger")
    return span


def positions_to_json(positions: Positions) -> Any:
    """Write positions as JSON: a name, "3:9", or a list of truth values."""
    if isinstance(positions, Span):
        return f"{positions.start}:{'' if positions.stop is None else positions.stop}"
    return positions if isinstance(positions, str) else list(positions)


def share_places(first: Positions, second: Positions) -> bool:
    """Tell whether two edits may meet at a token; a slice may lie in the prompt or beyond."""
    if isinstance(first, str) or isinstance(second, str):
        return (
            first == second
            or "all" in (first, second)
            or not (isinstance(first, str) and isinstance(second, str))
        )
    one, other = _indices(first), _indices(second)
    if isinstance(one, range) and isinstance(other, range):
        return max(one.start, other.start) < min(one.stop, other.stop)
    if isinstance(one, range):
        one, other = other, one
    return any(place in other for place in one)


def _indices(positions: Span | tuple[bool, ...]) -> range | set[int]:
    if isinstance(positions, Span):
        return range(positions.start, 2**62 if positions.stop is None else positions.stop)
    return {place for place, chosen in enumerate(positions) if chosen}


@dataclass
class Places:
    """Where the tokens of the call at hand stand; B rows, T tokens, the columns before, before + 1, ..."""

    before: int
    count: int
    prompt: int
    """Columns of the prompt; what lies beyond was generated."""
    device: torch.device
    mask: Tensor | None = None
    """Shape (B, before + T), 0 for padding; None where there is none."""

    @cached_property
    def number(self) -> Tensor:
        """int64, shape (B or 1, T): the token's number in its own text; below 0 for padding."""
        if self.mask is None:
            return torch.arange(self.before, self.before + self.count, device=self.device)[None]
        mask = self.mask.to(self.device)
        return (mask.long().cumsum(1) - 1).masked_fill(mask == 0, -1)[:, self.before :]

    @property
    def generated(self) -> Tensor:
        """bool, shape (T,): whether a token was generated."""
        return torch.arange(self.before, self.before + self.count, device=self.device) >= self.prompt

    def simply(self, positions: Positions) -> bool | None:
        """Tell whether positions mean every token at hand, or none; None where one has to look closer.

        A quick answer for what a token more in `generate` asks. Padding may be counted in: nobody reads it.
        """
        if positions == "all":
            return True
        if positions == "generated" and (
            self.before >= self.prompt or self.before + self.count <= self.prompt
        ):
            return self.before >= self.prompt
        return False if positions == "prompt" and self.before >= self.prompt else None

    def chosen(self, positions: Positions) -> Tensor:
        """Mark the tokens that positions mean: bool, shape (B or 1, T)."""
        real = self.number >= 0
        if positions == "all":
            return real
        if isinstance(positions, str):
            return real & (self.generated if positions == "generated" else ~self.generated)
        if isinstance(positions, Span):
            below = real if positions.stop is None else self.number < positions.stop
            return real & below & (self.number >= positions.start)
        mask = torch.tensor(positions, device=self.number.device)
        inside = real & (self.number < len(mask))
        return inside & mask[self.number.clamp(0, len(mask) - 1)]


class Watch:
    """Follows a model's calls, so that each edit knows which tokens it sees.

    Inside `generate` the prompt is what that was given, with a cache or without. Outside, it is what the
    last call with an empty cache was given.
    """

    def __init__(self) -> None:
        self.prompt = 0
        self.prompt_mask: Tensor | None = None
        self.generating = False
        self.now: Places | None = None

    def see(self, decoder: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Take note of a call of the decoder, before it runs."""
        inputs = keywords.get("input_ids")
        inputs = arguments[0] if inputs is None and arguments else inputs
        inputs = keywords["inputs_embeds"] if inputs is None else inputs
        rows, count = inputs.shape[:2]
        past = keywords.get(CACHE)
        before = 0 if past is None else int(past.get_seq_length())
        if not self.generating and before == 0:
            self.prompt = count
        mask = keywords.get("attention_mask")
        mask = arguments[1] if mask is None and len(arguments) > 1 else mask
        mask = self._known_mask(mask, rows, before + count)
        self.now = Places(before, count, self.prompt, inputs.device, mask)

    def _known_mask(self, mask: Any, rows: int, length: int) -> Tensor | None:
        """Return which tokens are no padding, shape (rows, length); None where all are real."""
        if isinstance(mask, Tensor) and mask.ndim == 2:
            return mask[:, :length]
        if mask is None or not self.generating or self.prompt_mask is None:
            return None
        # a compiled cache comes with a mask of its own shape: take the prompt's, all that follows is real
        prompt = self.prompt_mask.repeat_interleave(rows // len(self.prompt_mask), dim=0)
        return torch.cat([prompt, prompt.new_ones(rows, length - prompt.shape[1])], dim=1)

    def around(self, generate: Any) -> Any:
        """Wrap a model's `generate`, so that the prompt's end is known."""

        @wraps(generate)
        def watched(*arguments: Any, **keywords: Any) -> Any:
            given = [keywords.get(name) for name in ("inputs", "input_ids", "inputs_embeds")]
            prompt = next((one for one in [*arguments[:1], *given] if isinstance(one, Tensor)), None)
            before = (self.generating, self.prompt, self.prompt_mask)
            self.generating = True
            self.prompt = 1 if prompt is None else prompt.shape[1]  # without one it begins at the boundary
            self.prompt_mask = keywords.get("attention_mask")
            try:
                return generate(*arguments, **keywords)
            finally:
                self.generating, self.prompt, self.prompt_mask = before

        return watched


class _Watched(NamedTuple):
    watch: Watch
    undo: ExitStack
    users: set[object]


_WATCHED: WeakKeyDictionary[Any, _Watched] = WeakKeyDictionary()


@contextmanager
def watching(model: Any) -> Iterator[Watch]:
    """Follow a model's calls inside the with block; blocks at the same time share one watch."""
    if model not in _WATCHED:
        watch, undo = Watch(), ExitStack()
        own = {name: model.__dict__[name] for name in ("generate",) if name in model.__dict__}
        undo.callback(model.base_model.register_forward_pre_hook(watch.see, with_kwargs=True).remove)
        model.generate = watch.around(model.generate)
        undo.callback(model.__dict__.update, own)
        undo.callback(model.__dict__.pop, "generate")
        _WATCHED[model] = _Watched(watch, undo, set())
    shared, user = _WATCHED[model], object()
    shared.users.add(user)
    try:
        yield shared.watch
    finally:
        shared.users.remove(user)
        if not shared.users:
            _WATCHED.pop(model).undo.close()
