"""Parts of an index: each a stretch of the text, read and summarised by itself, whole on disk or absent."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..core.errors import InputError
from ..core.files import PARTIAL, damage, seal
from ..features import FeatureSource, capture
from ..model import SparseCodes
from .firings import LARGEST_PART, Firings, Slab, packed_keys, slabs, unpacked
from .format import Layout
from .sorting import strip_name
from .summarise import PartText, summarise
from .text import Text

SUMMARIES = ("counts", "histogram", "mass", "examples")
FILES = tuple(f"{name}.parquet" for name in SUMMARIES)
ROWS = 65_536
PART_FIRINGS = 2**23
"""Firings of a part, about: what is held in memory at once."""
Array = np.ndarray[Any, Any]


class Cut(NamedTuple):
    """How a text is cut: into blocks, batches and parts."""

    context: int
    """Tokens of a block, which the model reads at once."""
    batch_rows: int
    """Blocks of a batch."""
    part_tokens: int
    """Tokens of a part: whole batches."""

    def count(self, tokens: int) -> int:
        """Count the parts of a text."""
        return -(-tokens // self.part_tokens)

    def span(self, number: int, tokens: int) -> range:
        """Return the positions of a part in a text of so many tokens."""
        start = number * self.part_tokens
        return range(start, min(start + self.part_tokens, tokens))


def part_tokens(source: FeatureSource, text: Text, context: int, rows: int) -> int:
    """Choose whole batches that hold about PART_FIRINGS firings; the first batch tells how many."""
    batch = context * rows
    first = next(iter(capture(source, text.packed, context=context, batch_tokens=batch, stop=batch)))
    firings = sum(codes.indices.shape[0] for codes in first.codes.values()) / len(first.token_ids)
    most = min(LARGEST_PART, PART_FIRINGS / max(firings, 1))
    return batch * max(1, int(most // batch))


def part_directory(parts: Path, number: int) -> Path:
    """Say where a part lies."""
    return parts / f"part-{number:06d}"


def is_whole(directory: Path) -> bool:
    """Tell whether a part is there, every byte of it; a damaged one is made again."""
    return directory.is_dir() and damage(directory, required=FILES) is None


def make_part(
    source: FeatureSource,
    text: Text,
    cut: Cut,
    number: int,
    parts: Path,
    *,
    sample: float,
    report: Callable[[int], None],
) -> None:
    """Read one part of a text and put its tables on disk.

    report: called with each batch's number of tokens. Raises InputError where the model gives numbers
    that are not finite.
    """
    span = cut.span(number, len(text.packed.tokens))
    start, stop = span.start, span.stop
    partial = parts / f"{PARTIAL}{part_directory(parts, number).name}"
    shutil.rmtree(partial, ignore_errors=True)  # of an interrupted call
    partial.mkdir(parents=True)
    pieces = _read(source, text, cut, start, stop, report)
    documents = np.searchsorted(text.packed.documents[:, 0], np.arange(start, stop), side="right") - 1
    kept_places = text.kept(sample)[documents]
    part_text = PartText.cut(text.packed.tokens, text.packed.documents[:, 0], start, stop, cut.context)
    tables: dict[str, list[pa.Table]] = {name: [] for name in SUMMARIES}
    for slab in list(pieces):
        found = pieces.pop(slab)  # freed as soon as it is summarised
        firings = Firings(*(np.concatenate(columns) for columns in zip(*found, strict=True)))
        del found
        keys = packed_keys(firings)
        here = keys if kept_places.all() else keys[kept_places[unpacked(keys).place]]
        np.save(partial / strip_name(slab), here)
        for name, table in summarise(slab, firings, keys, part_text).items():
            tables[name].append(table)
    for name, found_tables in tables.items():
        # small row groups: joining reads the features of one site at a time
        pq.write_table(
            pa.concat_tables(found_tables),
            partial / f"{name}.parquet",
            compression="lz4",
            use_dictionary=["feature"],
            row_group_size=ROWS,
        )
    seal(partial, part_directory(parts, number))


def _read(
    source: FeatureSource, text: Text, cut: Cut, start: int, stop: int, report: Callable[[int], None]
) -> dict[Slab, list[Firings]]:
    """Read a stretch of the text, and take its firings apart by slab, batch by batch."""
    layout = Layout.of(source)
    pieces: dict[Slab, list[Firings]] = {slab: [] for slab in slabs(layout)}
    batches = capture(
        source,
        text.packed,
        context=cut.context,
        batch_tokens=cut.context * cut.batch_rows,
        start=start,
        stop=stop,
    )
    for batch in batches:
        read = {site: _entries(source, site, batch.codes[site]) for site in layout.sites}
        for slab, found in pieces.items():
            found.append(_of_slab(slab, int(batch.positions[0]) - start, read[slab.site]))
        report(len(batch.token_ids))
    return pieces


class Entries(NamedTuple):
    """The codes of a batch at a site, as arrays of one length."""

    row: Array
    feature: Array
    value: Array


def _entries(source: FeatureSource, site: int, codes: SparseCodes) -> Entries:
    """Take codes apart. bf16 and fp16 values become float32, which holds them exactly."""
    value = codes.values.detach().float().cpu().numpy()
    if not np.isfinite(value).all():
        raise InputError(
            f"{source.name} gives numbers that are not finite at layer {site}: the model is damaged, or "
            f"{source.dtype} is too narrow for it"
        )
    return Entries(codes.rows.cpu().numpy(), codes.indices.cpu().numpy(), value)


def _of_slab(slab: Slab, offset: int, entries: Entries) -> Firings:
    """Pick a slab's entries; offset: place in the part of the batch's first token."""
    row, index, value = entries
    if slab.first or int(index.max(initial=0)) >= slab.width:
        inside = (index >= slab.first) & (index < slab.first + slab.width)
        row, index, value = row[inside], index[inside], value[inside]
    return Firings((index - slab.first).astype(np.uint16), (row + offset).astype(np.uint16), value)
