"""Parquet files of labelled stories."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from topklm.stories import Stories, Story, read_parquet, write_parquet


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "stories.parquet"
    assert write_parquet(Stories(1).take(1_203), path, metadata={"seed": "1"}) == 1_203
    assert list(read_parquet(path)) == list(Stories(1).take(1_203))
    schema = pq.read_schema(path)
    assert schema.metadata[b"format"] == b"topklm.stories/1"
    assert schema.metadata[b"seed"] == b"1"
    assert str(schema.field("spans").type) == (
        "list<element: struct<start: int32, end: int32, concept: string>>"
    )


def test_no_story_makes_a_file_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"
    assert write_parquet([], path) == 0
    assert list(read_parquet(path)) == []


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "stories.parquet"
    write_parquet(Stories(1).take(3), path)

    def broken() -> Iterator[Story]:
        yield from Stories(2).take(1_500)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parquet(broken(), path)
    assert list(tmp_path.iterdir()) == [path]
    assert list(read_parquet(path)) == list(Stories(1).take(3))


def test_a_missing_directory_and_a_foreign_file_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="create it first"):
        write_parquet([], tmp_path / "missing" / "stories.parquet")
    path = tmp_path / "stories.parquet"
    write_parquet([], path)
    table = pq.read_table(path).replace_schema_metadata({"format": "topklm.stories/0"})
    pq.write_table(table, path)
    with pytest.raises(ValueError, match=r"topklm\.stories/0"):
        list(read_parquet(path))
