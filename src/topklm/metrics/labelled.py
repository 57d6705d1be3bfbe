"""Labels of features and coverage of concepts: chosen on one half of the documents, read on the other."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse
from torch import Tensor

from ..core.stats import LABELLED as LABELLED
from ..core.stats import Estimate, interval, is_live, poisson_weights
from .batch import Array, Batch, Row, checked, halves, labels_of, mean_row, positive, row
from .oracle import FAMILIES, Oracle, TypeOracle
from .scores import ConceptCounts, ConceptScores

COVERED = 0.7
FEWEST = 10
"""A concept takes part where it occurs on at least so many tokens of each half."""
CHOOSING, READING = 0, 1
RESAMPLES = 200


class Chosen(NamedTuple):
    """Pairs of a feature and a concept, chosen on one half, with what the other half says of them.

    One per feature (its label) or one per concept (its best feature); feature and concept are -1
    where there is none to choose.
    """

    feature: Int[Tensor, " pair"]
    concept: Int[Tensor, " pair"]
    chosen_f1: Float[Tensor, " pair"]
    """On the half that chose: biased upwards, since it is the largest of many."""
    f1: Float[Tensor, " pair"]
    """On the other half: the score."""
    average_precision: Float[Tensor, " pair"]
    threshold: Float[Tensor, " pair"]


def eligible(scores: ConceptScores) -> Bool[Tensor, " concept"]:
    """Tell which concepts occur often enough on both halves to take part."""
    return (scores.positives >= FEWEST).all(0)


def feature_labels(scores: ConceptScores) -> Chosen:
    """Give each feature its best concept on one half, with score and threshold of the other half.

    A feature is *labelled* where the held-out F1 is at least 0.5.
    """
    f1 = torch.where(eligible(scores), scores.f1[CHOOSING], -1.0)
    best, concept = f1.max(1) if f1.shape[1] else (torch.zeros(len(f1)), torch.zeros(len(f1)).long())
    return _read(scores, torch.arange(len(f1)), concept, best)


def concept_features(scores: ConceptScores) -> Chosen:
    """Give each concept its best feature on one half, with score and threshold of the other half.

    A concept is *covered* where the held-out F1 is at least 0.7. Concepts that are too rare have none.
    """
    best, feature = scores.f1[CHOOSING].max(0)
    best = torch.where(eligible(scores), best, 0.0)
    return _read(scores, feature, torch.arange(len(best)), best)


def _read(scores: ConceptScores, feature: Tensor, concept: Tensor, chosen: Tensor) -> Chosen:
    found = chosen > 0
    safe = torch.where(found, feature, 0), torch.where(found, concept, 0)
    parts = (scores.f1, scores.average_precision, scores.threshold)
    f1, precision, threshold = (torch.where(found, part[READING][safe], torch.nan) for part in parts)
    return Chosen(
        feature=torch.where(found, feature, -1),
        concept=torch.where(found, concept, -1),
        chosen_f1=torch.where(found, chosen, torch.nan),
        f1=f1,
        average_precision=precision,
        threshold=threshold,
    )


class HeldOutCheck:
    """Counts chosen pairs at their thresholds on the reading half, resample by resample of documents.

    A second reading of the stream, for intervals: every document has its Poisson weight in each
    resample, so counts of parts add up. Memory: pairs * resamples.
    """

    def __init__(self, chosen: Chosen, *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        self.chosen, self.resamples, self.seed = chosen, resamples, seed
        self.pairs = np.flatnonzero(chosen.feature.numpy() >= 0)
        order = np.argsort(chosen.feature.numpy()[self.pairs], kind="stable")
        self.pairs = self.pairs[order]
        self.feature = chosen.feature.numpy()[self.pairs]
        self.concept = chosen.concept.numpy()[self.pairs]
        self.threshold = chosen.threshold.numpy()[self.pairs]
        self.true = np.zeros((len(self.pairs), resamples))
        self.claimed = np.zeros((len(self.pairs), resamples))
        self.positives: Array | None = None

    def update(self, batch: Batch) -> None:
        """Count one batch."""
        batch = checked(batch)
        labels = labels_of(batch)
        reading = halves(batch.documents, seed=self.seed) == READING
        numbers, document = np.unique(batch.documents.numpy(), return_inverse=True)
        weights = poisson_weights(numbers, resamples=self.resamples, seed=self.seed)
        rows, pairs = self._claims(batch, reading)
        carried = labels.rows.numpy() * labels.width + labels.indices.numpy()
        true = np.isin(rows * labels.width + self.concept[pairs], carried)
        self.claimed += _weighted(pairs, document[rows], weights, len(self.pairs))
        self.true += _weighted(pairs[true], document[rows[true]], weights, len(self.pairs))
        marked = reading[labels.rows.numpy()]
        tokens, concepts = labels.rows.numpy()[marked], labels.indices.numpy()[marked]
        counted = _weighted(concepts, document[tokens], weights, labels.width)
        self.positives = counted if self.positives is None else self.positives + counted

    def merge(self, other: "HeldOutCheck") -> None:
        """Add the counts of another part of the text, made for the same pairs."""
        self.true += other.true
        self.claimed += other.claimed
        if other.positives is not None:
            self.positives = other.positives + (0 if self.positives is None else self.positives)

    def resampled_f1(self) -> Array:
        """Return each pair's F1 in each resample: shape (pairs, resamples), NaN where there is no pair."""
        f1 = np.full((len(self.chosen.feature), self.resamples), np.nan)
        if self.positives is not None:
            both = self.claimed + self.positives[self.concept]
            f1[self.pairs] = 2 * self.true / np.where(both > 0, both, np.nan)
        return f1

    def result(self) -> list[Estimate]:
        """Return each pair's held-out F1 with its interval over documents."""
        drawn = self.resampled_f1()
        return [interval(float(value), own) for value, own in zip(self.chosen.f1, drawn, strict=True)]

    def _claims(self, batch: Batch, reading: Array) -> tuple[Array, Array]:
        """Return (token, pair) wherever a pair's feature reaches the pair's threshold."""
        codes = positive(batch.codes)
        rows, features = codes.rows.numpy(), codes.indices.numpy()
        first = np.searchsorted(self.feature, features)
        count = np.searchsorted(self.feature, features, side="right") - first
        count = np.where(reading[rows], count, 0)
        ends = count.cumsum()
        pairs = np.repeat(first - (ends - count), count) + np.arange(count.sum())
        rows, values = np.repeat(rows, count), np.repeat(codes.values.float().numpy(), count)
        reached = values >= self.threshold[pairs]
        return rows[reached], pairs[reached]


