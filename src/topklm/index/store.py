"""The tables of an index that is open: read through DuckDB, each thread with a cursor of its own.

What they hold is described in docs/formats.md; what can be asked of features: `feature_index.py`.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..core.errors import InputError, first_line
from ..core.files import sha256_file
from ..core.forms import Shape, read_form
from ..core.site import Feature, Latent, Neuron
from . import annotations
from .format import ABOUT, COLUMNS, FIRINGS, FORMAT, TABLES, WORK, Layout, database
from .sql import parquet, pattern, quoted

Array = np.ndarray[Any, Any]
OWN = "topk"
"""The source whose index is the run's own."""
NEEDED: dict[str, Shape] = {
    "source": str,
    "revision": str,
    "kind": str,
    "depth": int,
    "sites": [{"site": int, "width": int}],
    "n_tokens": int,
    "corpus": dict,
    "sample": dict,
    "tables": dict,
}
KINDS: dict[str, type[Feature]] = {kind.KIND: kind for kind in (Neuron, Latent)}


def directory_of(run: Path, source: str) -> Path:
    """Say where the index of a source of a run lies: `index` for its own neurons, else `index-SOURCE`."""
    return run / ("index" if source == OWN else f"index-{source}")


class Vocabulary(NamedTuple):
    """The token types of an index."""

    texts: list[str]
    pieces: list[bytes]
    special: Array
    """Boolean: tokens that are no text, such as the boundary of documents."""
    by_first: dict[int, list[int]]
    """First byte -> the tokens that are text and begin with it."""

    @classmethod
    def of(cls, texts: list[str], pieces: list[bytes], special: Array) -> "Vocabulary":
        """Sort the tokens by their first byte."""
        by_first: dict[int, list[int]] = defaultdict(list)
        for token, piece in enumerate(pieces):
            if piece and not special[token]:
                by_first[piece[0]].append(token)
        return cls(texts, pieces, special, by_first)


