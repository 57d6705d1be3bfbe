"""Finding features to steer by texts: those that have something against those that have it not."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.site import Feature
from ..core.stats import Estimate, bootstrap_ratio
from ..data.tokenizer import encode_prompt
from ..evaluation.fluency import continuation_nats
from ..features import Directions, SteerableSource
from ..features.reading import codes_of_long
from .editing import steer
from .edits import Edit
from .find import (
    CANDIDATES,
    STRENGTH,
    Finding,
    by_cause,
    found_of,
    marks_of,
    mean_differences,
    reference,
    rows_of,
)

if TYPE_CHECKING:
    from ..index import FeatureIndex


def find_by_texts(
    source: SteerableSource,
    index: "FeatureIndex",
    having: Sequence[str],
    lacking: Sequence[str],
    *,
    strength: float = STRENGTH,
    candidates: int = CANDIDATES,
) -> Finding:
    """Find the features that tell texts which have something from texts which have it not.

    Features are ranked by the difference of their mean activations, in units of their 99th percentile. The
    causal number is how much more likely, per token, setting the feature makes the first texts, less how
    much more likely it makes the second. Raises InputError where a side is empty.
    """
    sides = [_encoded(source, texts, side) for texts, side in ((having, "with"), (lacking, "without"))]
    means = [_mean_activations(source, side) for side in sides]
    units = {row["feature"]: row for row in rows_of(index)}
    fires = {}
    for site in source.sites:
        difference = (means[0][site] - means[1][site]).tolist()
        for feature, one in enumerate(difference):
            name = str(source.kind(site, feature))
            if name in units:
                fires[name] = one / units[name]["q99"]
    names = sorted(fires, key=lambda one: -fires[one])[:candidates]
    plain = [_nats(source, side) for side in sides]
    found = []
    for name in names:
        edit = Edit(Feature.parse(name), set_to=strength * units[name]["q99"])
        found.append(found_of(units[name], fires[name], _likelier(source, edit, sides, plain)))
    references = []
    for site, (directions, length) in _between(source, sides).items():
        edit = Edit(directions.kind(site, 0), add=strength * length)
        references.append(reference(site, _likelier(directions, edit, sides, plain), length))
    return Finding(
        asked=f"{len(having)} texts with it, {len(lacking)} without",
        fires="difference of its mean activations, in units of its 99th percentile",
        causes="how much likelier it makes the texts with it than those without, nats per token",
        strength=strength,
        n_contexts=len(having) + len(lacking),
        features=by_cause(found),
        references=by_cause(references),
    )


def _between(source: SteerableSource, sides: list[list[list[int]]]) -> dict[int, tuple[Directions, float]]:
    """Return at each site the difference of the two sides' mean states, and its length."""
    tokens = np.concatenate([np.array(ids) for side in sides for ids in side])
    marks = marks_of(np.arange(sum(map(len, sides[0]))), len(tokens))
    return mean_differences(source, tokens, marks)


def _encoded(source: SteerableSource, texts: Sequence[str], side: str) -> list[list[int]]:
    found = [encode_prompt(source.tokenizer, text)[: source.context] for text in texts if text.strip()]
    if not found:
        raise InputError(f"there is no text {side} it; give at least one")
    return found


def _mean_activations(source: SteerableSource, side: list[list[int]]) -> dict[int, Tensor]:
    sums: dict[int, Tensor] = {}
    for ids in side:
        for site, codes in codes_of_long(source, ids).items():
            summed = torch.zeros(codes.width, dtype=torch.float64)
            summed.index_add_(0, codes.indices.long(), codes.values.clamp(min=0).double())
            sums[site] = sums.get(site, torch.zeros_like(summed)) + summed
    total = sum(map(len, side))
    return {site: summed / total for site, summed in sums.items()}


def _nats(source: SteerableSource, side: list[list[int]]) -> Any:
    return continuation_nats(source.model, [ids[:1] for ids in side], [ids[1:] for ids in side])


def _likelier(
    source: SteerableSource, edit: Edit, sides: list[list[list[int]]], plain: list[Any]
) -> Estimate:
    """Return the gain in likelihood per token on the first side less that on the second.

    The interval takes the two sides' bootstrap intervals as independent.
    """
    gains = []
    for side, before in zip(sides, plain, strict=True):
        with steer(source, edit):
            after = _nats(source, side)
        sizes = [len(ids) - 1 for ids in side]
        gains.append(bootstrap_ratio(before - after, np.maximum(sizes, 1)))
    first, second = gains
    value = first.value - second.value
    below = np.hypot(first.value - first.low, second.high - second.value)
    above = np.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, value - float(below), value + float(above))
