"""Senses: does a feature tell the two meanings of an ambiguous word apart?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..core.stats import Estimate, interval, poisson_weights
from ..model import SparseCodes
from .batch import Array, Row, halves, mean_row, positive, row, take_rows
from .examples import EXAMPLES, Text, sampled
from .scores import TOP

APART = 0.9
RATIO = 3.0
FEWEST = 10
"""Occurrences that each meaning, and the other words of its topic, need on each half of the documents."""


class Word(NamedTuple):
    """An ambiguous word: the concepts of its two meanings, and what the topic of each is."""

    word: str
    meanings: tuple[int, int]
    topics: tuple[int, int]
    """The concepts whose tokens are the topic's words, one for each meaning."""


class Sense(NamedTuple):
    """The feature that tells a word's meanings apart best, chosen on one half, read on the other."""

    word: str
    feature: int
    """-1 where there are too few occurrences, or no feature fires on the word often enough."""
    meaning: int
    """The meaning it stands for: 0 or 1."""
    auroc: Estimate
    """Area under the ROC curve for that meaning's occurrences against the other's."""
    ratio: float
    """How often it fires on that meaning, over how often on the other words of that topic."""
    separated: bool
    """AUROC at least 0.9 and ratio at least 3."""
    occurrences: tuple[int, int]
    """Of the two meanings, on the half that is read."""
    enough: bool
    """Whether both meanings and other words of their topics occur at least 10 times on both halves."""


def carriers(text: Text, words: Sequence[Word], *, count: int = EXAMPLES, seed: int = 0) -> list[list[Array]]:
    """Choose for each word the tokens that carry its meanings and its topics: masks over the rows.

    They depend on the labels alone, so one choice serves all features of a text. count: tokens of each at
    most. A text that is itself a sample has to hold as many of each concept as are asked for.
    """
    return [
        [sampled(text, concept, count=count, seed=seed).numpy() for concept in (*word.meanings, *word.topics)]
        for word in words
    ]


def senses(
    text: Text, words: Sequence[Word], *, carried: list[list[Array]] | None = None, seed: int = 0
) -> list[Sense]:
    """Say for each word whether some feature separates its two meanings.

    A feature separates them if it tells one meaning's occurrences from the other's with an AUROC of
    at least 0.9 (ties count half; the AUROC weighs both meanings alike however often each occurs,
    so it is balanced by itself) and fires on that meaning of the word at least 3 times as often as
    on the topic's other words: else it is a feature of the topic. The best of many features is
    chosen on one half of the documents, its numbers are read on the other. carried: `carriers` of the
    text, where it is made already. Source: design of topklm.
    """
    batch = text.batch
    codes = positive(batch.codes)
    half = halves(batch.documents, seed=seed)
    carried = carriers(text, words, seed=seed) if carried is None else carried
    return [
        _sense(codes, carries, half, batch.documents.numpy(), word.word)
        for word, carries in zip(words, carried, strict=True)
    ]


def measure(text: Text, words: Sequence[Word], *, count: int = EXAMPLES, seed: int = 0) -> list[Row]:
    """Return the share of words whose meanings are separated, and the AUROC of each word's feature.

    count: see `carriers`.
    """
    carried = carriers(text, words, count=count, seed=seed)
    found = [sense for sense in senses(text, words, carried=carried, seed=seed) if sense.enough]
    n_tokens = len(text.places)
    separated = np.array([sense.separated for sense in found], np.float64)
    rows = [mean_row("senses_separated", separated, n_tokens=n_tokens)]
    rows.append(row("senses_too_rare", float(len(words) - len(found)), n_tokens=n_tokens, n=len(words)))
    for sense in found:
        rows.append(row("sense_auroc", sense.auroc, n_tokens=sum(sense.occurrences), n=1, about=sense.word))
    return rows


