"""A synthetic text in which the answer is known: concepts, and features planted for them.

Every metric must find what is planted here and must find nothing in `nothing_planted`.
"""

from typing import NamedTuple

import torch

from topklm.metrics.batch import Batch
from topklm.model import SparseCodes

DOCUMENTS, LENGTH = 240, 50
VOCABULARY = 60
WIDTH = 24
COLOURS = (1, 2, 3, 4)
BIG = tuple(range(30, 38))
ABSORBED = 30
WORD = 10
TOPIC = {0: (20, 21, 22, 23), 1: (25, 26, 27, 28)}

CONCEPTS = (
    "colour",  # lexical: four token types, always
    "mood",  # contextual: stretches of any tokens
    "word/first",  # the ambiguous word under topic 0
    "word/second",  # and under topic 1
    "topic:0",
    "topic:1",
    "big",  # eight token types, one of them rare
    "often",  # mixed: one token type, seven times of ten
    "absent",
)
PERFECT, SPLIT, SPLIT_TOO, MOOD, GENERAL, ABSORBER, SENSE, TOPICAL, MIXED = range(9)
NOISE = range(9, 23)
DEAD = 23


class Planted(NamedTuple):
    """The text with its codes and labels; `dense` is the same codes as a matrix."""

    batch: Batch
    dense: torch.Tensor
    carries: torch.Tensor
    """Which token carries which concept: shape (tokens, concepts)."""


def planted(seed: int = 0) -> Planted:
    """Make the text and plant features 0 to 8; the others are noise, and the last is dead."""
    g = torch.Generator().manual_seed(seed)
    count = DOCUMENTS * LENGTH
    documents = torch.arange(count) // LENGTH
    topic = torch.randint(0, 2, (DOCUMENTS,), generator=g)[documents]
    ids = torch.randint(0, VOCABULARY, (count,), generator=g)
    foreign = (
        sum(((ids == one) & (topic != side) for side in TOPIC for one in TOPIC[side]), torch.tensor(0)) > 0
    )
    ids[foreign] = 0
    ids[(ids == ABSORBED) & (torch.rand(count, generator=g) < 0.7)] = 0  # the absorbed word is rare
    ids[torch.rand(count, generator=g) < 0.05] = WORD
    mood = (torch.arange(count) // 10 % 5 == 2) & (torch.rand(DOCUMENTS, generator=g) < 0.6)[documents]
    carries = torch.zeros(count, len(CONCEPTS), dtype=torch.bool)
    carries[:, 0] = torch.isin(ids, torch.tensor(COLOURS))
    carries[:, 1] = mood
    for side in (0, 1):
        carries[:, 2 + side] = (ids == WORD) & (topic == side)
        carries[:, 4 + side] = torch.isin(ids, torch.tensor(TOPIC[side]))
    carries[:, 6] = torch.isin(ids, torch.tensor(BIG))
    carries[:, 7] = (ids == 40) & (torch.rand(count, generator=g) < 0.7)
    dense = _noise(count, g)
    dense[:, :9] = 0
    fires = {
        PERFECT: carries[:, 0],
        SPLIT: torch.isin(ids, torch.tensor(COLOURS[:2])),
        SPLIT_TOO: torch.isin(ids, torch.tensor(COLOURS[2:])),
        MOOD: mood,
        GENERAL: carries[:, 6] & (ids != ABSORBED),
        ABSORBER: ids == ABSORBED,
        SENSE: carries[:, 2],
        TOPICAL: carries[:, 2] | carries[:, 4],
        MIXED: carries[:, 0] | mood,
    }
    for feature, where in fires.items():
        dense[where, feature] = 1 + torch.rand(int(where.sum()), generator=g)
    return Planted(_batch(dense, ids, documents, carries), dense, carries)


def nothing_planted(seed: int = 0) -> Planted:
    """Make the same text with codes that know nothing of it."""
    text = planted(seed)
    g = torch.Generator().manual_seed(seed + 1)
    dense = _noise(len(text.dense), g)
    batch = text.batch
    return Planted(_batch(dense, batch.token_ids, batch.documents, text.carries), dense, text.carries)


def parts(batch: Batch, size: int) -> list[Batch]:
    """Cut a text into batches, whatever the documents."""
    assert batch.labels is not None
    return [
        Batch(
            batch.codes[start : start + size],
            batch.token_ids[start : start + size],
            batch.documents[start : start + size],
            batch.labels[start : start + size],
            start,
        )
        for start in range(0, len(batch.codes), size)
    ]


def _noise(count: int, g: torch.Generator) -> torch.Tensor:
    dense = torch.rand(count, WIDTH, generator=g) + 0.5
    dense[torch.rand(count, WIDTH, generator=g) > 0.05] = 0
    dense[:, DEAD] = 0
    return dense


def _batch(dense: torch.Tensor, ids: torch.Tensor, documents: torch.Tensor, carries: torch.Tensor) -> Batch:
    return Batch(SparseCodes.from_dense(dense), ids, documents, SparseCodes.from_dense(carries.float()))
