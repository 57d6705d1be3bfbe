"""What is measured of every feature at one checkpoint, from its codes on the probe text alone."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse

from ..core.stats import is_live
from ..metrics.batch import Batch, positive, to_csr
from ..metrics.entropies import entropies
from ..metrics.examples import text_of
from ..metrics.firings import kept_samples
from ..metrics.labelled import CHOOSING, READING, concept_features, eligible
from ..metrics.matching import assign
from ..metrics.scores import ConceptCounts, ConceptScores
from ..metrics.senses import senses
from ..metrics.similarity import Overlap, Similarity
from ..model import SparseCodes
from .probe import Probe

Array = np.ndarray[Any, Any]
TOP_TOKENS = 5
TOP_CONCEPTS = 5
SHOWN_F1 = 0.25
"""A concept is noted with a feature where its F1, on the half that chooses, is at least this."""
ASSIGNED = 2048
"""Optimal assignment is made up to so many features; its time grows with the cube."""


class Described(NamedTuple):
    """The features of one site at one checkpoint, as columns; the best feature of each concept and word."""

    features: dict[str, Any]
    concepts: dict[str, Any]
    senses: dict[str, Any]


def describe(codes: SparseCodes, probe: Probe) -> Described:
    """Measure density, entropies, top tokens and concept scores of each feature: of firings above zero."""
    codes = positive(codes)
    batch = probe.batch(codes)
    firings = torch.bincount(codes.indices.long(), minlength=codes.width)
    strongest, drawn = map(entropies, kept_samples(batch))
    counts = ConceptCounts(codes.width, len(probe.labels.names))
    counts.update(batch)
    scores = counts.result()
    features = {
        "firings": firings.numpy(),
        "density": firings.numpy() / len(codes),
        "token_entropy": strongest.token.numpy(),
        "token_entropy_random": drawn.token.numpy(),
        "enough_firings": strongest.enough.numpy(),
        "top_tokens": top_tokens(codes, probe),
        "concepts": top_concepts(scores, probe.labels.names),
    }
    return Described(features, _best_features(scores, probe.labels.names), word_senses(batch, probe))


def top_tokens(codes: SparseCodes, probe: Probe) -> list[list[dict[str, Any]]]:
    """List each feature's token types with the largest token mass, with their shares of it. All codes > 0."""
    types = probe.ids.numpy()
    ones = sparse.csr_array((np.ones(len(types)), types, np.arange(len(types) + 1)))
    masses = (to_csr(codes).T.tocsr() @ ones).tocsr()
    found = []
    for start, end in pairwise(masses.indptr):
        mass, own = masses.data[start:end], masses.indices[start:end]
        cut = max(0, len(mass) - TOP_TOKENS)
        least = np.partition(mass, cut)[cut] if len(mass) else 0.0
        largest = np.flatnonzero(mass >= least)
        order = largest[np.lexsort((own[largest], -mass[largest]))][:TOP_TOKENS]
        shares = mass[order] / mass.sum()
        found.append(
            [
                {"token": int(one), "text": probe.texts[one], "share": float(share)}
                for one, share in zip(own[order], shares, strict=True)
            ]
        )
    return found


def top_concepts(scores: ConceptScores, names: tuple[str, ...]) -> list[list[dict[str, Any]]]:
    """List the concepts that each feature tells best on one half, with their F1 on the other."""
    chosen = torch.where(eligible(scores), scores.f1[CHOOSING], -1.0)
    best = chosen.topk(min(TOP_CONCEPTS, len(names)), dim=1)
    return [
        [
            {"concept": names[concept], "f1": float(scores.f1[READING, feature, concept])}
            for concept, f1 in zip(concepts, f1s, strict=True)
            if f1 >= SHOWN_F1
        ]
        for feature, (concepts, f1s) in enumerate(
            zip(best.indices.tolist(), best.values.tolist(), strict=True)
        )
    ]


def _best_features(scores: ConceptScores, names: tuple[str, ...]) -> dict[str, Any]:
    chosen = concept_features(scores)
    there = chosen.feature >= 0
    return {
        "concept": list(names),
        "index": [int(one) if ok else None for one, ok in zip(chosen.feature, there, strict=True)],
        "f1": chosen.f1.numpy(),
        "chosen_f1": chosen.chosen_f1.numpy(),
    }


def word_senses(batch: Batch, probe: Probe) -> dict[str, Any]:
    """Say for each ambiguous word which feature tells its meanings apart, and how well."""
    found = senses(text_of(batch), probe.words, carried=probe.carriers)
    return {
        "word": [one.word for one in found],
        "index": [one.feature if one.feature >= 0 else None for one in found],
        "auroc": [one.auroc.value for one in found],
        "ratio": [one.ratio for one in found],
        "separated": [one.separated for one in found],
        "enough": [one.enough for one in found],
    }


class Matched(NamedTuple):
    """How the features of one checkpoint find themselves again in another."""

    columns: dict[str, Array]
    assigned_cosine: Array
    """Of each feature's partner in the optimal assignment; NaN where it has none or it was not made."""


def match(codes: SparseCodes, other: SparseCodes, *, seed: int = 0) -> Matched:
    """Compare every feature with every one of another checkpoint on the same tokens."""
    overlap = Overlap(codes.width, other.width)
    overlap.update(codes, other)
    found = overlap.result(seed=seed)
    return Matched(_columns(found), assigned(overlap, found))


def assigned(overlap: Overlap, found: Similarity) -> Array:
    """Return the cosine of each live feature with its partner in the optimal assignment."""
    cosine = np.full(len(found.live), np.nan)
    live = torch.from_numpy(is_live(overlap.firings[1], overlap.n_tokens))
    if max(int(found.live.sum()), int(live.sum())) <= ASSIGNED:
        pairs = assign(overlap.cosine(), found.live, live)
        cosine[pairs.first.numpy()] = pairs.cosine.numpy()
    return cosine


def _columns(found: Similarity) -> dict[str, Array]:
    return {
        "cosine": found.same_cosine.numpy(),
        "jaccard": found.same_jaccard.numpy(),
        "best": found.best.numpy(),
        "best_cosine": found.best_cosine.numpy(),
        "permuted_cosine": found.chance_cosine.numpy(),
    }


class Measured(NamedTuple):
    """What is measured of a source at a checkpoint, by site."""

    described: dict[int, Described]
    final: dict[int, Matched]
    """Matched with the last checkpoint."""
    following: dict[int, Matched] | None
    """Matched with the next one."""


def measure_sites(
    codes: Mapping[int, SparseCodes],
    probe: Probe,
    *,
    final: Mapping[int, SparseCodes],
    following: Mapping[int, SparseCodes] | None,
) -> Measured:
    """Describe and match the features of every site, several at a time on as many threads as torch has."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        described = {site: pool.submit(describe, one, probe) for site, one in codes.items()}
        last = {site: pool.submit(match, one, final[site]) for site, one in codes.items()}
        after = None
        if following is not None:
            after = {site: pool.submit(match, one, following[site]) for site, one in codes.items()}
    return Measured(
        {site: one.result() for site, one in described.items()},
        {site: one.result() for site, one in last.items()},
        None if after is None else {site: one.result() for site, one in after.items()},
    )
