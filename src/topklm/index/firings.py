"""Firings in memory: features in slabs, a firing in 64 bits, so that sorting whole rows is one fast sort."""

from typing import Any, NamedTuple

import numpy as np

from .format import Layout, sortable, unsortable

Array = np.ndarray[Any, Any]
LARGEST_SLAB = 2**16
LARGEST_PART = 2**16
"""Features of a slab and tokens of a part: each fits 16 bits, so a firing fits 64."""


class Slab(NamedTuple):
    """A run of at most 65,536 features of one site."""

    site: int
    first: int
    """Index at its site of its first feature."""
    number: int
    """Number of its first feature among all."""
    width: int


def slabs(layout: Layout) -> list[Slab]:
    """Cut every site into slabs."""
    return [
        Slab(site, first, number + first, min(LARGEST_SLAB, width - first))
        for site, width, number in zip(layout.sites, layout.widths, layout.starts[:-1], strict=True)
        for first in range(0, width, LARGEST_SLAB)
    ]


class Firings(NamedTuple):
    """Firings of a slab in a part, three arrays of one length."""

    feature: Array
    """uint16, counted from the slab's first."""
    place: Array
    """uint16: the token's position, counted from the part's first."""
    value: Array
    """float32, finite, not zero."""


def packed_keys(firings: Firings) -> Array:
    """Pack firings into sorted keys: feature, falling value, place in 16 + 32 + 16 bits."""
    keys: Array = firings.feature.astype(np.uint64) << np.uint64(48)
    keys |= (~sortable(firings.value)).astype(np.uint64) << np.uint64(16)
    keys |= firings.place
    keys.sort()
    return keys


def unpacked(keys: Array) -> Firings:
    """Undo `packed_keys`, but for the order."""
    return Firings(
        (keys >> np.uint64(48)).astype(np.uint16),
        keys.astype(np.uint16),
        unsortable(~(keys >> np.uint64(16)).astype(np.uint32)),
    )
