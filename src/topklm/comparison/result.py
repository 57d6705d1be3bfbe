"""Results as rows, and their files: whole or absent, and what each source gave kept once it is there."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ..core.errors import InputError
from ..core.files import finite, read_json, whole_file, write_json
from ..core.forms import read_form
from ..core.stats import Estimate

if TYPE_CHECKING:
    from ..features import FeatureSource
    from ..metrics.batch import Row
    from .measuring import Settings
    from .text import MeasuredText

FORMAT = "topklm.metrics/1"
SOURCE = "topklm.metrics-source/3"
RESULT, TABLE = "metrics.json", "metrics.parquet"
NOT_IN_KEY = ("data", "tokens", "labels", "embedding", "lexicon")
"""Settings whose outcome the key names by what it is: the text's hash, its labels, the embedding."""


class ResultRow(NamedTuple):
    """One number of a result. What the fields mean: `metrics.batch.Row`."""

    source: str
    site: int | None
    """None: of the whole model, or over all sites."""
    metric: str
    about: str
    value: float
    low: float
    high: float
    n: int
    n_tokens: int
    seed: int
    """Of the run's training."""

    @property
    def estimate(self) -> Estimate:
        """The number with its interval."""
        return Estimate(self.value, self.low, self.high)


@dataclass
class Result:
    """All numbers of one run, with what they were measured on."""

    run: str
    revision: str
    n_tokens: int
    n_documents: int
    seeds: list[int]
    corpus: dict[str, Any]
    concepts: int
    """How many concepts occur."""
    embedding: str
    settings: dict[str, Any]
    sources: dict[str, str] = field(default_factory=dict)
    """Each source's revision."""
    seconds: dict[str, float] = field(default_factory=dict)
    """What measuring each took."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sources that could not be measured, and why."""
    rows: list[ResultRow] = field(default_factory=list)

    def add(self, source: "FeatureSource", kept: Mapping[str, Any], *, seed: int) -> None:
        """Add what one source gave."""
        from ..metrics.batch import Row

        self.sources[source.name], self.seconds[source.name] = source.revision, kept["seconds"]
        for site, rows in kept["rows"].items():
            self.add_rows(source.name, int(site), (Row(**as_row(one)) for one in rows), seed=seed)

    def add_rows(self, source: str, site: int, rows: "Iterable[Row]", *, seed: int) -> None:
        """Add rows of one site."""
        for one in rows:
            found = ResultRow(
                source,
                site,
                one.metric,
                one.about,
                *(one.value, one.low, one.high),
                n=one.n,
                n_tokens=one.n_tokens,
                seed=seed,
            )
            self.rows.append(found)

    def as_json(self) -> dict[str, Any]:
        """Return the content of `metrics.json`; a number that is not finite is null."""
        about = {name: value for name, value in asdict(self).items() if name != "rows"}
        return {"format": FORMAT, **about, "rows": [finite(row._asdict()) for row in self.rows]}


def read_result(path: Path | str) -> Result:
    """Read a run's result, from the run's directory, its `metrics`, or the file itself.

    Raises InputError where there is none.
    """
    path = Path(path)
    for one in (path / "metrics" / RESULT, path / RESULT, path):
        if one.is_file():
            content = read_form(one, FORMAT)
            try:
                rows = [ResultRow(**as_row(row)) for row in content["rows"]]
                about = {name: content[name] for name in Result.__dataclass_fields__ if name != "rows"}
                return Result(**about, rows=rows)
            except (TypeError, KeyError) as error:
                raise InputError(f"{one} is damaged: {error}") from None
    raise InputError(f"{path} holds no metrics; measure them with: topklm metrics {path}")


def write_result(directory: Path, result: Result) -> None:
    """Write the rows as Parquet and, last, all of it as JSON."""
    columns = {name: [getattr(row, name) for row in result.rows] for name in ResultRow._fields}
    metadata = {"format": FORMAT, "revision": result.revision, "corpus": result.corpus["sha256"]}
    write_table(directory / TABLE, columns, metadata)
    write_json(directory / RESULT, result.as_json())


def key_of(
    source: "FeatureSource", text: "MeasuredText", settings: "Settings", *, promoted: bool
) -> dict[str, Any]:
    """Say what decides a source's numbers; what was measured with the same need not be measured again."""
    chosen = {name: value for name, value in asdict(settings).items() if name not in NOT_IN_KEY}
    documents = (*text.documents.names, text.documents.digest) if text.documents else ()
    return {
        "revision": source.revision,
        "corpus": text.sha256,
        "concepts": text.labels.digest,
        "names": hashlib.sha256("\n".join((*text.names, *documents)).encode()).hexdigest(),
        "embedding": text.embedder.name,
        "promoted": promoted,
        "settings": chosen,
    }


def read_source(directory: Path, name: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a source gave, where it was measured with the same key and its tables are there."""
    path = directory / "sources" / f"{name}.json"
    tables = (directory / "features" / f"{name}.parquet", directory / "concepts" / f"{name}.parquet")
    if not all(one.is_file() for one in (path, *tables)):
        return None
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != SOURCE or content.get("key") != key:
        return None
    return content


def write_source(
    directory: Path, name: str, key: Mapping[str, Any], content: Mapping[str, Any], *, seconds: float
) -> dict[str, Any]:
    """Keep what a source gave: its tables, then its rows."""
    metadata = {"format": SOURCE, "revision": str(key["revision"]), "corpus": str(key["corpus"])}
    for part in ("features", "concepts"):
        (directory / part).mkdir(exist_ok=True)
        columns: dict[str, list[Any]] = {}
        for site, table in content[part].items():
            count = len(next(iter(table.values())))
            for column, values in {"site": [site] * count, **table}.items():
                columns.setdefault(column, []).extend(values)
        write_table(directory / part / f"{name}.parquet", columns, metadata)
    (directory / "sources").mkdir(exist_ok=True)
    rows = {str(site): [finite(one._asdict()) for one in rows] for site, rows in content["rows"].items()}
    kept = {"format": SOURCE, "key": dict(key), "seconds": round(seconds, 1), "rows": rows}
    write_json(directory / "sources" / f"{name}.json", kept)
    return kept


def write_table(path: Path, columns: Mapping[str, list[Any]], metadata: Mapping[str, str]) -> None:
    """Write a Parquet file, whole or not at all."""
    table = pa.table(dict(columns)).replace_schema_metadata(dict(metadata))
    with whole_file(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def as_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `core.files.finite` for a row: an unknown end of an interval is infinite, an unknown value NaN."""
    found = dict(row)
    if found["value"] is None:
        return {**found, "value": math.nan, "low": math.nan, "high": math.nan}
    for end, far in (("low", -math.inf), ("high", math.inf)):
        found[end] = far if found[end] is None else found[end]
    return found
