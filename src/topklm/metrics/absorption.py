"""Absorption: is a concept's own feature silent where a narrower feature stands in for it?

The definitions are SAEBench's (Karvonen et al. 2025, 2503.09532, after Chanin et al. 2024, 2409.14507),
there for first letters of words, here for any concept.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..core.stats import Estimate, bootstrap_ratio
from .batch import Array, Row, mean_row, per_document, row, to_csr
from .examples import EXAMPLES, Text
from .probing import Probe, Split, split_of

MOST_FEATURES = 10
F1_JUMP = 0.03
"""A further feature is one of the concept's own while it raises F1 by more than this."""
PROBE_F1 = 0.6
"""Below it the state does not hold the concept linearly, and absorption has no meaning."""
FULL_COSINE = 0.025
COSINE = 0.1
PROPORTION = 0.4
ABSORBERS = 3
SILENT = 1e-8


class Absorbed(NamedTuple):
    """Absorption of one concept over held-out examples that the probe on the state gets right."""

    concept: int
    fraction: Estimate
    """Mean share of the concept's direction that others supply where its own features should."""
    full: Estimate
    """Share of examples where its own features are silent and one other supplies the direction."""
    main_features: tuple[int, ...]
    probe_f1: float
    n_examples: int


class Reading(NamedTuple):
    """What each example's absorption is read from."""

    projections: Array
    """Of the state on the probe's unit direction: shape (examples,)."""
    parts: Array
    """What each feature adds to it: shape (examples, features)."""
    activations: Array
    cosines: Array
    """Of each feature's direction with the probe's."""


def absorption(
    text: Text,
    concept: int,
    *,
    directions: Float[Tensor, "feature dim"] | None = None,
    count: int = EXAMPLES,
    seed: int = 0,
) -> Absorbed | None:
    """Measure the absorption of one concept; None where it is too rare or the state does not hold it.

    A logistic probe on the hidden state gives the concept's direction. Its main features are the
    best of an L1 probe on the codes, as many as each raise the F1 of a probe on them by more than
    0.03 on held-out documents (at most 10). Over held-out examples with the concept that the probe
    on the state recognises, with p the state's projection on the direction and m, o what the main
    features and the three strongest others (cosine >= 0.1 with the direction) add to it:

    - fraction: 0 where m >= p or o < 0.4 p; 1 where m <= 0; else min(o, p - m) / (min(o, p - m) + m);
    - full: the main features are silent, and the feature that adds most has a cosine >= 0.025 and
      adds >= 0.4 p.

    directions: the vector each feature adds to the state (an SAE's decoder); default: each neuron its
    own axis. The state is `text.states`, or the codes where there is none.
    """
    split = split_of(text, concept, count=count, seed=seed)
    if split is None:
        return None
    codes = to_csr(text.batch.codes)
    states: Any = codes if text.states is None else text.states.double().numpy()
    truth = Probe.fit(states[split.train], split.y_train)
    claims = truth.scores(states[split.test]) > 0
    probe_f1 = f1_of(claims, split.y_test)
    if probe_f1 < PROBE_F1:
        return None
    main = main_features(codes, split)
    rows = split.test[claims & (split.y_test == 1)]
    reading = _read(states[rows], codes[rows].toarray(), truth.weights, directions)
    documents = text.batch.documents.numpy()[rows]
    return Absorbed(
        concept,
        fraction=bootstrap_ratio(*per_document(documents, absorbed_fraction(reading, main))),
        full=bootstrap_ratio(*per_document(documents, fully_absorbed(reading, main))),
        main_features=main,
        probe_f1=probe_f1,
        n_examples=len(rows),
    )


def measure(
    text: Text,
    *,
    concepts: Iterable[int],
    names: Sequence[str],
    directions: Float[Tensor, "feature dim"] | None = None,
    count: int = EXAMPLES,
    seed: int = 0,
) -> list[Row]:
    """Measure the absorption of concepts, each one's and the means."""
    tried = [absorption(text, one, directions=directions, count=count, seed=seed) for one in concepts]
    found = [one for one in tried if one is not None]
    n_tokens = len(text.places)
    rows = [
        mean_row("absorption_fraction", [one.fraction.value for one in found], n_tokens=n_tokens),
        mean_row("full_absorption", [one.full.value for one in found], n_tokens=n_tokens),
        mean_row("main_features", [len(one.main_features) for one in found], n_tokens=n_tokens),
        row("concepts_not_measured", float(len(tried) - len(found)), n_tokens=n_tokens, n=len(tried)),
    ]
    for one in found:
        about = names[one.concept]
        rows.append(row("absorption_fraction", one.fraction, n_tokens=one.n_examples, n=1, about=about))
        rows.append(row("full_absorption", one.full, n_tokens=one.n_examples, n=1, about=about))
    return rows


def main_features(codes: Any, split: Split) -> tuple[int, ...]:
    """Find the features that stand for a concept: best first, while each still raises held-out F1."""
    weights = Probe.fit(codes[split.train], split.y_train, l1=True, balanced=True).weights
    ranked = np.argsort(-weights, kind="stable")[:MOST_FEATURES]
    best, chosen = -np.inf, 0
    for size in range(1, len(ranked) + 1):
        few = codes[:, ranked[:size]].toarray()
        fitted = Probe.fit(few[split.train], split.y_train, balanced=True)
        f1 = f1_of(fitted.scores(few[split.test]) > 0, split.y_test)
        if f1 <= best + F1_JUMP:
            break
        best, chosen = f1, size
    return tuple(ranked[:chosen].tolist())


def absorbed_fraction(reading: Reading, main: Sequence[int]) -> Array:
    """Return each example's absorbed fraction, between 0 and 1."""
    own = reading.parts[:, main].sum(1)
    others = np.where(reading.cosines >= COSINE, np.maximum(reading.parts, 0.0), 0.0)
    others[:, main] = 0.0
    others = -np.sort(-others, axis=1)[:, :ABSORBERS].sum(1)
    missing = reading.projections - own
    taken = np.minimum(others, missing)
    none = (own >= reading.projections) | (others < PROPORTION * reading.projections)
    none |= reading.projections <= 0
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(own <= 0, 1.0, taken / (taken + own))
    return np.where(none, 0.0, np.clip(share, 0.0, 1.0))


def fully_absorbed(reading: Reading, main: Sequence[int]) -> Array:
    """Tell for each example whether a single other feature has taken the concept's place."""
    silent = (np.abs(reading.activations[:, main]) < SILENT).all(1)
    top = reading.parts.argmax(1)
    supplied = reading.parts[np.arange(len(top)), top] >= PROPORTION * reading.projections
    aligned = reading.cosines[top] >= FULL_COSINE
    return np.asarray(silent & aligned & supplied & (reading.projections > 0))


def f1_of(claims: Array, truth: Array) -> float:
    """Return the F1 of claims; 0 where there is nothing right."""
    right = float((claims & (truth == 1)).sum())
    return 2 * right / max(float(claims.sum() + (truth == 1).sum()), 1.0)


def _read(states: Any, activations: Array, weights: Array, directions: Tensor | None) -> Reading:
    unit = weights / max(float(np.linalg.norm(weights)), 1e-12)
    if directions is None:
        along, cosines = unit, unit
    else:
        vectors = directions.double().numpy()
        along = vectors @ unit
        cosines = along / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    return Reading(np.asarray(states @ unit), activations * along, activations, cosines)
