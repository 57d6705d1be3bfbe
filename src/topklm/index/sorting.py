"""The firings by feature: an external sort of strips that the parts have sorted already, in bounded memory.

A firing of a slab in a part is one uint64: feature, falling value, place. A strip is such keys in order. The
whole copy is made stretch by stretch: the same range of features (and values) from all strips, sorted at
once as uint64 again, written, forgotten. Summaries need the strips anyway, so this costs less than a sort by
a database.
"""

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .firings import Slab
from .format import BY_FEATURE, unsortable

Array = np.ndarray[Any, Any]
AT_ONCE = 2**21
"""Firings sorted at once, about."""
ROWS = 65_536
"""Rows of a row group: one holds the strongest firings of a feature, and little else is read with them."""
LAST = 2**64 - 1
"""Above every key: its value would not be finite."""
SAMPLES = 64
"""Every 64th key is looked at to cut a feature that alone is too large."""


class Strip(NamedTuple):
    """A part's keys of one slab, in order, on disk."""

    keys: Array
    memory: mmap.mmap

    @classmethod
    def open(cls, path: Path) -> "Strip":
        """Map a file that `np.save` wrote."""
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            _, _, kind = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return cls(np.frombuffer(memory, kind, offset=start), memory)

    def forget(self) -> None:
        """Give back the memory of what was read; the next look reads the file again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.memory.madvise(mmap.MADV_DONTNEED)


def strip_name(slab: Slab) -> str:
    """Name the file of a slab's strip in a part."""
    return f"strip-{slab.number:09d}.npy"


def write_by_feature(
    parts: Sequence[Path], path: Path, slabs: Sequence[Slab], *, part_tokens: int, tokens: int
) -> None:
    """Merge the parts' strips into one Parquet file, ordered by site, index, falling value and position."""
    with pq.ParquetWriter(
        path,
        BY_FEATURE,
        compression="zstd",
        use_dictionary=["site", "index"],
        use_byte_stream_split=["value"],
        write_statistics=["site", "index"],  # what is looked for; the footer is kept in memory until the end
    ) as writer:
        rest = BY_FEATURE.empty_table()
        for slab in slabs:
            strips = [Strip.open(part / strip_name(slab)) for part in parts]
            for feature, value, position in merged(strips, slab.width, part_tokens, tokens):
                columns = {
                    "site": np.full(len(feature), slab.site, np.uint16),
                    "index": feature.astype(np.uint32) + np.uint32(slab.first),
                    "value": value,
                    "position": position,
                }
                table = pa.concat_tables([rest, pa.table(columns, schema=BY_FEATURE)])
                whole = len(table) // ROWS * ROWS  # row groups are full, whatever the stretches
                if whole:
                    writer.write_table(table.slice(0, whole), row_group_size=ROWS)
                rest = table.slice(whole)
        if len(rest):
            writer.write_table(rest)


def merged(
    strips: Sequence[Strip], width: int, part_tokens: int, tokens: int
) -> Iterator[tuple[Array, Array, Array]]:
    """Yield feature, value and position of all firings in order, a stretch at a time.

    strips: each part's. width: features of the slab. tokens: of the whole text; a position in it fits
    64 bits beside the value and the feature, counted from the first of the stretch.
    """
    place_bits = max(1, (tokens - 1).bit_length())
    most_features = 1 << (32 - place_bits)
    edges = _edges(strips, width, most_features)
    ends = []
    for strip in strips:
        ends.append(np.searchsorted(strip.keys, edges))
        strip.forget()  # a search brings in pages around each place that it looks at
    for stretch in range(len(edges) - 1):
        first = edges[stretch] >> np.uint64(48)
        pieces = []
        for part, (strip, end) in enumerate(zip(strips, ends, strict=True)):
            keys = strip.keys[end[stretch] : end[stretch + 1]]
            places = (keys & np.uint64(0xFFFF)) + np.uint64(part * part_tokens)
            rows = keys - (first << np.uint64(48)) >> np.uint64(16) << np.uint64(place_bits)
            pieces.append(rows | places)
            strip.forget()
        rows = np.concatenate(pieces)
        rows.sort()
        position = (rows & np.uint64((1 << place_bits) - 1)).astype(np.uint32)
        value = unsortable(~(rows >> np.uint64(place_bits)).astype(np.uint32))
        feature = (rows >> np.uint64(32 + place_bits)) + first
        yield feature, value, position


def _edges(strips: Sequence[Strip], width: int, most_features: int) -> Array:
    """Cut the keys into stretches of few enough features and, about, few enough firings."""
    starts = np.arange(width, dtype=np.uint64) << np.uint64(48)
    sizes = np.zeros(width, np.int64)
    for strip in strips:
        sizes += np.diff(np.append(np.searchsorted(strip.keys, starts), len(strip.keys)))
        strip.forget()
    edges: list[int] = []
    held = AT_ONCE
    for feature in np.flatnonzero(sizes).tolist():
        size, start = int(sizes[feature]), int(starts[feature])
        began = edges[-1] >> 48 if edges else 0
        if held + size > AT_ONCE or feature - began >= most_features:
            edges.append(start)
            held = 0
        held += size
        if size > AT_ONCE:
            edges += _cuts(strips, start, size)
            held = AT_ONCE
    return np.array([*edges, LAST], np.uint64)


def _cuts(strips: Sequence[Strip], start: int, size: int) -> list[int]:
    """Cut one large feature between values, by a sample of its keys."""
    samples = []
    for strip in strips:
        first, last = np.searchsorted(strip.keys, np.array([start, min(start + 2**48, LAST)], np.uint64))
        samples.append(strip.keys[first:last:SAMPLES].copy())
        strip.forget()
    keys = np.sort(np.concatenate(samples))
    pieces = -(-size // AT_ONCE)
    chosen = keys[np.arange(1, pieces) * len(keys) // pieces]
    whole = np.unique(chosen >> np.uint64(16) << np.uint64(16))
    return [int(key) for key in whole if int(key) > start]
