"""Write labelled stories to Parquet and read them back. Format `topklm.stories/1`."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ..core.files import whole_file
from .engine import Span, Story
from .variables import Variables

FORMAT = "topklm.stories/1"
_ROWS = 1_000  # stories held in memory at a time


def _schema(metadata: Mapping[str, str]) -> Any:
    import pyarrow as pa  # late: its import takes longer than telling a thousand stories

    span = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("concept", pa.string())])
    types = Variables.__annotations__
    variables = pa.struct(
        [(name, pa.string() if types[name] is str else pa.list_(pa.string())) for name in Variables._fields]
    )
    return pa.schema(
        [
            ("text", pa.string()),
            ("spans", pa.list_(span)),
            ("variables", variables),
            ("path_bits", pa.float64()),
        ],
        metadata={"format": FORMAT, **metadata},
    )


def write_parquet(
    stories: Iterable[Story], path: str | Path, *, metadata: Mapping[str, str] | None = None
) -> int:
    """Write stories with their labels to a Parquet file and return their number.

    Columns: `text`; `spans`, a list of (start, end, concept) in characters; `variables`, a struct;
    `path_bits`. `metadata` is added to the file's own (`format`). The file appears whole or not at
    all: it is written beside its final place and then renamed. Raises ValueError if its directory
    is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent} is not a directory; create it first")
    schema = _schema(metadata or {})
    n = 0
    with whole_file(path) as beside, pq.ParquetWriter(beside, schema) as writer:
        remaining = iter(stories)
        while rows := [_row(story) for story in islice(remaining, _ROWS)]:
            writer.write_table(pa.Table.from_pylist(rows, schema))
            n += len(rows)
    return n


def _row(story: Story) -> dict[str, Any]:
    return {
        "text": story.text,
        "spans": [span._asdict() for span in story.spans],
        "variables": story.variables._asdict(),
        "path_bits": story.path_bits,
    }


def read_parquet(path: str | Path) -> Iterator[Story]:
    """Yield the stories of a file that `write_parquet` wrote.

    Raises ValueError if the file has another format or version.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        found = (file.schema_arrow.metadata or {}).get(b"format", b"none").decode()
        if found != FORMAT:
            raise ValueError(f"{path} has format {found!r}, not {FORMAT!r}; write it anew")
        for batch in file.iter_batches(batch_size=_ROWS):
            for row in batch.to_pylist():
                variables = {**row["variables"], "items": tuple(row["variables"]["items"])}
                yield Story(
                    text=row["text"],
                    spans=tuple(Span(**span) for span in row["spans"]),
                    variables=Variables(**variables),
                    path_bits=row["path_bits"],
                )
