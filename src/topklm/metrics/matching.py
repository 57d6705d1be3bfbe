"""Matching two sets of features: does the index keep its meaning, and is there a partner at all?"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.errors import InputError
from ..core.stats import Estimate, bootstrap_ratio, is_live
from ..model import SparseCodes
from .batch import Row, mean_row, row
from .null import shifted
from .similarity import Overlap, Similarity, similarity

PERMUTATIONS = 100
SHIFTS = 3
WIDEST = 8192
"""Optimal assignment grows with the cube of the width; beyond this it takes too long."""


class Assignment(NamedTuple):
    """The one-to-one pairing of features that makes the sum of cosines largest."""

    first: Int[Tensor, " pair"]
    second: Int[Tensor, " pair"]
    cosine: Float[Tensor, " pair"]


class Chance(NamedTuple):
    """What matching gives where nothing matches."""

    identity_match: Estimate
    """Mean identity-match rate over random permutations of B's indices; interval over permutations."""
    best_cosine: Float[Tensor, " feature"]
    """Best-match cosine when B's codes are shifted along the text, mean over draws."""


def identity_match(found: Similarity) -> Estimate:
    """Return the share of A's live features whose most similar feature in B has the same index.

    NaN without live features. Interval: bootstrap over features. Source: design of topklm.
    """
    kept = (found.best == torch.arange(len(found.best)))[found.live].double()
    if not len(kept):
        return Estimate(np.nan, np.nan, np.nan)
    return bootstrap_ratio(kept.numpy(), np.ones(len(kept)))


def chance(
    a: SparseCodes, b: SparseCodes, found: Similarity, *, draws: int = SHIFTS, seed: int = 0
) -> Chance:
    """Measure matching without anything to match: indices permuted, and tokens shifted as a ring.

    The shift keeps every feature's density and runs and breaks only what ties it to the token.
    """
    generator = np.random.default_rng(seed)
    own = np.flatnonzero(found.live.numpy())
    best = found.best.numpy()[own]
    hits = []
    for _ in range(PERMUTATIONS):
        moved_to = np.resize(generator.permutation(b.width), a.width)[own]
        hits.append(float((moved_to == best).mean()) if len(own) else np.nan)
    moved = [
        similarity(a, shifted(b, int(by)), seed=seed).best_cosine
        for by in generator.integers(len(b) // 4, max(len(b) - len(b) // 4, 1), size=draws)
    ]
    found_by_luck = bootstrap_ratio(hits, np.ones(len(hits)))
    return Chance(found_by_luck, torch.stack(moved).mean(0))


def assign(
    cosine: Float[Tensor, "feature other"],
    live_a: Bool[Tensor, " feature"],
    live_b: Bool[Tensor, " other"],
) -> Assignment:
    """Pair live features one to one so that the sum of cosines is largest (Hungarian algorithm, scipy).

    Raises InputError beyond 8,192 live features: take the best match there.
    """
    from scipy.optimize import linear_sum_assignment

    first, second = live_a.nonzero().flatten(), live_b.nonzero().flatten()
    if max(len(first), len(second)) > WIDEST:
        raise InputError(
            f"optimal assignment of {len(first)} to {len(second)} features would take too long; "
            f"give at most {WIDEST}, or use best-match similarity"
        )
    table = cosine[first][:, second]
    rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
    return Assignment(first[rows], second[columns], table[rows, columns].float())


def measure(a: SparseCodes, b: SparseCodes, *, assigned: bool = True, seed: int = 0) -> list[Row]:
    """Compare two sets of features on the same tokens, each number with its chance.

    assigned: also pair one to one (needs a matrix of width by width). Means are over live features
    of A.
    """
    overlap = Overlap(a.width, b.width) if assigned else None
    if overlap is not None:
        overlap.update(a, b)
    found = similarity(a, b, seed=seed) if overlap is None else overlap.result(seed=seed)
    by_chance = chance(a, b, found, seed=seed)
    live, n = found.live, found.n_tokens
    means = {
        "same_index_cosine": found.same_cosine,
        "same_index_cosine/permuted": found.chance_cosine,
        "same_index_jaccard": found.same_jaccard,
        "same_index_jaccard/permuted": found.chance_jaccard,
        "best_match_cosine": found.best_cosine,
        "best_match_cosine/shifted": by_chance.best_cosine,
        "best_match_jaccard": found.best_jaccard,
    }
    rows = [mean_row(metric, values[live], n_tokens=n) for metric, values in means.items()]
    count = int(live.sum())
    rows.append(row("identity_match", identity_match(found), n_tokens=n, n=count))
    rows.append(row("identity_match/permuted", by_chance.identity_match, n_tokens=n, n=count))
    if overlap is not None:
        live_b = torch.from_numpy(is_live(overlap.firings[1], n))
        pairs = assign(overlap.cosine(), live, live_b)
        rows.append(mean_row("assigned_cosine", pairs.cosine, n_tokens=n))
    return rows
