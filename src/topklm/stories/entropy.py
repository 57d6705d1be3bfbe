"""Smoothed n-gram models, and the entropies of the stories. What a model's loss is judged by."""

import re
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .engine import Stories, Story

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_WORD = re.compile(r"\w+|[^\w\s]")
_UNKNOWN, _START, _END = 0, 1, 2
_RESERVED = 3


def words(text: str) -> list[str]:
    r"""Split a text into words and punctuation marks, `\w+|[^\w\s]`; case is kept."""
    return _WORD.findall(text)


class _Level(NamedTuple):
    """The counts of one order, sorted by code, and those of its contexts."""

    codes: Ints
    counts: Floats
    contexts: Ints
    totals: Floats
    types: Floats
    discount: float


class NGram:
    """An interpolated Kneser-Ney model of order 1, 2 or 3 over any hashable tokens.

    With c the count of a gram (for lower orders: the number of distinct tokens seen before it),
    D = n1 / (n1 + 2 n2) from the numbers of grams counted once and twice, u the previous tokens
    and u' the same without the first,

        p(w | u) = max(c(u w) - D, 0) / c(u) + D types(u) / c(u) p(w | u')

    and below order 1 a uniform distribution over the known tokens, the end and one unknown token
    (Ney, Essen, Kneser 1994; Chen, Goodman 1999). The end of a document is predicted too.

        model = NGram(3).fit(words(story.text) for story in Stories(0).take(1000))
        model.bits_per_token([words("She walks to the harbour.")])
    """

    def __init__(self, order: int):
        if order not in (1, 2, 3):
            raise ValueError(f"order={order} is not supported; choose 1, 2 or 3")
        self.order = order
        self.ids: dict[Hashable, int] = {}
        self.levels: list[_Level] = []

    @property
    def vocabulary_size(self) -> int:
        """How many tokens can be predicted: the known ones, the end, the unknown one."""
        return len(self.ids) + 2

    @property
    def _base(self) -> int:
        return len(self.ids) + _RESERVED

    def fit(self, documents: Iterable[Sequence[Hashable]]) -> "NGram":
        """Count the documents and return the model itself.

        Raises ValueError if there is no document, or more than 2 million token types.
        """
        ids, flat = self.ids, []
        ids.clear()
        padding = [_START] * (self.order - 1)
        for document in documents:
            flat += padding
            flat += [ids.setdefault(token, len(ids) + _RESERVED) for token in document]
            flat.append(_END)
        if not flat:
            raise ValueError("no document to count; give at least one")
        if self._base >= 1 << 21:
            raise ValueError(f"{len(ids)} token types are too many to count; give at most 2 million")
        grams, counts = np.unique(self._grams(np.array(flat), self.order), return_counts=True)
        self.levels = [self._level(grams, counts)]
        for order in range(self.order - 1, 0, -1):
            grams, counts = np.unique(grams % self._base**order, return_counts=True)
            self.levels.append(self._level(grams, counts))
        return self

    def _grams(self, flat: Ints, order: int) -> Ints:
        """Return the code of the gram that ends at every token that is not a start."""
        codes = np.zeros(len(flat), np.int64)
        for back in range(order):
            shifted = np.full(len(flat), _START, np.int64)
            shifted[back:] = flat[: len(flat) - back]
            codes += shifted * self._base**back
        kept: Ints = codes[flat != _START]
        return kept

    def _level(self, grams: Ints, counts: Ints) -> _Level:
        contexts, first = np.unique(grams // self._base, return_index=True)
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        # A tiny corpus may have no gram counted once; keep some mass for the unseen all the same.
        discount = once / (once + 2 * twice) if once else 0.5
        return _Level(
            codes=grams,
            counts=counts.astype(float),
            contexts=contexts,
            totals=np.add.reduceat(counts, first).astype(float),
            types=np.diff(np.append(first, len(grams))).astype(float),
            discount=discount,
        )

    def probabilities(self, document: Sequence[Hashable]) -> Floats:
        """Return the probability of every token of a document, and of its end."""
        if not self.levels:
            raise ValueError("the model has not counted anything yet; call fit() first")
        known = [self.ids.get(token, _UNKNOWN) for token in document]
        flat = np.array([_START] * (self.order - 1) + [*known, _END], np.int64)
        probability = np.full(len(known) + 1, 1 / self.vocabulary_size)
        for order, level in enumerate(reversed(self.levels), start=1):
            codes = self._grams(flat, order)
            counts = _lookup(level.codes, level.counts, codes)
            totals = _lookup(level.contexts, level.totals, codes // self._base)
            types = _lookup(level.contexts, level.types, codes // self._base)
            seen = totals > 0
            here = np.maximum(counts - level.discount, 0) + level.discount * types * probability
            probability = np.where(seen, here / np.where(seen, totals, 1), probability)
        return probability

    def bits(self, document: Sequence[Hashable]) -> float:
        """Return minus log2 of the probability of a document with its end."""
        return float(-np.log2(self.probabilities(document)).sum())

    def bits_per_token(self, documents: Iterable[Sequence[Hashable]]) -> float:
        """Return the bits of the documents, divided by their tokens (ends cost, but do not count).

        Raises ValueError if there is no token.
        """
        bits, tokens = 0.0, 0
        for document in documents:
            bits += self.bits(document)
            tokens += len(document)
        if not tokens:
            raise ValueError("no token to predict; give at least one document")
        return bits / tokens


def _lookup(keys: Ints, values: Floats, wanted: Ints) -> Floats:
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0.0)


class Entropies(NamedTuple):
    """Bits per word (and punctuation mark) of held-out stories."""

    unigram: float
    bigram: float
    trigram: float
    path: float
    """An upper bound on the entropy of the stories themselves"""
    n_train_words: int
    n_words: int


def entropies(seed: int = 0, *, train_bytes: int = 10_000_000, n_held_out: int = 1_000) -> Entropies:
    """Measure n-gram models of a seed's first `train_bytes` on the stories that follow."""
    train: list[list[str]] = []
    size = 0
    stories = iter(Stories(seed))
    while size < train_bytes:
        text = next(stories).text
        size += len(text.encode()) + 1
        train.append(words(text))
    held_out: list[Story] = [next(stories) for _ in range(n_held_out)]
    texts = [words(story.text) for story in held_out]
    n_words = sum(map(len, texts))
    return Entropies(
        unigram=NGram(1).fit(train).bits_per_token(texts),
        bigram=NGram(2).fit(train).bits_per_token(texts),
        trigram=NGram(3).fit(train).bits_per_token(texts),
        path=sum(story.path_bits for story in held_out) / n_words,
        n_train_words=sum(map(len, train)),
        n_words=n_words,
    )
