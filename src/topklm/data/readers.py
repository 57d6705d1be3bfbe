"""Readers: one file in, (text, labels) out, one clear error where the file is bad."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import CorpusError, first_line

SEPARATOR = "<|endoftext|>"
CUT_CHARACTERS = 2_000
"""A text without separators is cut at the first paragraph end after this many characters."""

Row = tuple[str, Mapping[str, str]]


def read_text(path: Path) -> Iterator[Row]:
    """Read a `.txt` file.

    Documents end at a line `<|endoftext|>`; without any, the text is cut at blank lines into
    documents of about 2,000 characters.
    """
    separated = any(line.strip() == SEPARATOR for line in _lines(path))
    document: list[str] = []
    size = 0
    for line in _lines(path):
        blank = not line.strip()
        ends = line.strip() == SEPARATOR if separated else blank and size >= CUT_CHARACTERS
        if ends:
            yield "".join(document).strip("\n"), {}
            document, size = [], 0
        else:
            document.append(line)
            size += len(line)
    yield "".join(document).strip("\n"), {}


def read_jsonl(path: Path) -> Iterator[Row]:
    """Read a `.jsonl` file: one object a line, its text under `text`, other strings are labels."""
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", error)
            raise CorpusError(f"{path}, line {number}: not valid JSON ({reason})") from None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            has = f"it has {', '.join(row)}" if isinstance(row, dict) else "it is no object"
            raise CorpusError(f"{path}, line {number}: no string under 'text'; {has}")
        yield _row(row)


def read_parquet(path: Path) -> Iterator[Row]:
    """Read a `.parquet` file: the column `text`, other string columns are labels."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            if "text" not in schema.names:
                raise CorpusError(f"{path} has no column 'text'; it has {', '.join(schema.names) or 'none'}")
            names = [name for name in schema.names if _holds_strings(schema.field(name).type)]
            if "text" not in names:
                kind = schema.field("text").type
                raise CorpusError(f"{path}: the column 'text' holds {kind}, not strings")
            for batch in file.iter_batches(batch_size=512, columns=names):
                yield from map(_row, batch.to_pylist())
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read as Parquet: {first_line(error)}") from None


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".txt": read_text,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
}


def _row(row: Mapping[str, object]) -> Row:
    labels = {name: value for name, value in row.items() if isinstance(value, str)}
    return labels.pop("text", ""), labels


def _holds_strings(kind: Any) -> bool:
    """Tell whether a column's type is text, however Arrow stores it; a categorical column is a dictionary."""
    from pyarrow import types

    plain = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(plain) or types.is_large_string(plain) or types.is_string_view(plain))


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 text ({error.reason}); convert it first") from None
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}") from None
