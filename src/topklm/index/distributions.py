"""How a site's features are distributed: counts added up, quantiles, bins and bars from fixed buckets."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from .format import BINS, BUCKET_BITS, QUANTILES, SHOWN_PER_OCTAVE, bucket_edge, bucket_of

Array = np.ndarray[Any, Any]
SHOWN_BITS = 11
"""Bits of a bucket number that a bar keeps: sign, exponent, and 2 bits for 4 bars in each doubling."""
SMALLEST_SHOWN = 2.0**-10
"""Values below this share of the largest share one bar."""
assert 2 ** (SHOWN_BITS - 9) == SHOWN_PER_OCTAVE


class Counts(NamedTuple):
    """Sums over the whole text, one entry per feature of a site."""

    firings: Array
    negative: Array
    sum: Array
    mass: Array
    maximum: Array
    """-inf where a feature never fires."""
    minimum: Array


def add_up(tables: Iterable[pa.Table], first: int, width: int) -> Counts:
    """Add up the parts' counts of the features `first` to `first + width`, in the order given.

    The order is that of the text, so the float64 sums are the same however the parts came about.
    """
    firings, negative = np.zeros(width, np.int64), np.zeros(width, np.int64)
    total, mass = np.zeros(width), np.zeros(width)
    maximum, minimum = np.full(width, -np.inf, np.float32), np.full(width, np.inf, np.float32)
    for table in tables:
        feature = table["feature"].to_numpy().astype(np.int64) - first
        inside = (feature >= 0) & (feature < width)
        feature = feature[inside]
        column = {name: table[name].to_numpy()[inside] for name in table.column_names}
        firings[feature] += column["firings"]
        negative[feature] += column["negative"]
        total[feature] += column["sum"]
        mass[feature] += column["mass"]
        maximum[feature] = np.maximum(maximum[feature], column["maximum"])
        minimum[feature] = np.minimum(minimum[feature], column["minimum"])
    return Counts(firings, negative, total, mass, maximum, minimum)


class Histogram(NamedTuple):
    """Firings of a site's features by bucket, ordered by feature and bucket; arrays of one length."""

    feature: Array
    """int64, counted from the site's first."""
    bucket: Array
    """uint16."""
    firings: Array
    """int64."""


def quantiles(histogram: Histogram, counts: Counts) -> Array:
    """Estimate the quantiles of each feature's firings: float64, shape (quantile, feature); NaN if dead.

    A quantile q of n firings has rank q * (n - 1), as in numpy, and lies between the firings of the two
    whole ranks. Inside a bucket the firings are taken as evenly spread, so it is wrong by at most the
    bucket's width, 1/128 of the value.
    """
    found = np.full((len(QUANTILES), len(counts.firings)), np.nan)
    alive = np.flatnonzero(counts.firings)
    if not len(alive):
        return found
    low, high = _edges(histogram, counts)
    ends = histogram.firings.cumsum()
    starts = counts.firings.cumsum() - counts.firings

    def at(rank: Array) -> Array:
        row = np.searchsorted(ends, starts[alive] + rank, side="right")
        inside = (starts[alive] + rank - (ends[row] - histogram.firings[row]) + 0.5) / histogram.firings[row]
        value: Array = low[row] + (high[row] - low[row]) * inside
        return value

    for place, share in enumerate(QUANTILES):
        rank = share * (counts.firings[alive] - 1)
        below, above = np.floor(rank).astype(np.int64), np.ceil(rank).astype(np.int64)
        found[place, alive] = at(below) + (at(above) - at(below)) * (rank - below)
    return found


def _edges(histogram: Histogram, counts: Counts) -> tuple[Array, Array]:
    """Return between which values each row's firings lie."""
    bucket = histogram.bucket.astype(np.int64)
    return (
        np.maximum(bucket_edge(bucket), counts.minimum[histogram.feature]),
        np.minimum(bucket_edge(bucket + 1), counts.maximum[histogram.feature]),
    )


