"""Which features are alike: cosines of activation vectors, from sparse codes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from .merge import Related

Array = np.ndarray[Any, Any]
COLUMNS = 1024
"""Features compared with all others at once."""


class Nearest(NamedTuple):
    """The most similar features of each feature, ragged, most similar first."""

    offsets: Array
    """Where each feature's begin, shape (feature + 1,)."""
    others: Array
    similarities: Array


def activations(related: Related, site: int, width: int) -> Any:
    """Build a site's activations as a sparse matrix, shape (token, feature): max(value, 0), float64."""
    token, index, value = related.firings[site]
    keep = value > 0
    entries = (value[keep].astype(np.float64), (token[keep], index[keep].astype(np.int64)))
    return sparse.coo_array(entries, shape=(related.tokens, width)).tocsr()


def nearest(matrix: Any, count: int) -> Nearest:
    """Find for each column the others with the largest cosine, above 0; ties go to the lower index.

    Memory: a block of columns against all, never features by features by tokens.
    """
    width = matrix.shape[1]
    by_column = matrix.tocsc()
    norms = _norms(by_column)
    found: list[Array] = []
    similarities: list[Array] = []
    for start in range(0, width, COLUMNS):
        block = slice(start, min(start + COLUMNS, width))
        cosine = (by_column[:, block].T @ matrix).toarray()
        cosine /= norms[block, None] * norms[None, :]
        own = np.arange(block.stop - start)
        cosine[own, own + start] = 0
        top = np.argpartition(-cosine, min(count, width) - 1, axis=1)[:, :count]
        for row, unordered in enumerate(top):
            others = unordered[np.lexsort((unordered, -cosine[row, unordered]))]
            others = others[cosine[row, others] > 0]
            found.append(others)
            similarities.append(cosine[row, others])
    offsets = np.append(0, np.cumsum([len(others) for others in found]))
    return Nearest(offsets, np.concatenate(found), np.concatenate(similarities))


def same_index(matrices: Mapping[int, Any]) -> dict[tuple[int, int], Array]:
    """Return the cosine of each index at two sites, for every ordered pair of sites of equal width."""
    norms = {site: _norms(matrix) for site, matrix in matrices.items()}
    found: dict[tuple[int, int], Array] = {}
    for one, first in matrices.items():
        for other, second in matrices.items():
            if one < other and first.shape == second.shape:
                together = np.asarray(first.multiply(second).sum(axis=0)).ravel()
                cosine = together / (norms[one] * norms[other])
                found[one, other] = found[other, one] = cosine
    return found


def _norms(matrix: Any) -> Array:
    """Return the columns' lengths; 1 for an empty one, whose products are all 0."""
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0)).ravel())
    return np.where(norms > 0, norms, 1.0)
