"""From parts to the tables of an index: everything that grows with the text, in bounded memory.

DuckDB adds up and chooses, and spills to disk what does not fit; pyarrow writes what is already in order.
The sorted copy of the firings: `sorting.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .firings import slabs, unpacked
from .format import (
    DOCUMENTS,
    FIRINGS,
    PER_BIN,
    SAMPLED,
    STRONGEST,
    TOKENS,
    TOP_TOKENS,
    VOCABULARY,
    Layout,
    database,
)
from .sorting import strip_name
from .sql import quoted
from .text import Text

Array = np.ndarray[Any, Any]
MEMORY = "128MB"
CANDIDATES = 2**18
"""Candidates for examples, each with its neighbourhood, that are looked at together."""
ROWS = 2**20
FIRINGS_GROUP = 32_768
"""Rows that are read together: few, so that the firings of single tokens are found quickly."""


class Parts:
    """The parts of an index in the order of the text, and a database to merge them with."""

    def __init__(self, directories: list[Path], work: Path) -> None:
        self.directories = directories
        self.database = database()
        self.database.execute(f"SET memory_limit = '{MEMORY}'")
        self.database.execute("SET threads = 1")  # sums are then added up in the order of the text
        self.database.execute("SET temp_directory = $1", [str(work / "spill")])

    def files(self, name: str) -> list[str]:
        """List the parts' files of a table."""
        return [str(directory / f"{name}.parquet") for directory in self.directories]

    def tables(self, name: str) -> Iterator[pa.Table]:
        """Read a table part by part."""
        return (pq.read_table(path) for path in self.files(name))

    def rows(self, query: str, *values: Any) -> pa.Table:
        """Ask the database; `$1` stands for the first value, and so on."""
        try:
            return self.database.sql(query, params=list(values)).to_arrow_table()
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None


class Related(NamedTuple):
    """Firings of some tokens, from which similarities are computed."""

    tokens: int
    firings: dict[int, tuple[Array, Array, Array]]
    """Site -> token (numbered from 0 among those), index and value of each firing."""


def write_firings(
    parts: Parts, path: Path, layout: Layout, tokens: Array, *, part_tokens: int
) -> tuple[int, Related]:
    """Write the firings in token order, part by part. Returns their number, and those at the tokens marked.

    tokens: boolean, shape (tokens of the text,).
    """
    marked = np.flatnonzero(tokens)
    found: dict[int, list[tuple[Array, Array, Array]]] = {site: [] for site in layout.sites}
    count = 0
    with pq.ParquetWriter(
        path,
        FIRINGS,
        compression="zstd",
        use_dictionary=["position", "site", "index"],
        use_byte_stream_split=["value"],
        write_statistics=["position"],  # what is looked for; the footer is kept in memory until the end
    ) as writer:
        for place, directory in enumerate(parts.directories):
            table = in_token_order(directory, layout, place * part_tokens)
            if len(table):
                writer.write_table(table, row_group_size=FIRINGS_GROUP)
            count += len(table)
            position, site, index, value = (column.to_numpy() for column in table.columns)
            chosen = tokens[position]
            for one in layout.sites:
                here = np.flatnonzero(chosen & (site == one))
                found[one].append((np.searchsorted(marked, position[here]), index[here], value[here]))
    joined: dict[int, tuple[Array, Array, Array]] = {}
    for one, pieces in found.items():
        token, feature, activation = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
        joined[one] = (token, feature, activation)
    return count, Related(int(tokens.sum()), joined)


def in_token_order(part: Path, layout: Layout, start: int) -> pa.Table:
    """Put a part's strips together, ordered by position, site and index. start: its first position."""
    places, columns = [], {name: [] for name in ("site", "index", "value")}  # type: ignore[var-annotated]
    for slab in slabs(layout):
        strip = unpacked(np.load(part / strip_name(slab)))
        places.append(strip.place)
        columns["site"].append(np.full(len(strip.place), slab.site, np.uint16))
        columns["index"].append(strip.feature.astype(np.uint32) + np.uint32(slab.first))
        columns["value"].append(strip.value)
    place = np.concatenate(places)
    order = np.argsort(place, kind="stable")  # strips are ordered by feature already, slabs by site
    joined = {name: np.concatenate(pieces)[order] for name, pieces in columns.items()}
    return pa.table({"position": place[order].astype(np.uint32) + np.uint32(start), **joined}, schema=FIRINGS)


def write_token_mass(parts: Parts, path: Path, layout: Layout) -> None:
    """Add up the parts' token mass, ordered by token, site and index."""
    site, index = _site_and_index(layout)
    parts.database.execute(
        f"COPY (SELECT token, {site} AS site, {index} AS index, sum(firings)::BIGINT AS firings, "  # noqa: S608
        f"sum(mass) AS mass FROM read_parquet($1) GROUP BY token, feature ORDER BY token, feature) "
        f"TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {FIRINGS_GROUP})",
        [parts.files("mass")],
    )


def top_tokens(parts: Parts, token_mass: Path, site: int) -> pa.Table:
    """List each feature's token types with the largest mass: index, token, mass, firings, in this order."""
    return parts.rows(
        "SELECT index, token, mass, firings FROM read_parquet($1) WHERE site = $2 AND mass > 0 "
        "QUALIFY row_number() OVER (PARTITION BY index ORDER BY mass DESC, token) <= $3 "
        "ORDER BY index, mass DESC, token",
        str(token_mass),
        site,
        TOP_TOKENS,
    )