class Bins(NamedTuple):
    """Bins of about equally many firings, strongest first in each feature; arrays of one length."""

    feature: Array
    bin: Array
    """Number of the bin: 0 is the strongest."""
    low_bucket: Array
    high_bucket: Array
    low: Array
    high: Array
    firings: Array


def bins(histogram: Histogram, counts: Counts) -> Bins:
    """Cut each feature's firings into ten bins of about equal size, made of whole buckets.

    A bucket belongs to the tenth in which its middle firing lies, so the bins' counts are exact. A
    feature with few different values has fewer bins. They are numbered without gaps.
    """
    low, high = _edges(histogram, counts)
    total = counts.firings[histogram.feature]
    starts = (counts.firings.cumsum() - counts.firings)[histogram.feature]
    middle = histogram.firings.cumsum() - histogram.firings / 2 - starts
    tenth = np.minimum(BINS - 1, (BINS * middle / np.maximum(total, 1)).astype(np.int64))
    key = histogram.feature * BINS + tenth
    new = np.concatenate([[True], key[1:] != key[:-1]]) if len(key) else np.zeros(0, bool)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(key)) - 1 if len(key) else first
    feature = histogram.feature[first]
    counted = np.bincount(feature, minlength=len(counts.firings))
    rank = np.arange(len(first)) - (counted.cumsum() - counted)[feature]
    number = counted[feature] - 1 - rank
    order = np.lexsort((number, feature))
    columns = (
        feature,
        number,
        histogram.bucket[first],
        histogram.bucket[last],
        low[first],
        high[last],
        np.add.reduceat(histogram.firings, first) if len(first) else first,
    )
    return Bins(*(column[order] for column in columns))


class Bars(NamedTuple):
    """A histogram to be shown, per feature: ragged edges and counts."""

    edge_offsets: Array
    edges: Array
    count_offsets: Array
    counts: Array


def bars(histogram: Histogram, counts: Counts) -> Bars:
    """Make each feature's histogram for people: four bars in each doubling, the tiniest values in one.

    Bars reach from the smallest to the largest firing; the edges are those of the fixed buckets.
    """
    width = len(counts.firings)
    shift = BUCKET_BITS - SHOWN_BITS
    largest = np.maximum(np.abs(counts.maximum), np.abs(counts.minimum))
    tiny = np.where(np.isfinite(largest), largest * np.float32(SMALLEST_SHOWN), 1).astype(np.float32)
    floor = (bucket_of(tiny) >> shift).astype(np.int64)  # the code of the bar that begins at 0
    mirror = 2**SHOWN_BITS - 1 - floor
    code = (histogram.bucket >> shift).astype(np.int64)
    positive = code >= 2 ** (SHOWN_BITS - 1)
    at_zero = np.where(positive, floor[histogram.feature], mirror[histogram.feature])
    # bar 0 begins at zero, bar -1 ends there
    bar = np.where(positive, np.maximum(code - at_zero, 0), np.minimum(code - at_zero, 0) - 1)
    first, last = np.zeros(width, np.int64), np.full(width, -1, np.int64)
    starts = np.flatnonzero(np.diff(histogram.feature, prepend=-1))
    ends = np.append(starts[1:], len(bar)) - 1 if len(starts) else starts
    first[histogram.feature[starts]], last[histogram.feature[starts]] = bar[starts], bar[ends]
    sizes = last - first + 1
    count_offsets = np.append(0, sizes.cumsum())
    place = count_offsets[histogram.feature] + bar - first[histogram.feature]
    shown = np.zeros(count_offsets[-1], np.int64)
    np.add.at(shown, place, histogram.firings)
    edge_sizes = np.where(sizes > 0, sizes + 1, 0)
    edge_offsets = np.append(0, edge_sizes.cumsum())
    owner = np.repeat(np.arange(width), edge_sizes)
    number = np.arange(edge_offsets[-1]) - edge_offsets[owner] + first[owner]
    edge_code = np.where(number > 0, floor[owner] + number, mirror[owner] + 1 + number)
    edges = np.where(number == 0, 0.0, bucket_edge(edge_code << shift))
    return Bars(edge_offsets, edges, count_offsets, shown)
