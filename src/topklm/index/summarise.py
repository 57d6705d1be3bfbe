"""Summaries of one part's firings: counts, sums, buckets, token mass, examples. Arrays in, tables out.

Everything here adds up: what several parts say of a feature, put together in `merge.py`, is what one pass
over the whole text would say. Sorting does the work, by 16-bit keys or in 64 bits that hold the whole row.
"""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from .firings import Firings, Slab, unpacked
from .format import AFTER, BEFORE, SAMPLED, STRONGEST, bucket_of

Array = np.ndarray[Any, Any]


class PartText(NamedTuple):
    """The text of a part."""

    start: int
    """Position of its first token in the whole text."""
    tokens: Array
    """Token ids."""
    low: Array
    """For each token, the place where its block and its document begin: what the model could see."""
    high: Array
    """The place before which both end."""

    @classmethod
    def cut(cls, tokens: Array, documents: Array, start: int, stop: int, context: int) -> "PartText":
        """Cut a part from a packed text. documents: position of each document's first token."""
        places = np.arange(stop - start)
        block = places // context * context
        ends = np.append(documents[1:], len(tokens))
        document = np.searchsorted(documents, places + start, side="right") - 1
        return cls(
            start,
            np.asarray(tokens[start:stop]),
            np.maximum(block, documents[document] - start),
            np.minimum(np.minimum(block + context, ends[document] - start), stop - start),
        )


def summarise(slab: Slab, firings: Firings, keys: Array, text: PartText) -> dict[str, pa.Table]:
    """Return the tables `counts`, `histogram`, `mass` and `examples` of a slab's firings in a part.

    firings: in the order of the text. keys: the same ones, packed and sorted. In all tables `feature` is
    the feature's number among all.
    """
    order = np.argsort(firings.feature, kind="stable")  # 16 bits: a radix sort
    by_place = Firings(*(column[order] for column in firings))
    counts = np.bincount(by_place.feature, minlength=slab.width)
    by_value = unpacked(keys)
    return {
        "counts": _counts(slab, by_place, by_value, counts),
        "histogram": _histogram(slab, by_value),
        "mass": _mass(slab, by_place, text),
        "examples": _examples(slab, by_place, by_value, counts, text),
    }


def _counts(slab: Slab, by_place: Firings, by_value: Firings, counts: Array) -> pa.Table:
    feature, values = by_place.feature, by_place.value.astype(np.float64)
    present = np.flatnonzero(counts)
    ends = counts.cumsum()[present]

    def total(weights: Array) -> Array:
        return np.bincount(feature, weights=weights, minlength=slab.width)[present]

    everything = total(values)
    signed = len(values) > 0 and values.min() < 0

    return pa.table(
        {
            "feature": (slab.number + present).astype(np.uint32),
            "firings": counts[present],
            "negative": total(values < 0).astype(np.int64) if signed else np.zeros_like(present),
            "sum": everything,
            "mass": total(values.clip(min=0)) if signed else everything,
            "maximum": by_value.value[ends - counts[present]],
            "minimum": by_value.value[ends - 1],
        }
    )


def _runs(keys: Array) -> tuple[Array, Array]:
    """Return where each run of equal keys begins, and how long it is."""
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.arange(0)
    return starts, np.diff(np.append(starts, len(keys)))


def _histogram(slab: Slab, by_value: Firings) -> pa.Table:
    buckets = bucket_of(by_value.value)
    starts, sizes = _runs(by_value.feature.astype(np.uint32) << np.uint32(16) | buckets)
    return pa.table(
        {
            "feature": by_value.feature[starts].astype(np.uint32) + np.uint32(slab.number),
            "bucket": buckets[starts],
            "firings": sizes,
        }
    )


def _mass(slab: Slab, by_place: Firings, text: PartText) -> pa.Table:
    types, kind = np.unique(text.tokens, return_inverse=True)  # at most as many types as tokens
    rank = kind.astype(np.uint16)[by_place.place]
    order = np.argsort(rank, kind="stable")
    order = order[np.argsort(by_place.feature[order], kind="stable")]
    feature, rank = by_place.feature[order], rank[order]
    starts, sizes = _runs(feature.astype(np.uint32) << np.uint32(16) | rank)
    activation = by_place.value[order].astype(np.float64).clip(min=0)
    return pa.table(
        {
            "feature": feature[starts].astype(np.uint32) + np.uint32(slab.number),
            "token": types[rank[starts]].astype(np.uint32),
            "firings": sizes,
            "mass": np.add.reduceat(activation, starts) if len(starts) else activation,
        }
    )


