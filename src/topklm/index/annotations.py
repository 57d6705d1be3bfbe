"""Facts, labels and concepts of features that later work adds to an index: small tables beside the others."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..core.errors import InputError, first_line
from ..core.files import disk_full_is_said, locked, whole_file
from .format import COLUMNS
from .sql import parquet

if TYPE_CHECKING:
    from .feature_index import FeatureIndex

KEYS = ("site", "index")


CONCEPTS = pa.schema(
    [
        ("concept", pa.string()),
        ("site", pa.uint16()),
        ("index", pa.uint32()),
        ("f1", pa.float64()),
        ("average_precision", pa.float64()),
        ("oracle_f1", pa.float64()),
    ]
)


def files(directory: Path) -> tuple[Path, Path, Path]:
    """Say where facts, labels and concepts lie; any may be absent."""
    return directory / "facts.parquet", directory / "labels.parquet", directory / "concepts.parquet"


def check(directory: Path) -> None:
    """Raise InputError where one of the files is there and cannot be read for what it should hold."""
    needed: tuple[Sequence[str], ...] = (KEYS, (*KEYS, "labels"), ("concept", *KEYS))
    for path, names in zip(files(directory), needed, strict=True):
        if not path.is_file():
            continue
        check_columns(path, names, advice="delete it, and what it held can be measured anew")


def check_columns(path: Path, names: Sequence[str], *, advice: str) -> None:
    """Raise InputError where a file is no Parquet, or lacks one of these columns. advice: what helps."""
    try:
        there = set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet; {advice} ({first_line(error)})") from None
    for name in names:
        if name not in there:
            raise InputError(f"{path} is damaged: it has no column {name!r}; {advice}")


def view(directory: Path) -> str:
    """Write the query that joins the features with what was added to them."""
    query = "SELECT * FROM features_alone"
    for path in files(directory)[:2]:
        if path.is_file():
            query += f" LEFT JOIN {parquet(path)} USING (site, index)"
    return query


def concept_view(directory: Path) -> str:
    """Write the query for the concepts and the features that tell them; none where nothing was added."""
    path = files(directory)[2]
    types = dict(zip(CONCEPTS.names, ("VARCHAR", "USMALLINT", "UINTEGER", *["DOUBLE"] * 3), strict=True))
    there = pq.read_schema(path).names if path.is_file() else []
    columns = ", ".join(name if name in there else f"NULL::{kind} AS {name}" for name, kind in types.items())
    source = f"FROM {parquet(path)}" if there else "WHERE false"
    return f"SELECT {columns} {source}"


def add_facts(index: "FeatureIndex", facts: Mapping[str, Mapping[str, float | str]]) -> None:
    """Add columns of numbers or texts to facts.parquet, replacing those of the same name."""
    for name in facts:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
            raise InputError(
                f"{name!r} cannot name a fact; use small letters, digits and _, as in token_entropy"
            )
    path = files(index.path)[0]
    with disk_full_is_said(index.path), locked(index.path):
        table = pq.read_table(path) if path.is_file() else _keys(index)
        there = set(index.columns) - (set(table.column_names) - set(KEYS))
        for name, numbers in facts.items():
            if name in there or name in COLUMNS["features"] or name in ("labels", "bins"):
                raise InputError(f"{name!r} is a column of every index; name the fact otherwise")
            column = _column(index, name, numbers)
            if name in table.column_names:
                table = table.drop_columns([name])
            table = table.append_column(name, column)
        _replace(path, table)


def add_labels(index: "FeatureIndex", labels: Mapping[str, Sequence[str]]) -> None:
    """Write labels.parquet."""
    rows: list[list[str]] = [[] for _ in range(index.layout.features)]
    for feature, names in labels.items():
        if isinstance(names, str):
            raise InputError(f"the labels of {feature} are one text, {names!r}; give a list of texts")
        rows[index.number(index.locate(feature))] = [str(name) for name in names]
    path = files(index.path)[1]
    with disk_full_is_said(index.path), locked(index.path):
        _replace(path, _keys(index).append_column("labels", pa.array(rows, pa.list_(pa.string()))))


def add_concepts(index: "FeatureIndex", rows: Sequence[Mapping[str, Any]]) -> None:
    """Write concepts.parquet: by concept, best feature first."""
    for row in rows:
        index.locate(index.kind(int(row["site"]), int(row["index"])))
    order = sorted(rows, key=lambda row: (row["concept"], -row["f1"], row["site"], row["index"]))
    table = pa.Table.from_pylist([dict(row) for row in order], CONCEPTS)
    with disk_full_is_said(index.path), locked(index.path):
        _replace(files(index.path)[2], table)


def _column(index: "FeatureIndex", name: str, values: Mapping[str, float | str]) -> pa.Array:
    """Lay values out in the order of features. Raises InputError for texts and numbers in one column."""
    texts = sum(isinstance(value, str) for value in values.values())
    if 0 < texts < len(values):
        raise InputError(f"the fact {name!r} has numbers and texts; give one kind")
    found: list[float | str | None] = [None] * index.layout.features
    for feature, value in values.items():
        place = index.number(index.locate(feature))
        found[place] = value if isinstance(value, str) else None if np.isnan(value) else float(value)
    return pa.array(found, pa.string() if texts else pa.float64())


def _keys(index: "FeatureIndex") -> pa.Table:
    return index.brief.select(list(KEYS))


def _replace(path: Path, table: pa.Table) -> None:
    with whole_file(path) as partial:
        pq.write_table(table, partial, compression="zstd")
