"""A unit: one source at one checkpoint, whole on disk or not there. What is done of a trace is its units."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..core.errors import InputError
from ..core.files import PARTIAL, damage, read_json, seal, write_json
from ..core.stats import LIVE

if TYPE_CHECKING:
    from .measure import Described, Matched

Array = np.ndarray[Any, Any]
FORMAT = "topklm.trace-unit/1"
ABOUT, FEATURES, CONCEPTS, SENSES = "unit.json", "features.parquet", "concepts.parquet", "senses.parquet"
TOP_TOKENS = pa.list_(pa.struct([("token", pa.uint32()), ("text", pa.string()), ("share", pa.float64())]))
TOP_CONCEPTS = pa.list_(pa.struct([("concept", pa.string()), ("f1", pa.float64())]))
_MATCH = [
    ("cosine", pa.float32()),
    ("jaccard", pa.float32()),
    ("best", pa.int32()),
    ("best_cosine", pa.float32()),
    ("permuted_cosine", pa.float32()),
    ("assigned_cosine", pa.float32()),
]
FEATURE_SCHEMA = pa.schema(
    [
        ("feature", pa.string()),
        ("site", pa.uint16()),
        ("index", pa.uint32()),
        ("firings", pa.int64()),
        ("density", pa.float64()),
        ("live", pa.bool_()),
        ("token_entropy", pa.float64()),
        ("token_entropy_random", pa.float64()),
        ("enough_firings", pa.bool_()),
        ("top_tokens", TOP_TOKENS),
        ("concepts", TOP_CONCEPTS),
        *((f"{to}_{name}", kind) for to in ("final", "next") for name, kind in _MATCH),
    ]
)
CONCEPT_SCHEMA = pa.schema(
    [
        ("concept", pa.string()),
        ("site", pa.uint16()),
        ("index", pa.uint32()),
        ("f1", pa.float32()),
        ("chosen_f1", pa.float32()),
    ]
)


SENSE_SCHEMA = pa.schema(
    [
        ("word", pa.string()),
        ("site", pa.uint16()),
        ("index", pa.uint32()),
        ("auroc", pa.float64()),
        ("ratio", pa.float64()),
        ("separated", pa.bool_()),
        ("enough", pa.bool_()),
    ]
)


class Key(NamedTuple):
    """What decides a unit; one made from anything else is made anew."""

    source: str
    step: int
    revision: str
    final: int
    next: int | None
    """The next usable checkpoint, whose codes are compared with; None for the last."""
    next_revision: str | None
    final_revision: str

    @property
    def name(self) -> str:
        """Its directory's name; sorted by name, steps of a source are in order."""
        return f"{self.source}-{self.step:012d}"


def is_whole(units: Path, key: Key) -> bool:
    """Tell whether a unit is there, undamaged, and made from just this."""
    directory = units / key.name
    if not directory.is_dir() or damage(directory, required=[ABOUT, FEATURES, CONCEPTS, SENSES]) is not None:
        return False
    return bool(read_json(directory / ABOUT) == _about(key))


def write(
    units: Path,
    key: Key,
    described: "dict[int, Described]",
    final: "dict[int, Matched]",
    following: "dict[int, Matched] | None",
    *,
    kind: Any,
) -> None:
    """Write a unit, whole or not at all. kind: makes a feature's name from site and index."""
    partial = units / f"{PARTIAL}{key.name}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tables = [
        _feature_table(site, one, final[site], None if following is None else following[site], kind)
        for site, one in described.items()
    ]
    pq.write_table(pa.concat_tables(tables), partial / FEATURES, compression="zstd")
    for name, schema in ((CONCEPTS, CONCEPT_SCHEMA), (SENSES, SENSE_SCHEMA)):
        parts = []
        for site, one in described.items():
            columns = one.concepts if name == CONCEPTS else one.senses
            count = len(next(iter(columns.values())))
            parts.append(pa.table({**columns, "site": [site] * count}).select(schema.names).cast(schema))
        pq.write_table(pa.concat_tables(parts), partial / name, compression="zstd")
    write_json(partial / ABOUT, _about(key))
    seal(partial, units / key.name)


def read(units: Path, source: str, step: int, *, columns: list[str] | None = None) -> pa.Table:
    """Read a unit's features."""
    return _read(units / f"{source}-{step:012d}" / FEATURES, columns)


def read_concepts(units: Path, source: str, step: int) -> pa.Table:
    """Read a unit's concepts: for each site and concept its best feature."""
    return _read(units / f"{source}-{step:012d}" / CONCEPTS, None)


def read_senses(units: Path, source: str, step: int) -> pa.Table:
    """Read a unit's ambiguous words: for each site and word the feature that tells its meanings apart."""
    return _read(units / f"{source}-{step:012d}" / SENSES, None)


def _read(path: Path, columns: list[str] | None) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path} cannot be read: {str(error).splitlines()[0]}; trace again") from None


def _about(key: Key) -> dict[str, Any]:
    return {"format": FORMAT, **key._asdict()}


def _feature_table(
    site: int, one: "Described", final: "Matched", following: "Matched | None", kind: Any
) -> pa.Table:
    width = len(one.features["firings"])
    columns: dict[str, Any] = {
        **one.features,
        "feature": [str(kind(site, index)) for index in range(width)],
        "site": np.full(width, site),
        "index": np.arange(width),
        "live": one.features["density"] > LIVE,
    }
    for to, matched in (("final", final), ("next", following)):
        for name, _ in _MATCH:
            values = None
            if matched is not None:
                values = matched.assigned_cosine if name.startswith("assigned") else matched.columns[name]
            columns[f"{to}_{name}"] = [None] * width if values is None else values
    arrays = [
        pa.array(columns[field.name], type=field.type, from_pandas=True)
        if not isinstance(columns[field.name], np.ndarray)
        else pa.array(columns[field.name], from_pandas=True).cast(field.type)
        for field in FEATURE_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=FEATURE_SCHEMA)
