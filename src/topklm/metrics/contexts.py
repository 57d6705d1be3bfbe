"""Contexts of firings: which examples of a feature are shown or embedded, and the tokens around them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from .embeddings import Embedder
from .firings import Firings

BEFORE, AFTER = 12, 4
"""Tokens of a context before and after the firing's own."""
TOP = 10
"""Top examples per feature, each from a document of its own."""
RANDOM = 500


class Examples(NamedTuple):
    """Embedded contexts: of the strongest firings of some features, and of tokens drawn at random."""

    features: Int[Tensor, " feature"]
    """The features that have enough examples."""
    top: Float[Tensor, "feature example dim"]
    """Strongest first."""
    random: Float[Tensor, "draw dim"]
    embedder: str
    """The embedding's name, to stand beside every number made from it."""
    n_tokens: int


def embedded_examples(
    firings: Firings,
    token_ids: Any,
    documents: Any,
    embedder: Embedder,
    *,
    top: int = TOP,
    random: int = RANDOM,
    seed: int = 0,
) -> Examples:
    """Embed each feature's top examples, one per document, and as many random contexts as asked for.

    firings: the strongest firings (`FiringSample`), whose positions point into `token_ids` and
    `documents`: the ids and document numbers of the whole text, arrays or memory-mapped ones.
    Features that fire in fewer than `top` documents among their kept firings are left out.
    """
    features, positions = top_positions(firings, count=top)
    drawn = np.random.default_rng(seed).integers(0, len(token_ids), size=random)
    contexts = windows(token_ids, documents, [*positions.flatten().tolist(), *drawn.tolist()])
    vectors = embedder.embed(contexts)
    shape = (len(features), top, vectors.shape[1])
    return Examples(
        features=features,
        top=vectors[: len(features) * top].reshape(shape),
        random=vectors[len(features) * top :],
        embedder=embedder.name,
        n_tokens=firings.n_tokens,
    )


def top_positions(
    firings: Firings, *, count: int = TOP
) -> tuple[Int[Tensor, " chosen"], Int[Tensor, "chosen example"]]:
    """Choose each feature's strongest firings, at most one per document; (features, their positions)."""
    pairs = np.stack([firings.features.numpy(), firings.documents.numpy()])
    _, first = np.unique(pairs, axis=1, return_index=True)  # the first is the document's strongest
    first.sort()
    owners = firings.features.numpy()[first]
    rank = np.arange(len(owners)) - np.searchsorted(owners, owners)
    first, owners, rank = first[rank < count], owners[rank < count], rank[rank < count]
    full = owners[rank == count - 1]
    chosen = first[np.isin(owners, full)]
    return torch.from_numpy(full), firings.positions[torch.from_numpy(chosen)].reshape(-1, count)


def windows(
    token_ids: Any, documents: Any, positions: Sequence[int], *, before: int = BEFORE, after: int = AFTER
) -> list[list[int]]:
    """Return the token ids around each position, cut where its document begins and ends."""
    found = []
    for position in positions:
        start = max(0, position - before)
        near = np.asarray(documents[start : position + after + 1])
        same = near == near[position - start]
        ids = np.asarray(token_ids[start : position + after + 1])[same]
        found.append([int(one) for one in ids])
    return found