def histogram(parts: Parts, first: int, width: int) -> pa.Table:
    """Add up the buckets of the features `first` to `first + width`, ordered by feature and bucket."""
    return parts.rows(
        "SELECT (feature - $2)::BIGINT AS feature, bucket, sum(firings)::BIGINT AS firings "
        "FROM read_parquet($1) WHERE feature >= $2 AND feature < $3 GROUP BY feature, bucket ORDER BY 1, 2",
        parts.files("histogram"),
        first,
        first + width,
    )


def examples(parts: Parts, bins: pa.Table, first: int, width: int) -> pa.Table:
    """Choose the examples of a site's features from the parts' candidates.

    The strongest bin shows a feature's strongest firings, every other bin a sample of its own: of the
    firings with the smallest hashes of all, those that lie in it. Ordered by feature, bin, falling value.
    Every part has its own candidates, so the more parts, the fewer features are looked at together.
    """
    parts.database.register("bins", bins)
    step = max(1, CANDIDATES // (len(parts.directories) * (STRONGEST + SAMPLED)))
    chosen = [_examples_of(parts, first, start, min(start + step, width)) for start in range(0, width, step)]
    parts.database.unregister("bins")
    return pa.concat_tables(chosen)


def _examples_of(parts: Parts, first: int, start: int, stop: int) -> pa.Table:
    """Choose the examples of the features `start` to `stop` of the site whose first row is `first`."""
    return parts.rows(
        "WITH candidates AS (SELECT *, "
        "  row_number() OVER (PARTITION BY feature ORDER BY value DESC, position) AS strength, "
        "  row_number() OVER (PARTITION BY feature ORDER BY hash, position) AS draw "
        "  FROM read_parquet($1) WHERE feature >= $2 + $7 AND feature < $2 + $3), "
        "chosen AS (SELECT c.*, b.bin FROM candidates c JOIN bins b ON c.feature - $2 = b.feature "
        "  AND c.bucket BETWEEN b.low_bucket AND b.high_bucket WHERE strength <= $4 OR draw <= $5) "
        "SELECT (feature - $2)::BIGINT AS feature, bin, position, value, start, stop, positions, values "
        "FROM chosen QUALIFY row_number() OVER (PARTITION BY feature, bin "
        "  ORDER BY CASE WHEN bin = 0 THEN strength ELSE draw END) "
        "  <= CASE WHEN bin = 0 THEN $4 ELSE $6 END ORDER BY feature, bin, value DESC, position",
        parts.files("examples"),
        first,
        stop,
        STRONGEST,
        SAMPLED,
        PER_BIN,
        start,
    )


def write_text(directory: Path, text: Text, kept: Array, vocabulary: list[bytes], special: set[int]) -> None:
    """Write the tables from which the text can be shown: tokens, documents, vocabulary."""
    packed = text.packed
    occurrences = np.zeros(len(vocabulary), np.int64)
    with pq.ParquetWriter(directory / "tokens.parquet", TOKENS, compression="zstd") as writer:
        for start in range(0, len(packed.tokens), ROWS):
            ids = np.asarray(packed.tokens[start : start + ROWS])
            occurrences += np.bincount(ids, minlength=len(vocabulary))
            positions = np.arange(start, start + len(ids))
            document = np.searchsorted(packed.documents[:, 0], positions, side="right") - 1
            columns = (positions, ids, document)
            writer.write_table(pa.table([column.astype(np.uint32) for column in columns], schema=TOKENS))
    starts = packed.documents[:, 0]
    documents = {
        "document": np.arange(len(starts), dtype=np.uint32),
        "start": starts.astype(np.uint32),
        "tokens": np.diff(np.append(starts, len(packed.tokens))).astype(np.uint32),
        "bytes": packed.documents[:, 1],
        "hash": text.hashes,
        "kept": kept,
    }
    pq.write_table(pa.table(documents, schema=DOCUMENTS), directory / "documents.parquet", compression="zstd")
    words = {
        "token": np.arange(len(vocabulary), dtype=np.uint32),
        "text": [piece.decode(errors="replace") for piece in vocabulary],
        "bytes": vocabulary,
        "special": [token in special for token in range(len(vocabulary))],
        "occurrences": occurrences,
    }
    pq.write_table(pa.table(words, schema=VOCABULARY), directory / "vocabulary.parquet", compression="zstd")


def tokens_for_similarity(text: Text, kept: Array, most: int) -> Array:
    """Mark at most `most` tokens of kept documents, those of the smallest hashes first, boolean."""
    starts = text.packed.documents[:, 0]
    sizes = np.diff(np.append(starts, len(text.packed.tokens)))
    marked = np.zeros(len(text.packed.tokens), bool)
    for document in np.argsort(text.hashes, kind="stable"):
        if most <= 0:
            break
        if kept[document]:
            size = min(most, int(sizes[document]))
            marked[starts[document] : starts[document] + size] = True
            most -= size
    return marked


def _site_and_index(layout: Layout) -> tuple[str, str]:
    """Write SQL that turns a feature's number into its site and its index there."""
    ends = layout.starts[1:]
    site = " ".join(f"WHEN feature < {end} THEN {one}" for one, end in zip(layout.sites, ends, strict=True))
    index = " ".join(
        f"WHEN feature < {end} THEN feature - {start}"
        for start, end in zip(layout.starts[:-1], ends, strict=True)
    )
    return f"(CASE {site} END)::USMALLINT", f"(CASE {index} END)::UINTEGER"
