"""How well each feature's firing agrees with a rule of its own: this or the next token is of some types."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

from .batch import Array, Batch, checked, halves, positive
from .scores import levels_of


class RuleScores(NamedTuple):
    """Best-threshold F1 of each feature on its own rule, on each half of the documents."""

    f1: Float[Tensor, "half count feature"]
    """With the first 1, 2, ... of the feature's types as the rule; 0 where it never holds."""
    firings: Int[Tensor, "half feature"]


def rule_f1(
    batch: Batch, types: Int[Tensor, "feature count"], *, following: bool = False, seed: int = 0
) -> RuleScores:
    """Score every feature on "the token is one of its types", or on "the next token is".

    types: each feature's token types in order of rank, -1 for none. following: look at the next token
    of the same document; the batch must then be a contiguous text. F1 as in `concept_scores`: the
    rule holds on the positives, a threshold on the activation claims tokens.
    """
    batch = checked(batch)
    half = halves(batch.documents, seed=seed)
    ids = batch.token_ids.numpy().astype(np.int64)
    if following:
        same = np.append(np.diff(batch.documents.numpy()) == 0, False)
        ids = np.where(same, np.roll(ids, -1), -1)
    codes = positive(batch.codes)
    features, rows = codes.indices.numpy().astype(np.int64), codes.rows.numpy()
    table = types.numpy()
    vocabulary = max(int(ids.max(initial=0)), int(table.max(initial=0))) + 1
    totals = [np.bincount(ids[(half == part) & (ids >= 0)], minlength=vocabulary) for part in (0, 1)]
    levels = levels_of(codes, exact=True)
    owner, place = levels.keys >> 32, levels.places.indices
    found = np.zeros((2, table.shape[1], len(table)))
    firings = np.zeros((2, len(table)), np.int64)
    for part in (0, 1):
        here = half[rows] == part
        fired = np.bincount(place[here], minlength=len(owner))
        firings[part] = np.bincount(owner, fired, minlength=len(table))
        hit = np.zeros(len(rows), bool)
        positives = np.zeros(len(table))
        for rank in range(table.shape[1]):
            chosen = table[:, rank]
            hit |= (ids[rows] == chosen[features]) & (chosen[features] >= 0)
            positives = positives + np.where(chosen >= 0, totals[part][np.maximum(chosen, 0)], 0)
            hits = np.bincount(place[here & hit], minlength=len(owner))
            found[part, rank] = _best(owner, hits, fired, positives)
    return RuleScores(torch.from_numpy(found).float(), torch.from_numpy(firings))


def top_types(batch: Batch, *, count: int, half: int = 0, seed: int = 0) -> Int[Tensor, "feature count"]:
    """Return each feature's token types with the largest mass on one half, largest first; -1 for none."""
    batch = checked(batch)
    chosen = halves(batch.documents, seed=seed) == half
    codes = positive(batch.codes)
    rows = codes.rows.numpy()
    kept = chosen[rows]
    pairs = (codes.indices.numpy()[kept], batch.token_ids.numpy()[rows[kept]])
    shape = (codes.width, int(batch.token_ids.max()) + 1 if len(codes) else 1)
    mass = sparse.coo_array((codes.values.double().numpy()[kept], pairs), shape=shape).tocsr()
    found = np.full((codes.width, count), -1)
    for feature in range(codes.width):
        part = slice(mass.indptr[feature], mass.indptr[feature + 1])
        best = np.argsort(-mass.data[part], kind="stable")[:count]
        found[feature, : len(best)] = mass.indices[part][best]
    return torch.from_numpy(found)


def _best(owner: Array, hits: Array, fired: Array, positives: Array) -> Array:
    """Return each feature's best F1 over its levels, which fall within the feature."""
    first = np.searchsorted(owner, owner)

    def summed(counts: Array) -> Array:
        before = np.append(0, counts.cumsum())
        return np.asarray(before[1:] - before[first])

    claimed = summed(fired) + positives[owner]
    score = np.divide(2 * summed(hits), claimed, out=np.zeros(len(owner)), where=claimed > 0)
    best = np.zeros(len(positives))
    np.maximum.at(best, owner, score)
    return best
