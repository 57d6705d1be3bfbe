"""One unit of the evaluation: let the model write at every strength, and note what the texts are.

Prompts, seeds and judges are the same for all units, so that only the edit differs.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from ..data.tokenizer import encode_prompt
from ..evaluation.fluency import continuation_nats, distinct_bigrams
from ..evaluation.generation import continue_ids
from .arms import Unit
from .carry import carried
from .concepts import LabelledText
from .editing import Steering
from .edits import Edit
from .effects import mass_rises
from .success import JUDGING, Texts

SAMPLES = 3
"""Texts kept of each strength, the first that judge."""
WORD_IN_PROMPT = "{word}. {prompt}"
"""How the concept's word is put into a prompt: as a short sentence of its own, before it."""
WORD = "word"
"""What the one strength of a prompt is called."""


@dataclass(frozen=True)
class Written:
    """Texts that a model wrote, each after its prompt."""

    texts: list[str]
    nats: list[float]
    tokens: list[int]
    distinct: list[float]


class Trials:
    """Runs units. strengths: in units of each one's own. prompts: token ids, one row a text."""

    def __init__(
        self,
        text: LabelledText,
        fluency: Any,
        *,
        prompts: list[list[int]],
        contexts: Tensor,
        strengths: Sequence[float],
        new_tokens: int,
        temperature: float,
        seed: int,
        batch: int,
    ) -> None:
        self.text, self.fluency, self.prompts, self.contexts = text, fluency, prompts, contexts
        self.strengths = strengths
        self.new_tokens, self.temperature, self.seed, self.batch = new_tokens, temperature, seed, batch

    @cached_property
    def prompt_texts(self) -> list[str]:
        """The prompts as text, without the boundary before them."""
        return [str(self.text.tokenizer.decode(ids[1:])) for ids in self.prompts]

    def unsteered(self, model: Any) -> dict[str, Any]:
        """Write without an edit, and note every concept that each text shows."""
        written = self._written(model, self.prompts, None)
        return {**told(written), "concepts": [sorted(self.text.judge.shown(text)) for text in written.texts]}

    def run(self, unit: Unit, model: Any) -> dict[str, Any]:
        """Write at every strength. model: the one that the unit's source edits, or that is prompted."""
        strengths = {}
        samples = {}
        for name, prompts, edits in self._ways(unit):
            steering = Steering(unit.source, [edits], common=True) if unit.source else None
            written = self._written(model, prompts, steering)
            shown = [unit.concept in self.text.judge.shown(text) for text in written.texts]
            strengths[name] = {**told(written, texts=False), "shown": [int(one) for one in shown]}
            samples[name] = written.texts[JUDGING::2][:SAMPLES]
        return {
            "arm": unit.arm,
            "name": unit.name,
            "layer": unit.site,
            "concept": unit.concept,
            "label_f1": number(unit.f1),
            "unit": number(unit.unit),
            "action": unit.action,
            "strengths": strengths,
            "mass_rise": self._masses(unit),
            "carried": self._carried(unit),
            "samples": samples,
        }

    def _ways(self, unit: Unit) -> Iterator[tuple[str, list[list[int]], list[Edit]]]:
        """Yield (name, prompts, edits) of every strength of a unit."""
        if unit.source is None or unit.feature is None:
            word = unit.name[:1].upper() + unit.name[1:]
            texts = [WORD_IN_PROMPT.format(word=word, prompt=prompt) for prompt in self.prompt_texts]
            yield WORD, [encode_prompt(self.text.tokenizer, text) for text in texts], []
            return
        for strength in self.strengths:
            yield strength_name(strength), self.prompts, [edit_of(unit, strength)]

    def _written(self, model: Any, prompts: list[list[int]], steering: Steering | None) -> Written:
        """Let a model continue prompts. The fluency model reads the texts afterwards, never edited."""
        written: list[list[int]] = []
        with steering or nullcontext():
            for start in range(0, len(prompts), self.batch):
                written += continue_ids(
                    model,
                    self.text.tokenizer,
                    prompts[start : start + self.batch],
                    max_new_tokens=self.new_tokens,
                    temperature=self.temperature,
                    seed=self.seed + start,
                )
        return Written(
            texts=[str(text) for text in self.text.tokenizer.batch_decode(written)],
            nats=continuation_nats(self.fluency, prompts, written).tolist(),
            tokens=[len(ids) for ids in written],
            distinct=[distinct_bigrams(ids) for ids in written],
        )

    def _masses(self, unit: Unit) -> dict[str, dict[str, float]] | None:
        """Measure the rise of the concept's tokens' probability; None where no token stands for it."""
        tokens = self.text.target(unit.concept).tokens
        if unit.source is None or unit.feature is None or not len(tokens):
            return None
        edits = [edit_of(unit, strength) for strength in self.strengths]
        rises = mass_rises(unit.source, self.contexts, edits, tokens)
        return {
            strength_name(strength): rise.as_json()
            for strength, rise in zip(self.strengths, rises, strict=True)
        }

    def _carried(self, unit: Unit) -> dict[str, dict[str, float | None]] | None:
        """Follow an edit of one unit of strength through the later blocks; None for a prompt."""
        if unit.source is None or unit.feature is None:
            return None
        found = carried(unit.source, edit_of(unit, 1.0), self.contexts)
        return {
            f"L{block}": {"along": number(one.along), "size": number(one.size)}
            for block, one in found.items()
        }


def edit_of(unit: Unit, strength: float) -> Edit:
    """Return the edit that a unit makes at a strength."""
    assert unit.feature is not None  # a prompt edits nothing
    changed: dict[str, Any] = {unit.action: strength * unit.unit}
    return Edit(unit.feature, **changed)


def strength_name(strength: float) -> str:
    """Write a strength as edits do: 2x."""
    return f"{strength:g}x"


def told(written: Written, *, texts: bool = True) -> dict[str, Any]:
    """Write what is known of texts as JSON."""
    numbers = {
        "nats": [round(one, 3) for one in written.nats],
        "tokens": written.tokens,
        "distinct": [number(round(one, 4)) for one in written.distinct],
    }
    return {**numbers, "texts": written.texts} if texts else numbers


def read_back(content: dict[str, Any], shown: Sequence[bool | int]) -> Texts:
    """Read texts' numbers from JSON."""
    distinct = [math.nan if one is None else one for one in content["distinct"]]
    parts = (shown, content["nats"], content["tokens"], distinct)
    return Texts(*(np.asarray(part, np.float64) for part in parts))


def number(value: float) -> float | None:
    """Write a number as JSON: null where it is none."""
    return value if math.isfinite(value) else None


def first_tokens(text: LabelledText, *, count: int, length: int) -> list[list[int]]:
    """Return how `count` documents begin: a boundary and `length` tokens.

    They are taken in order, shorter ones passed over. Where there are too few they come again, but none on
    both sides: texts at even places choose a strength, those at odd places judge it.
    """
    starts = text.packed.documents[:, 0]
    sizes = np.diff(np.append(starts, len(text.packed.tokens)))
    long_enough = [int(start) for start, size in zip(starts, sizes, strict=True) if size > length]
    if not long_enough:
        return []
    sides = [long_enough[side::2] or long_enough for side in (0, 1)]
    chosen = [sides[place % 2][place // 2 % len(sides[place % 2])] for place in range(count)]
    return [text.packed.tokens[start : start + 1 + length].astype(int).tolist() for start in chosen]
