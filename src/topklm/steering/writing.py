"""Texts side by side: the same prompt and seeds, unsteered and steered, with how fluent both are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..data.tokenizer import encode_prompt
from ..evaluation.fluency import continuation_nats, distinct_bigrams, perplexity
from ..evaluation.generation import continue_ids
from ..training import Loaded, Run
from ..training.twin import twin_if_any
from .editing import Steering
from .edits import Edit

if TYPE_CHECKING:
    from ..index import FeatureIndex


@dataclass(frozen=True)
class Texts:
    """Some texts after one prompt, and their averages."""

    ids: list[list[int]]
    """Tokens written, one list a text, without the prompt."""
    texts: list[str]
    perplexity: float
    """Of all of them together, under the model that judges fluency."""
    distinct: float
    """Mean distinct-2; NaN where no text has two tokens."""
    marked: int
    """Tokens among them that were asked to be marked."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "texts": self.texts,
            "perplexity": self.perplexity,
            "distinct": self.distinct,
            "marked_tokens": self.marked,
            "n_tokens": sum(map(len, self.ids)),
        }


class Writer:
    """Writes on from one prompt, again and again with the same seed, so that only the edits differ.

    fluency: the model that judges; the run's own where there is no twin. marked: token ids to be counted.
    """

    def __init__(
        self,
        loaded: Loaded,
        prompt: str,
        *,
        fluency: Any,
        marked: Sequence[int] = (),
        count: int = 1,
        max_new_tokens: int = 100,
        temperature: float = 0.8,
        seed: int = 0,
    ) -> None:
        if count < 1:
            raise InputError(f"texts={count} is not allowed; choose 1 or more")
        self.loaded, self.fluency, self.marked = loaded, fluency, frozenset(marked)
        self.prompts = [encode_prompt(loaded.tokenizer, prompt)] * count
        self.options: dict[str, Any] = {
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "seed": seed,
        }

    def write(self, steering: Steering | None = None) -> Texts:
        """Write under some edits, or none."""
        model, tokenizer = self.loaded.model, self.loaded.tokenizer
        if steering is None:
            ids = continue_ids(model, tokenizer, self.prompts, **self.options)
        else:
            with steering:
                ids = continue_ids(model, tokenizer, self.prompts, **self.options)
        nats = continuation_nats(self.fluency, self.prompts, ids)
        distinct = np.array([distinct_bigrams(one) for one in ids])
        known = distinct[np.isfinite(distinct)]
        return Texts(
            ids=ids,
            texts=[str(text) for text in tokenizer.batch_decode(ids)],
            perplexity=perplexity(nats, [len(one) for one in ids]),
            distinct=float(known.mean()) if len(known) else float("nan"),
            marked=sum(token in self.marked for one in ids for token in one),
        )


LADDER = ("0.25x", "0.5x", "0.75x", "1x", "1.5x", "2x", "4x")


def ladder(edits: Sequence[Edit]) -> list[Edit]:
    """Turn one edit that sets or adds into as many of rising strength, in units of the 99th percentile.

    Raises InputError where there is not exactly one such edit.
    """
    if len(edits) != 1 or edits[0].action not in ("set_to", "add"):
        raise InputError(
            "a sweep goes over the strengths of one feature; give one --set, one --add or --concept"
        )
    content = edits[0].to_json()
    return [Edit.from_json({**content, edits[0].action: strength}) for strength in LADDER]


MARKED_SHARE = 0.01
"""A feature's top tokens with at least this share of its activation are marked."""


def top_tokens(index: "FeatureIndex", edits: Sequence[Edit]) -> list[int]:
    """List the tokens that the first edited feature fires on most; none where the index has it not."""
    feature = edits[0].feature
    if not isinstance(feature, index.kind) or feature.layer not in index.layout.sites:
        return []
    query = "SELECT top_tokens FROM features WHERE site = ? AND index = ?"
    rows = index.ask(query, [feature.layer, feature.index]).to_pylist()
    return [one["token"] for row in rows for one in row["top_tokens"] if one["share"] >= MARKED_SHARE]


def fluency_model(run: Run, model: Any) -> tuple[str, Any]:
    """Open the dense twin where a run has one, else take its own model; and say which it is."""
    twin = twin_if_any(run)
    if twin is not None:
        return f"the dense twin ({twin.run.path})", twin.model
    return "the unsteered model (the run has no dense twin)", model