def auroc(codes: SparseCodes, first: Bool[Tensor, " row"]) -> Float[Tensor, " feature"]:
    """Return how well each feature's activation ranks the tokens of `first` above the rest.

    P(a on one of them > a on one of the others) + P(equal) / 2; 0.5 for a feature that never fires.
    Raises ValueError where either side is empty.
    """
    sides = first.numpy().astype(np.int64)
    totals = np.bincount(1 - sides, minlength=2)  # of first, of the rest
    if len(totals) != 2 or not totals.all():
        raise ValueError("an AUROC needs tokens on both sides")
    codes = positive(codes)
    features = codes.indices.numpy().astype(np.int64)
    bits = np.ascontiguousarray(codes.values.float().numpy()).view(np.int32).astype(np.int64)
    keys, place = np.unique((features << 32) | (TOP - bits), return_inverse=True)
    side = 1 - sides[codes.rows.numpy()]
    counts = np.bincount(place * 2 + side, minlength=2 * len(keys)).reshape(-1, 2)
    owner = keys >> 32
    before = np.vstack([np.zeros((1, 2), np.int64), counts.cumsum(0)])
    above = before[:-1] - before[np.searchsorted(owner, owner)]  # of the same feature, larger
    won = counts[:, 0] * (totals[1] - above[:, 1] - counts[:, 1] / 2)
    fired = np.stack([np.bincount(owner, column, minlength=codes.width) for column in counts.T])
    silent = (totals[0] - fired[0]) * (totals[1] - fired[1]) / 2
    area = (np.bincount(owner, won, minlength=codes.width) + silent) / totals.prod()
    return torch.from_numpy(area).float()


def _sense(codes: SparseCodes, carries: list[Array], half: Array, documents: Array, word: str) -> Sense:
    first, second = carries[0] & ~carries[1], carries[1] & ~carries[0]
    either = carries[0] | carries[1]
    counts = [[int((side & (half == part)).sum()) for side in (first, second)] for part in (0, 1)]
    topics = [int((topic & ~either & (half == part)).sum()) for topic in carries[2:] for part in (0, 1)]
    if min(*counts[0], *counts[1], *topics) < FEWEST:
        nothing = Estimate(np.nan, np.nan, np.nan)
        return Sense(word, -1, -1, nothing, np.nan, False, (counts[1][0], counts[1][1]), enough=False)
    areas, ratios = [], []
    for part in (0, 1):
        rows = torch.from_numpy(np.flatnonzero((first | second) & (half == part)))
        areas.append(auroc(take_rows(codes, rows), torch.from_numpy(first)[rows]))
        own = [_rates(codes, side & (half == part)) for side in (first, second)]
        others = [_rates(codes, topic & ~either & (half == part)) for topic in carries[2:]]
        ratios.append(
            torch.stack([a / b for a, b in zip(own, others, strict=True)]).nan_to_num(0.0, posinf=torch.inf)
        )
    towards = torch.stack([areas[0], 1 - areas[0]])  # for the first meaning, for the second
    best = int(torch.where(ratios[0] >= RATIO, towards, -1.0).argmax())
    meaning, feature = divmod(best, codes.width)
    if ratios[0][meaning, feature] < RATIO:
        return Sense(word, -1, -1, Estimate.exact(0.5), 0.0, False, (counts[1][0], counts[1][1]), enough=True)
    area = _area(codes, feature, [side & (half == 1) for side in (first, second)], documents)
    area = area if meaning == 0 else Estimate(1 - area.value, 1 - area.high, 1 - area.low)
    ratio = float(ratios[1][meaning, feature])
    return Sense(
        word,
        feature,
        meaning,
        auroc=area,
        ratio=ratio,
        separated=area.value >= APART and ratio >= RATIO,
        occurrences=(counts[1][0], counts[1][1]),
        enough=True,
    )


def _area(codes: SparseCodes, feature: int, sides: list[Array], documents: Array) -> Estimate:
    """Return one feature's AUROC for the first side, its interval a bootstrap over documents."""
    values, weights = [], []
    for side in sides:
        rows = np.flatnonzero(side)
        own = take_rows(codes, torch.from_numpy(rows))
        found = np.zeros(len(rows))
        mine = (own.indices == feature).numpy()
        found[own.rows.numpy()[mine]] = own.values.double().numpy()[mine]
        values.append(found)
        weights.append(poisson_weights(documents[rows]).astype(np.float64))
    difference = values[0][:, None] - values[1]
    won = (difference > 0) + (difference == 0) / 2
    both = weights[0].sum(0) * weights[1].sum(0)
    drawn = (weights[0] * (won @ weights[1])).sum(0) / np.where(both > 0, both, np.nan)
    return interval(float(won.mean()), drawn)


def _rates(codes: SparseCodes, chosen: Array) -> Tensor:
    """Return the share of chosen tokens on which each feature fires; 0 where none is chosen."""
    rows = torch.from_numpy(np.flatnonzero(chosen))
    counts = torch.bincount(take_rows(codes, rows).indices.long(), minlength=codes.width)
    return counts / max(len(rows), 1)
