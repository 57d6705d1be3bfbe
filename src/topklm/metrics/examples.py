"""Balanced examples of concepts: some tokens that carry each, and some that do not.

`ExampleSample` keeps them from a stream, with their codes and hidden states, so that what needs a text in
memory (probing, absorption, perturbation, senses) can be measured on texts of any length: it finds the very
examples there that it would find in the whole text.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core.hashing import hashed
from ..model import SparseCodes
from .batch import Batch, checked, labels_of, take_rows

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
    return Text(batch, torch.arange(len(batch.codes)) + batch.start, states)


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
    found[labels.rows[labels.indices == concept]] = True
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

    Memory: (concepts + 4) * count tokens with their codes, and states where they are given. Parts of
    a text merge exactly.

        sample = ExampleSample(n_concepts)
        for batch in stream: sample.update(batch)
        probing.measure(sample.result())
    """

    def __init__(self, n_concepts: int, *, count: int = EXAMPLES, seed: int = 0) -> None:
        self.n_concepts, self.count, self.seed = n_concepts, count, seed
        self.kept: Text | None = None

    def update(self, batch: Batch, states: Float[Tensor, "row dim"] | None = None) -> None:
        """Read one batch; states: the hidden states of its tokens. Its `start` must be right."""
        if labels_of(checked(batch)).width != self.n_concepts:
            raise ValueError(f"expected {self.n_concepts} concepts, not {labels_of(batch).width}")
        text = text_of(batch, states)
        self._add(_chosen(text, self._keep(text)))

    def merge(self, other: "ExampleSample") -> None:
        """Add what another one kept from another part of the text."""
        if (self.n_concepts, self.count, self.seed) != (other.n_concepts, other.count, other.seed):
            raise ValueError("only samples of the same size, concepts and seed can be merged")
        if other.kept is not None:
            self._add(other.kept)

    def result(self) -> Text:
        """Return what is kept, in order of place. Raises ValueError where nothing was read."""
        if self.kept is None:
            raise ValueError("no token was read")
        return _chosen(self.kept, torch.argsort(self.kept.places))

    def _add(self, new: Text) -> None:
        both = new if self.kept is None else _joined(self.kept, new)
        self.kept = _chosen(both, self._keep(both))

    def _keep(self, text: Text) -> Tensor:
        labels = labels_of(text.batch)
        keys = hashed(text.places.numpy(), self.seed)
        order = np.argsort(keys)
        kept = [order[: self.count * BACKGROUND]]
        rows, concepts = labels.rows.numpy(), labels.indices.numpy()
        by_key = np.lexsort((keys[rows], concepts))
        grouped = concepts[by_key]
        rank = np.arange(len(grouped)) - np.searchsorted(grouped, grouped)
        kept.append(rows[by_key[rank < self.count]])
        return torch.from_numpy(np.unique(np.concatenate(kept)))


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


def _joined(first: Text, second: Text) -> Text:
    a, b = first.batch, second.batch
    states = None
    if first.states is not None and second.states is not None:
        states = torch.cat([first.states, second.states])
    return Text(
        Batch(
            SparseCodes.cat([a.codes, b.codes]),
            torch.cat([a.token_ids, b.token_ids]),
            torch.cat([a.documents, b.documents]),
            SparseCodes.cat([labels_of(a), labels_of(b)]),
        ),
        torch.cat([first.places, second.places]),
        states,
    )
