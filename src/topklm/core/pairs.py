"""Sums over pairs of entries in the same row of two sparse matrices, compiled by Numba."""

from functools import cache
from threading import Lock
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_ONCE = Lock()


def add_pairs(first: Any, second: Any, dots: Array, joint: Array) -> None:
    """Add first^T second to `dots`, and to `joint` in how many rows both entries are there.

    first: a scipy CSC matrix of rows by features; second: a CSR matrix of as many rows. dots: float64,
    joint: int64, shape (features of first, features of second), C order. Every stored entry counts. A
    feature's sums are kept in one line of each table, so that this runs in the processor's nearest cache;
    what it costs is the number of pairs, not rows times features. Rows are added in ascending order.
    Several threads may call it at once.
    """
    parts = (first.indptr, first.indices, first.data, second.indptr, second.indices, second.data)
    with _ONCE:
        run = _compiled()
    run(*parts, dots, joint)


@cache
def _compiled() -> Any:
    """Compile when it is first needed: Numba takes a moment."""
    from numba import njit

    return njit(_add_pairs, nogil=True)


def _add_pairs(  # type: ignore[no-untyped-def]  # Numba finds the types
    starts, rows, values, ends, features, others, dots, joint
):
    # unsigned places: signed ones may count from the end, and asking that costs half of the time
    for one in range(starts.size - 1):
        line, count = dots[one], joint[one]
        for place in range(starts[one], starts[one + 1]):
            row, value = np.uint32(rows[place]), values[place]
            for entry in range(np.uint64(ends[row]), np.uint64(ends[row + np.uint32(1)])):
                feature = np.uint32(features[entry])
                line[feature] += value * others[entry]
                count[feature] += 1
