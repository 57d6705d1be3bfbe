"""Targeted probe perturbation: does removing a concept's features harm its own probe and no other?

The definition is SAEBench's (Karvonen et al. 2025, 2503.09532, after Karvonen, Rager, Marks, Nanda 2024,
2411.18895), there for classes of texts, here for any concepts of tokens.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..core.stats import Estimate, interval, poisson_weights
from .batch import Array, Row, row, to_csr
from .examples import EXAMPLES, Text
from .probing import Probe, Split, difference, split_of

SIZES = (2, 5, 10, 20, 50)
RESAMPLES = 200


class Perturbed(NamedTuple):
    """What removing each concept's features does to the probes. A is removed, B is probed."""

    concepts: tuple[int, ...]
    """The concepts that have enough examples."""
    clean: Array
    """Held-out accuracy of each probe: shape (B,)."""
    falls: dict[int, Array]
    """By number of features removed: fall of accuracy, shape (A, B, 1 + resamples); the first is the
    value, the others are resamples of the documents."""

    def parts(self, size: int) -> tuple[Array, Array]:
        """Return the fall of each concept's own probe, and the mean fall of the others.

        Shape of both: (A, 1 + resamples).
        """
        fall = self.falls[size]
        own = np.diagonal(fall).T
        return own, (fall.sum(1) - own) / (len(self.concepts) - 1)

    def score(self, size: int) -> list[Estimate]:
        """Return each concept's score: the fall of its own probe minus the mean fall of the others."""
        own, others = self.parts(size)
        return [interval(float(one[0]), one[1:]) for one in own - others]


def perturb(
    text: Text,
    concepts: Sequence[int],
    *,
    directions: Float[Tensor, "feature dim"] | None = None,
    sizes: Sequence[int] = SIZES,
    count: int = EXAMPLES,
    seed: int = 0,
) -> Perturbed | None:
    """Remove each concept's features and read every concept's probe again.

    For every concept a logistic probe is fitted on the hidden state (training half of the documents,
    balanced). A feature's effect on it is max(0, rise of its mean activation on the concept) times
    the product of its direction with the probe's weights; the features with the largest positive
    effect are removed, a_n(t) times the direction taken off the state, and the accuracy of all
    probes read again on held-out examples. Score of a concept: fall of its own accuracy minus the
    mean fall of the others'; high where features are its own. Concepts with too few examples are
    left out. Here the examples without a concept are any tokens without it. Intervals: bootstrap over
    documents. directions, states: as in `absorption`. None where fewer than two concepts have enough
    examples.
    """
    splits = {one: split for one in concepts if (split := split_of(text, one, count=count, seed=seed))}
    if len(splits) < 2:
        return None
    codes = to_csr(text.batch.codes)
    states: Any = codes if text.states is None else text.states.double().numpy()
    vectors = None if directions is None else directions.double().numpy()
    probes = {one: Probe.fit(states[split.train], split.y_train) for one, split in splits.items()}
    ranked = {one: _ranked(codes, split, probes[one], vectors) for one, split in splits.items()}
    chosen = sorted(set(sizes))
    falls = {size: np.zeros((len(splits), len(splits), 1 + RESAMPLES)) for size in chosen}
    clean = np.zeros(len(splits))
    for b, (probed, split) in enumerate(splits.items()):
        scores = probes[probed].scores(states[split.test])
        right = (scores > 0) == split.y_test
        clean[b] = right.mean()
        weights = poisson_weights(text.batch.documents.numpy()[split.test], resamples=RESAMPLES)
        weights = np.column_stack([np.ones(len(right)), weights])
        # the probe is linear, so what the features add to its score can be taken off it
        along = probes[probed].weights if vectors is None else vectors @ probes[probed].weights
        added = (codes[split.test] * along).tocsc()
        for size, (a, owner) in itertools.product(chosen, enumerate(splits)):
            after = scores - added[:, ranked[owner][:size]].sum(1)
            lost = right.astype(np.int64) - ((after > 0) == split.y_test)
            falls[size][a, b] = lost @ weights / np.maximum(weights.sum(0), 1)
    return Perturbed(tuple(splits), clean, falls)


def measure(
    text: Text,
    *,
    concepts: Sequence[int],
    names: Sequence[str],
    directions: Float[Tensor, "feature dim"] | None = None,
    sizes: Sequence[int] = SIZES,
    count: int = EXAMPLES,
    seed: int = 0,
) -> list[Row]:
    """Measure targeted probe perturbation: means over concepts, and each concept's score; no rows for one."""
    found = perturb(text, concepts, directions=directions, sizes=sizes, count=count, seed=seed)
    if found is None:
        return []
    n_tokens = len(text.places)
    rows = []
    for size in found.falls:
        own, others = found.parts(size)
        for metric, part in (("tpp", own - others), ("tpp_own", own), ("tpp_others", others)):
            drawn = part.mean(0)
            estimate = interval(float(drawn[0]), drawn[1:])
            rows.append(row(f"{metric}/{size}", estimate, n_tokens=n_tokens, n=len(part)))
    for size in found.falls:
        for concept, score in zip(found.concepts, found.score(size), strict=True):
            rows.append(row(f"tpp/{size}", score, n_tokens=n_tokens, n=1, about=names[concept]))
    return rows


def _ranked(codes: Any, split: Split, probe: Probe, vectors: Array | None) -> Array:
    """Return the features with a positive effect on a probe, largest first."""
    along = probe.weights if vectors is None else vectors @ probe.weights
    effect = np.maximum(difference(codes[split.train], split.y_train), 0.0) * along
    order = np.argsort(-effect, kind="stable")
    return np.asarray(order[: int((effect > 0).sum())])
