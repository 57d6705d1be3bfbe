"""Numbers that look random and depend on nothing but what they are made from, in any order of reading."""

from typing import Any

import numpy as np

Hashes = np.ndarray[Any, np.dtype[np.uint64]]


def hashed(numbers: Any, seed: int = 0) -> Hashes:
    """Return a 64-bit hash of each whole number, which depends on (number, seed) alone.

    Source: the output function of SplitMix64 (Steele, Lea, Flood 2014), applied to number and seed.
    """
    with np.errstate(over="ignore"):
        return _mix(np.asarray(numbers).astype(np.uint64) + _mix(np.array([seed % 2**64], np.uint64)))


def uniform(numbers: Any, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return for each whole number one in [0, 1) that depends on (number, seed) alone."""
    return (hashed(numbers, seed) >> np.uint64(11)).astype(np.float64) / 2**53


def _mix(state: Hashes) -> Hashes:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