def _examples(slab: Slab, by_place: Firings, by_value: Firings, counts: Array, text: PartText) -> pa.Table:
    """Take each feature's strongest firings, and a sample: those of smallest hash.

    The smallest hashes of the union of parts are among the smallest of the parts, so samples merge
    exactly, and every firing of a feature is equally likely to be drawn.
    """
    offsets = np.append(0, counts.cumsum())
    rank = np.arange(len(by_value.value)) - offsets[by_value.feature]
    strong = rank < STRONGEST
    hashes = firing_hash(by_place.feature.astype(np.uint64) + np.uint64(slab.number), by_place.place, text)
    drawn = _smallest(hashes, by_place.feature, counts, SAMPLED)
    keys = by_place.feature.astype(np.uint32) << np.uint32(16) | by_place.place
    strong_keys = by_value.feature[strong].astype(np.uint32) << np.uint32(16) | by_value.place[strong]
    chosen = np.union1d(np.searchsorted(keys, strong_keys), drawn)
    place = by_place.place[chosen].astype(np.int64)
    low = np.maximum(text.low[place], place - BEFORE)
    high = np.minimum(text.high[place], place + AFTER + 1)
    feature = by_place.feature[chosen].astype(np.uint32) << np.uint32(16)
    first = np.searchsorted(keys, feature | low.astype(np.uint32))
    last = np.searchsorted(keys, feature | (high - 1).astype(np.uint32), side="right")
    lengths = last - first
    ends = np.append(0, lengths.cumsum())
    around = np.arange(ends[-1]) + np.repeat(first - ends[:-1], lengths)
    offset_array = pa.array(ends.astype(np.int32))
    positions = (by_place.place[around].astype(np.int64) + text.start).astype(np.uint32)
    return pa.table(
        {
            "feature": by_place.feature[chosen].astype(np.uint32) + np.uint32(slab.number),
            "position": (place + text.start).astype(np.uint32),
            "value": by_place.value[chosen],
            "bucket": bucket_of(by_place.value[chosen]),
            "hash": hashes[chosen],
            "start": (low + text.start).astype(np.uint32),
            "stop": (high + text.start).astype(np.uint32),
            "positions": pa.ListArray.from_arrays(offset_array, pa.array(positions)),
            "values": pa.ListArray.from_arrays(offset_array, pa.array(by_place.value[around])),
        }
    )


def _smallest(hashes: Array, feature: Array, counts: Array, wanted: int) -> Array:
    """Return which rows have one of the `wanted` smallest hashes of their feature.

    A limit per feature, four times what should be needed, leaves few rows to sort; a feature for which
    it was too tight is taken whole.
    """
    limit = np.full(len(counts), 2**32, np.uint64)
    many = counts > 4 * wanted
    limit[many] = (4 * wanted / counts[many] * 2**32).astype(np.uint64)
    rows = np.flatnonzero(hashes < limit[feature])
    short = np.bincount(feature[rows], minlength=len(counts)) < np.minimum(counts, wanted)
    if short.any():
        limit[short] = 2**32
        rows = np.flatnonzero(hashes < limit[feature])
    rows = rows[np.lexsort((rows, hashes[rows], feature[rows]))]
    starts, sizes = _runs(feature[rows])
    rank = np.arange(len(rows)) - np.repeat(starts, sizes)
    return np.sort(rows[rank < wanted])


def firing_hash(number: Array, place: Array, text: PartText) -> Array:
    """Hash a firing's feature number and position to uint32 (splitmix64's finish, its upper half)."""
    mixed = number << np.uint64(32) | (place.astype(np.uint64) + np.uint64(text.start))
    mixed = (mixed + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(29)) * np.uint64(0x94D049BB133111EB)
    return (mixed >> np.uint64(32)).astype(np.uint32)
