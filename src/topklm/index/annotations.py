"""Facts and labels of features that later work adds to an index: two small tables beside the others."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..core.errors import InputError
from ..core.files import PARTIAL, disk_full_is_said, flush, locked

if TYPE_CHECKING:
    from .feature_index import FeatureIndex

KEYS = ("site", "index")


def files(directory: Path) -> tuple[Path, Path]:
    """Say where facts and labels lie; either may be absent."""
    return directory / "facts.parquet", directory / "labels.parquet"


def view(directory: Path) -> str:
    """Write the query that joins the features with what was added to them."""
    query = "SELECT * FROM features_alone"
    for path in files(directory):
        if path.is_file():
            query += f" LEFT JOIN read_parquet({_quoted(path)}) USING (site, index)"
    return query


def add_facts(index: "FeatureIndex", facts: Mapping[str, Mapping[str, float]]) -> None:
    """Add columns of numbers to facts.parquet, replacing those of the same name."""
    for name in facts:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
            raise InputError(
                f"{name!r} cannot name a fact; use small letters, digits and _, as in token_entropy"
            )
    path, _ = files(index.path)
    with disk_full_is_said(index.path), locked(index.path):
        table = pq.read_table(path) if path.is_file() else _keys(index)
        there = set(index.columns) - (set(table.column_names) - set(KEYS))
        for name, numbers in facts.items():
            if name in there or name in ("labels", "bins"):
                raise InputError(f"{name!r} is a column of every index; name the fact otherwise")
            values = np.full(index.layout.features, np.nan)
            for feature, number in numbers.items():
                values[index.number(index.locate(feature))] = number
            if name in table.column_names:
                table = table.drop_columns([name])
            table = table.append_column(name, pa.array(values, mask=np.isnan(values)))
        _replace(path, table)


def add_labels(index: "FeatureIndex", labels: Mapping[str, Sequence[str]]) -> None:
    """Write labels.parquet."""
    rows: list[list[str]] = [[] for _ in range(index.layout.features)]
    for feature, names in labels.items():
        if isinstance(names, str):
            raise InputError(f"the labels of {feature} are one text, {names!r}; give a list of texts")
        rows[index.number(index.locate(feature))] = [str(name) for name in names]
    _, path = files(index.path)
    with disk_full_is_said(index.path), locked(index.path):
        _replace(path, _keys(index).append_column("labels", pa.array(rows, pa.list_(pa.string()))))


def _keys(index: "FeatureIndex") -> pa.Table:
    return index.brief.select(list(KEYS))


def _replace(path: Path, table: pa.Table) -> None:
    partial = path.with_name(PARTIAL + path.name)
    pq.write_table(table, partial, compression="zstd")
    flush(partial)
    partial.replace(path)


def _quoted(path: Any) -> str:
    return "'" + str(path).replace("'", "''") + "'"