def measure(
    batches: Iterable[Batch], *, vocabulary: int, seed: int = 0, resamples: int = RESAMPLES
) -> list[Row]:
    """Read a stream twice and return how many features are labelled and how many concepts covered.

    vocabulary: number of token types. The batches must be a list, or something that can be iterated
    again. Intervals: bootstrap over the documents of the reading half.
    """
    counts: ConceptCounts | None = None
    for batch in batches:
        n_concepts = labels_of(batch).width
        if counts is None:
            counts = ConceptCounts(batch.codes.width, n_concepts, seed=seed)
            types = TypeOracle(vocabulary, n_concepts)
        counts.update(batch)
        types.update(batch)
    if counts is None:
        return []
    scores, oracle = counts.result(), types.result()
    checks = [
        HeldOutCheck(chosen, resamples=resamples, seed=seed)
        for chosen in (feature_labels(scores), concept_features(scores))
    ]
    again = 0
    for batch in batches:
        again += len(batch.codes)
        for check in checks:
            check.update(batch)
    if again != oracle.n_tokens:
        raise ValueError("the batches must be readable twice: give a list, or an object with __iter__")
    return rows(scores, oracle, labels=checks[0], features=checks[1])


def rows(scores: ConceptScores, oracle: Oracle, *, labels: HeldOutCheck, features: HeldOutCheck) -> list[Row]:
    """Summarize: labelled features, mean held-out scores, coverage by family beside the oracle."""
    n_tokens = int(scores.n_tokens.sum())
    takes_part = eligible(scores).numpy()
    # where no concept is frequent enough, nothing is known of any feature
    live = is_live(scores.firings.sum(0).numpy(), n_tokens) & takes_part.any()
    every = np.full_like(live, takes_part.any())
    found = [
        _share("labelled_features", labels, live, LABELLED, n_tokens, "live features"),
        _share("labelled_features", labels, every, LABELLED, n_tokens, "all features"),
        _mean("label_f1", labels, live, n_tokens, "live features"),
    ]
    families = np.array(oracle.families)
    for family in ("all", *FAMILIES):
        chosen = takes_part & ((families == family) | (family == "all"))
        about = f"{family} concepts"
        found += [
            _share("concept_coverage", features, chosen, COVERED, n_tokens, about),
            _mean("concept_f1", features, chosen, n_tokens, about),
            mean_row("token_type_oracle_f1", oracle.f1[chosen], n_tokens=n_tokens, about=about),
        ]
    found.append(row("concepts_too_rare", float((~takes_part).sum()), n_tokens=n_tokens, n=len(takes_part)))
    return found


def _share(metric: str, check: HeldOutCheck, units: Array, bar: float, n_tokens: int, about: str) -> Row:
    """Make a row of the share of units whose held-out F1 reaches a bar; without a pair none does."""
    f1, drawn = _held_out(check, units)
    return _averaged(
        metric, (f1 >= bar) * 1.0, np.where(np.isnan(drawn), np.nan, drawn >= bar), n_tokens, about
    )


def _mean(metric: str, check: HeldOutCheck, units: Array, n_tokens: int, about: str) -> Row:
    return _averaged(metric, *_held_out(check, units), n_tokens, about)


def _held_out(check: HeldOutCheck, units: Array) -> tuple[Array, Array]:
    """Return each unit's F1, and that of each resample; NaN where a resample has no document to tell it.

    0 for a unit that has no pair.
    """
    paired = check.chosen.feature.numpy() >= 0
    f1 = np.where(paired, check.chosen.f1.numpy(), 0.0)
    return f1[units], np.where(paired[:, None], check.resampled_f1(), 0.0)[units]


def _averaged(metric: str, values: Array, drawn: Array, n_tokens: int, about: str) -> Row:
    if not len(values):
        return mean_row(metric, values, n_tokens=n_tokens, about=about)
    known = np.isfinite(drawn)
    means = np.nansum(drawn, axis=0) / np.where(known.any(0), known.sum(0), np.nan)
    return row(metric, interval(float(values.mean()), means), n_tokens=n_tokens, n=len(values), about=about)


def _weighted(units: Array, documents: Array, weights: Array, count: int) -> Array:
    """Sum the weights of each unit's documents: shape (count, resamples)."""
    ones = np.ones(len(units))
    table = sparse.coo_array((ones, (units, documents)), shape=(count, len(weights))).tocsr()
    return np.asarray(table @ weights.astype(np.float64))
