"""The format `topklm.index/1`: files, columns, how values are binned. Described in docs/formats.md."""

from contextlib import suppress
from itertools import accumulate
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, Any]

FORMAT = "topklm.index/1"
ABOUT = "index.json"
"""Written last: a directory that has it holds a whole index."""
WORK = ".work"
"""What is still being built lies in this folder of the index's directory."""

OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def database(**config: str | bool | int | float | list[str]) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB in memory that fetches nothing and draws nothing."""
    opened = duckdb.connect(config={**OFFLINE, **config})
    with suppress(duckdb.InvalidInputException):  # in a notebook without ipywidgets there is no bar to forbid
        opened.execute("SET enable_progress_bar = false")  # it would land in what a verb prints
    return opened


QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
BINS = 10
TOP_TOKENS = 20
STRONGEST = 8
"""Examples of the strongest bin."""
SAMPLED = 64
"""Firings of a feature drawn by hash, from which the examples of all bins are taken."""
PER_BIN = 4
"""Examples of every other bin."""
BEFORE, AFTER = 24, 12
"""Tokens shown around an example, at most: what its block and its document have of them."""
SIMILAR = 20
CHANGES = 10
"""Promoted and suppressed tokens kept of each feature."""

FIRINGS = pa.schema(
    [("position", pa.uint32()), ("site", pa.uint16()), ("index", pa.uint32()), ("value", pa.float32())]
)
BY_FEATURE = pa.schema(
    [("site", pa.uint16()), ("index", pa.uint32()), ("value", pa.float32()), ("position", pa.uint32())]
)
TOKENS = pa.schema([("position", pa.uint32()), ("token", pa.uint32()), ("document", pa.uint32())])
DOCUMENTS = pa.schema(
    [
        ("document", pa.uint32()),
        ("start", pa.uint32()),
        ("tokens", pa.uint32()),
        ("bytes", pa.int64()),
        ("hash", pa.uint64()),
        ("kept", pa.bool_()),
    ]
)
VOCABULARY = pa.schema(
    [
        ("token", pa.uint32()),
        ("text", pa.string()),
        ("bytes", pa.binary()),
        ("special", pa.bool_()),
        ("occurrences", pa.int64()),
    ]
)
TOKEN_MASS = pa.schema(
    [
        ("token", pa.uint32()),
        ("site", pa.uint16()),
        ("index", pa.uint32()),
        ("firings", pa.int64()),
        ("mass", pa.float64()),
    ]
)
COLUMNS: dict[str, tuple[str, ...]] = {
    "firings": tuple(FIRINGS.names),
    "firings_by_feature": tuple(BY_FEATURE.names),
    "tokens": tuple(TOKENS.names),
    "documents": tuple(DOCUMENTS.names),
    "vocabulary": tuple(VOCABULARY.names),
    "token_mass": tuple(TOKEN_MASS.names),
    "features": (
        *("feature", "site", "index", "status", "firings", "density", "negative", "sum", "mass", "mean"),
        *("maximum", "minimum", "q01", "q10", "q25", "q50", "q75", "q90", "q99", "top_token"),
        *("top_token_share", "top_tokens", "bins", "histogram_edges", "histogram_counts"),
        *("promoted", "suppressed", "similar_features", "other_sites"),
    ),
    "examples": (
        *("site", "index", "bin", "position", "document", "value", "start", "stop", "positions", "values"),
    ),
}
"""What every index has in each table; more may be there."""
TABLES = tuple(COLUMNS)
"""Each is a file NAME.parquet, and a table of that name in `FeatureIndex.sql`."""


def quantile_name(share: float) -> str:
    """Name the column of a quantile: 0.5 is `q50`."""
    return f"q{round(100 * share):02d}"


class Layout(NamedTuple):
    """The features of a source in a row: site after site, each feature with one number."""

    sites: tuple[int, ...]
    widths: tuple[int, ...]

    @classmethod
    def of(cls, source: Any) -> "Layout":
        """Read it from a feature source."""
        return cls(tuple(source.sites), tuple(source.width(site) for site in source.sites))

    @property
    def starts(self) -> tuple[int, ...]:
        """Number of the first feature of each site, and at the end how many there are."""
        return (0, *accumulate(self.widths))

    @property
    def features(self) -> int:
        """How many features there are."""
        return sum(self.widths)

    def split(self, numbers: Array) -> tuple[Array, Array]:
        """Return the site and the index at that site of each feature number."""
        starts = np.asarray(self.starts[:-1])
        place = np.searchsorted(starts, numbers, side="right") - 1
        return np.asarray(self.sites, np.uint16)[place], (numbers - starts[place]).astype(np.uint32)


# --- bins of values -------------------------------------------------------------------------------------

BUCKET_BITS = 16
SHOWN_PER_OCTAVE = 4


def sortable(values: Array) -> Array:
    """Map float32 numbers to uint32 in the same order (-0.0 just below 0.0)."""
    bits = values.view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def unsortable(keys: Array) -> Array:
    """Undo `sortable`."""
    keys = keys.astype(np.uint32)
    return np.where(keys >> 31, keys ^ np.uint32(1 << 31), ~keys).view(np.float32)


def bucket_of(values: Array) -> Array:
    """Return the bucket of each float32 value, uint16.

    Buckets are fixed, so that counts of parts add up exactly: 128 in each doubling, evenly spread in it,
    mirrored below zero, over all of float32. A bucket is at most 1/128 of its value wide.
    """
    return (sortable(values) >> (32 - BUCKET_BITS)).astype(np.uint16)


def bucket_edge(buckets: Array) -> Array:
    """Return the lower edge of buckets 0..65536, float64, ascending; a bucket ends where the next begins.

    The edge itself belongs to the bucket above for positive values, to the one below for negative ones.
    """
    numbers = np.asarray(buckets, np.int64)
    middle = 1 << (BUCKET_BITS - 1)
    mirrored = np.where(numbers >= middle, numbers, 2 * middle - numbers)
    edges = unsortable((mirrored << (32 - BUCKET_BITS)).astype(np.uint32)).astype(np.float64)
    return np.where(numbers >= middle, edges, -edges)