class Store:
    """The files of a whole index as tables. Nothing is written; no other file can be reached."""

    def __init__(self, path: Path, about: dict[str, Any], *, threads: int = 1) -> None:
        self.path = path
        self.about = about
        self.source: str = about["source"]
        self.revision: str = about["revision"]
        self.kind = KINDS[about["kind"]]
        self.n_tokens: int = about["n_tokens"]
        sites = about["sites"]
        self.layout = Layout(tuple(one["site"] for one in sites), tuple(one["width"] for one in sites))
        self._lock = threading.Lock()
        self._threads = threading.local()
        self._database = database(threads=threads)
        try:
            self._name_tables()
        except duckdb.Error as error:
            raise InputError(f"{self.path}: {first_line(error)}") from None

    def sql(self, query: str, values: Sequence[Any] = ()) -> pa.Table:
        """Ask the tables in DuckDB's SQL: one statement that reads. `?` stands for the next of `values`.

        Tables: firings, firings_by_feature, tokens, documents, vocabulary, features, examples,
        token_mass, concepts (docs/formats.md). Raises InputError where the statement is wrong or would write.
        """
        try:
            kinds = [statement.type for statement in self._cursor.extract_statements(query)]
        except duckdb.Error as error:
            raise InputError(f"the SQL cannot be read: {first_line(error)}") from None
        if len(kinds) != 1 or kinds[0] not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
            raise InputError("an index is asked with one SELECT statement, and nothing that writes")
        return self.ask(query, values)

    def ask(self, query: str, values: Sequence[Any] = ()) -> pa.Table:
        """Ask the tables with a query of our own. Raises InputError where a file cannot be read."""
        try:
            return self._cursor.execute(query, list(values)).to_arrow_table()
        except duckdb.Error as error:
            raise InputError(f"{self.path}: {first_line(error)}") from None

    # --- what is read once ------------------------------------------------------------------------------

    @cached_property
    def tokens(self) -> Array:
        """Every token id of the text."""
        return self._column(
            "tokens", "token", np.uint16 if len(self.vocabulary.texts) <= 2**16 else np.uint32
        )

    @cached_property
    def starts(self) -> Array:
        """Position of each document's first token."""
        return self._column("documents", "start", np.int64)

    @cached_property
    def kept(self) -> Array:
        """Whether each document's firings are kept."""
        return self._column("documents", "kept", bool)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The token types."""
        table = self.ask("SELECT text, bytes, special FROM vocabulary ORDER BY token")
        special = table["special"].to_numpy(zero_copy_only=False)
        return Vocabulary.of(table["text"].to_pylist(), table["bytes"].to_pylist(), special)

    @cached_property
    def brief(self) -> pa.Table:
        """Of every feature, in order: feature, site, index, density, mass, top_token."""
        names = "feature, site, index, density, mass, top_token"
        return self.ask(f"SELECT {names} FROM features_alone ORDER BY site, index")  # noqa: S608

    def number(self, feature: Feature) -> int:
        """Return a feature's row in `brief`."""
        return self.layout.starts[self.layout.sites.index(feature.layer)] + feature.index

    @cached_property
    def firing_groups(self) -> tuple[Array, Array]:
        """First and last position of each row group of the firings, both ascending."""
        groups = [
            self._firings_head.row_group(number).column(0).statistics
            for number in range(self._firings_head.num_row_groups)
        ]
        return np.array([one.min for one in groups], np.int64), np.array(
            [one.max for one in groups], np.int64
        )

    @cached_property
    def _firings_head(self) -> Any:
        return pq.read_metadata(self.path / "firings.parquet")

    def _column(self, table: str, name: str, kind: Any) -> Array:
        """Read a whole column, in the order of the file."""
        path = self.path / f"{table}.parquet"
        try:
            column: Array = pq.read_table(path, columns=[name])[name].to_numpy()
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} cannot be read as Parquet: {first_line(error)}") from None
        return column.astype(kind)

    def read_firings(self, groups: Sequence[int]) -> list[Array]:
        """Read row groups of the firings: position, site, index and value, in token order."""
        path = self.path / "firings.parquet"
        try:
            with pq.ParquetFile(path, metadata=self._firings_head) as file:
                table = file.read_row_groups(list(groups), columns=FIRINGS.names, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} cannot be read as Parquet: {first_line(error)}") from None
        return [table[name].to_numpy() for name in FIRINGS.names]

    # --- the database -----------------------------------------------------------------------------------

    @property
    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor."""
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._threads, "cursor", None)
        if cursor is None:
            with self._lock:
                cursor = self._threads.cursor = self._database.cursor()
        return cursor

    def _name_tables(self) -> None:
        """Name the files as tables, then shut every other way to the disk."""
        files = [self.path / f"{name}.parquet" for name in TABLES]
        for name, path in zip(TABLES, files, strict=True):
            table = "features_alone" if name == "features" else name
            self._database.execute(f"CREATE VIEW {table} AS SELECT * FROM {parquet(path)}")  # noqa: S608
        read = (*files, *annotations.files(self.path))
        allowed = ", ".join(map(quoted, {*map(str, read), *map(pattern, read)}))  # it asks for both in turn
        self._database.execute("SET python_enable_replacements = false")
        self._database.execute("SET parquet_metadata_cache = true")
        self._database.execute(f"SET allowed_paths = [{allowed}]")
        self._database.execute("SET enable_external_access = false")
        self._database.execute("SET lock_configuration = true")
        self._join_annotations()

    def _join_annotations(self) -> None:
        """Join the features with the facts and labels there are; name the table of concepts."""
        annotations.check(self.path)
        with self._lock:
            self._database.execute(f"CREATE OR REPLACE VIEW features AS {annotations.view(self.path)}")
            self._database.execute(
                f"CREATE OR REPLACE VIEW concepts AS {annotations.concept_view(self.path)}"
            )
            kinds = self._database.execute("DESCRIBE features").fetchall()
            single = {name: kind for name, kind, *_ in kinds if not kind.endswith("[]")}
            self.columns = {name: "text" if kind == "VARCHAR" else "number" for name, kind in single.items()}
            """The columns of `features` with one value each, and their kind: `number` or `text`."""


def read_about(path: Path) -> dict[str, Any]:
    """Read a directory's index.json. Raises InputError where it holds no whole index."""
    if not path.is_dir():
        raise InputError(f"there is no index {path}; 'topklm index RUN' makes one")
    if not (path / ABOUT).is_file():
        begun = "its building was begun: give the same command again" if (path / WORK).is_dir() else ""
        inside = f"look in {path / 'index'}" if (path / "index" / ABOUT).is_file() else ""
        raise InputError(
            f"{path} is no index: it has no {ABOUT}; {begun or inside or 'topklm index RUN makes one'}"
        )
    about = read_form(path / ABOUT, FORMAT, NEEDED)
    if about["kind"] not in KINDS or not about["sites"]:
        raise InputError(f"{path / ABOUT} is damaged: kind or sites cannot be read")
    return about


def check_table(path: Path, described: Any, *, verify: bool) -> None:
    """Raise InputError unless a table's file is there, as large as it was written."""
    if not path.is_file():
        raise InputError(f"{path} is missing; delete the index and build it anew")
    if not isinstance(described, dict) or path.stat().st_size != described.get("bytes"):
        raise InputError(f"{path} is damaged: its size is not what was written; build the index anew")
    if verify and sha256_file(path) != described.get("sha256"):
        raise InputError(f"{path} is damaged: its hash is not what was written; build the index anew")
    annotations.check_columns(path, COLUMNS[path.stem], advice="build the index anew")
