"""Targeted probe perturbation: does removing a concept's features harm its own probe and no other?

The definition is SAEBench's (Karvonen et al. 2025, 2503.09532, after Karvonen, Rager, Marks, Nanda 2024,
2411.18895), there for classes of texts, here for any concepts of tokens.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .batch import Array, Row, mean_row, row, to_csr
from .examples import EXAMPLES, Text
from .probing import Probe, Split, difference, split_of

SIZES = (2, 5, 10, 20, 50)


class Perturbed(NamedTuple):
    """What removing each concept's features does to the probes. A is removed, B is probed."""

    concepts: tuple[int, ...]
    """The concepts that have enough examples."""
    clean: Array
    """Held-out accuracy of each probe: shape (B,)."""
    removed: dict[int, Array]
    """By number of features removed: accuracy afterwards, shape (A, B)."""

    def score(self, size: int) -> Array:
        """Return each concept's score: the fall of its own probe minus the mean fall of the others."""
        fall = self.clean - self.removed[size]
        own = np.diagonal(fall)
        return np.asarray(own - (fall.sum(1) - own) / (len(self.concepts) - 1))


def perturb(
    text: Text,
    concepts: Sequence[int],
    *,
    directions: Float[Tensor, "feature dim"] | None = None,
    sizes: Sequence[int] = SIZES,
    count: int = EXAMPLES,
    seed: int = 0,
) -> Perturbed:
    """Remove each concept's features and read every concept's probe again.

    For every concept a logistic probe is fitted on the hidden state (training half of the documents,
    balanced). A feature's effect on it is max(0, rise of its mean activation on the concept) times
    the product of its direction with the probe's weights; the features with the largest positive
    effect are removed, a_n(t) times the direction taken off the state, and the accuracy of all
    probes read again on held-out examples. Score of a concept: fall of its own accuracy minus the
    mean fall of the others'; high where features are its own. Concepts with too few examples are
    left out. directions, states: as in `absorption`. Raises ValueError with fewer than two concepts.
    """
    splits = {one: split for one in concepts if (split := split_of(text, one, count=count, seed=seed))}
    if len(splits) < 2:
        raise ValueError(f"{len(splits)} of {len(concepts)} concepts have enough examples; two are needed")
    codes = to_csr(text.batch.codes)
    states: Any = codes if text.states is None else text.states.double().numpy()
    vectors = None if directions is None else directions.double().numpy()
    probes = {one: Probe.fit(states[split.train], split.y_train) for one, split in splits.items()}
    clean = np.array([_accuracy(probes[one], states[split.test], split) for one, split in splits.items()])
    removed = {}
    ranked = {one: _ranked(codes, split, probes[one], vectors) for one, split in splits.items()}
    for size in sorted(set(sizes)):
        table = np.zeros((len(splits), len(splits)))
        for a, owner in enumerate(splits):
            gone = ranked[owner][:size]
            for b, (probed, split) in enumerate(splits.items()):
                # the probe is linear, so what the features add to its score can be taken off it
                along = probes[probed].weights if vectors is None else vectors @ probes[probed].weights
                lost = codes[split.test][:, gone] @ along[gone]
                scores = probes[probed].scores(states[split.test]) - lost
                table[a, b] = ((scores > 0) == split.y_test).mean()
        removed[size] = table
    return Perturbed(tuple(splits), clean, removed)


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
    """Measure targeted probe perturbation: means over concepts, and each concept's score."""
    found = perturb(text, concepts, directions=directions, sizes=sizes, count=count, seed=seed)
    n_tokens = len(text.places)
    rows = []
    for size in found.removed:
        fall = found.clean - found.removed[size]
        own = np.diagonal(fall)
        others = (fall.sum(1) - own) / (len(own) - 1)
        rows.append(mean_row(f"tpp/{size}", own - others, n_tokens=n_tokens))
        rows.append(mean_row(f"tpp_own/{size}", own, n_tokens=n_tokens))
        rows.append(mean_row(f"tpp_others/{size}", others, n_tokens=n_tokens))
    for size in found.removed:
        for concept, score in zip(found.concepts, found.score(size), strict=True):
            rows.append(row(f"tpp/{size}", float(score), n_tokens=n_tokens, n=1, about=names[concept]))
    return rows


def _ranked(codes: Any, split: Split, probe: Probe, vectors: Array | None) -> Array:
    """Return the features with a positive effect on a probe, largest first."""
    along = probe.weights if vectors is None else vectors @ probe.weights
    effect = np.maximum(difference(codes[split.train], split.y_train), 0.0) * along
    order = np.argsort(-effect, kind="stable")
    return np.asarray(order[: int((effect > 0).sum())])


def _accuracy(probe: Probe, states: Any, split: Split) -> float:
    return float(((probe.scores(states) > 0) == split.y_test).mean())
