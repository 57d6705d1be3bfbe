"""Balanced examples of concepts: some tokens that carry each, and some that do not.

`ExampleSample` keeps them from a stream, with their codes and hidden states, so that what needs a text in
memory (probing, absorption, perturbation, senses) can be measured on texts of any length: it finds the very
examples there that it would find in the whole text.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.hashing import hashed
from ..model import SparseCodes
from .batch import Array, Batch, checked, halves, labels_of, take_rows

EXAMPLES = 1000
"""Examples of each side of a concept, at most."""
BACKGROUND = 4
"""Times as many tokens are kept whatever they carry, so that there are enough that do not."""


class Text(NamedTuple):
    """Tokens with all that is known of them; places say where they stood."""

    batch: Batch
    places: Int[Tensor, " row"]
    states: Float[Tensor, "row dim"] | None = None
    """Hidden states, where they are something else than the codes."""


class Examples(NamedTuple):
    """Rows of a text that serve as examples of a concept, in equal numbers on both sides."""

    rows: Int[Tensor, " example"]
    carries: Bool[Tensor, " example"]


def text_of(batch: Batch, states: Float[Tensor, "row dim"] | None = None) -> Text:
    """Make a text of one batch in memory."""
    places = torch.arange(len(batch.codes)) + batch.start
    return Text(checked(batch), places, None if states is None else states.cpu())


def balanced(
    text: Text,
    concept: int,
    *,
    among: Bool[Tensor, " row"] | None = None,
    count: int = EXAMPLES,
    seed: int = 0,
) -> Examples:
    """Choose equally many tokens with and without a concept, at most `count` of each.

    among: the tokens to choose from (default: all). Chosen are those whose place has the smallest
    hash, so the choice does not depend on what else was kept.
    """
    carries = carrying(text, concept)
    allowed = torch.ones_like(carries) if among is None else among
    sides = [_first(text, side & allowed, count, seed) for side in (carries, ~carries)]
    size = min(len(side) for side in sides)
    rows = torch.cat([side[:size] for side in sides])
    return Examples(rows, carries[rows])


def carrying(text: Text, concept: int) -> Bool[Tensor, " row"]:
    """Tell which tokens carry a concept."""
    labels = labels_of(text.batch)
    found = torch.zeros(len(labels), dtype=torch.bool)
    entries = (labels.indices == concept).nonzero().flatten()
    found[torch.searchsorted(labels.offsets, entries, right=True) - 1] = True
    return found


def sampled(text: Text, concept: int, *, count: int = EXAMPLES, seed: int = 0) -> Bool[Tensor, " row"]:
    """Tell which tokens are a uniform sample of those that carry a concept, at most `count`."""
    found = torch.zeros(len(text.places), dtype=torch.bool)
    found[_first(text, carrying(text, concept), count, seed)] = True
    return found


def _first(text: Text, tokens: Tensor, count: int, seed: int) -> Tensor:
    """Return the rows among `tokens` whose place has the smallest hash."""
    rows = tokens.nonzero().flatten()
    order = np.argsort(hashed(text.places[rows].numpy(), seed))[:count]
    return rows[torch.from_numpy(order)]


class ExampleSample:
    """Keeps tokens from a stream: of every concept a uniform sample, and one of all tokens.

    A sample has `count` tokens of the whole text and `count` / 2 of each half of its documents, as
    probing asks for. Memory: at most 1.5 * (concepts + 4) * count tokens with their codes, and states where
    they are given. Parts of a text merge exactly.

        sample = ExampleSample(n_concepts)
        for batch in stream: sample.update(batch)
        probing.measure(sample.result())
    """

    def __init__(self, n_concepts: int, *, count: int = EXAMPLES, seed: int = 0) -> None:
        self.n_concepts, self.count, self.seed = n_concepts, count, seed
        self.waiting: list[Text] = []
        # of every concept, and last of all tokens: the whole text, and each half of the documents
        self.sizes = np.tile([count, count // 2, count // 2], (n_concepts + 1, 1))
        self.sizes[-1] *= BACKGROUND
        # a token whose hash is beyond the limits of all its samples cannot be kept
        self.limits = np.full(self.sizes.shape, np.iinfo(np.uint64).max)
        self.settled = 0

    def update(self, batch: Batch, states: Float[Tensor, "row dim"] | None = None) -> None:
        """Read one batch; states: the hidden states of its tokens. Its `start` must be right."""
        batch = checked(batch)
        labels = labels_of(batch)
        if labels.width != self.n_concepts:
            raise ValueError(f"expected {self.n_concepts} concepts, not {labels.width}")
        text = text_of(batch, states)
        keys = hashed(text.places.numpy(), self.seed)
        near = np.zeros(len(keys), np.bool_)
        for rows, owner, kind in self._samples(text):
            near[rows[keys[rows] <= self.limits[owner, kind]]] = True
        self._wait(_chosen(text, torch.from_numpy(np.flatnonzero(near))))

    def merge(self, other: "ExampleSample") -> None:
        """Add what another one kept from another part of the text."""
        if (self.n_concepts, self.count, self.seed) != (other.n_concepts, other.count, other.seed):
            raise ValueError("only samples of the same size, concepts and seed can be merged")
        for text in other.waiting:
            self._wait(text)

    def result(self) -> Text:
        """Return what is kept, in order of place. Raises ValueError where nothing was read."""
        if not self.waiting:
            raise ValueError("no token was read")
        self._settle()
        return _chosen(self.waiting[0], torch.argsort(self.waiting[0].places))

    def _wait(self, text: Text) -> None:
        """Put tokens beside the others; sort out what is kept only now and then, since that takes time."""
        self.waiting.append(text)
        if sum(len(one.places) for one in self.waiting) > 2 * self.settled + self.count:
            self._settle()

    def _samples(self, text: Text) -> Iterator[tuple[Array, Array, Array]]:
        """Yield which token belongs to which sample: rows, concepts, and 0 (whole text), 1 or 2 (a half)."""
        labels, half = labels_of(text.batch), halves(text.batch.documents, seed=self.seed)
        everything = np.arange(len(text.places))
        rows = np.append(labels.rows.numpy(), everything)
        owner = np.append(labels.indices.numpy(), np.full(len(everything), self.n_concepts))
        yield rows, owner, np.zeros(len(rows), np.int64)
        yield rows, owner, 1 + half[rows]

    def _settle(self) -> None:
        """Keep what is to be kept of all that waits, and note from where on nothing will be."""
        text = _joined(self.waiting)
        keys = hashed(text.places.numpy(), self.seed)
        keep = np.zeros(len(keys), np.bool_)
        for rows, owner, kind in self._samples(text):
            sample = owner * self.sizes.shape[1] + kind
            order = np.lexsort((keys[rows], sample))
            rows, sample = rows[order], sample[order]
            rank = np.arange(len(sample)) - np.searchsorted(sample, sample)
            size = self.sizes.ravel()[sample]
            last = rank == size - 1
            self.limits.ravel()[sample[last]] = keys[rows[last]]
            keep[rows[rank < size]] = True
        kept = _chosen(text, torch.from_numpy(np.flatnonzero(keep)))
        self.waiting, self.settled = [kept], len(kept.places)


def _chosen(text: Text, rows: Tensor) -> Text:
    batch = text.batch
    return Text(
        Batch(
            take_rows(batch.codes, rows),
            batch.token_ids[rows],
            batch.documents[rows],
            take_rows(labels_of(batch), rows),
        ),
        text.places[rows],
        None if text.states is None else text.states[rows],
    )


def _joined(parts: list[Text]) -> Text:
    batches = [part.batch for part in parts]
    states = [part.states for part in parts if part.states is not None]
    return Text(
        Batch(
            SparseCodes.cat([batch.codes for batch in batches]),
            torch.cat([batch.token_ids for batch in batches]),
            torch.cat([batch.documents for batch in batches]),
            SparseCodes.cat([labels_of(batch) for batch in batches]),
        ),
        torch.cat([part.places for part in parts]),
        torch.cat(states) if len(states) == len(parts) else None,
    )
