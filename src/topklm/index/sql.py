"""Paths in SQL."""

import re
from pathlib import Path


def quoted(path: Path | str) -> str:
    """Write a path as an SQL string."""
    return "'" + str(path).replace("'", "''") + "'"


def pattern(path: Path | str) -> str:
    """Write a path as the pattern that it alone fits: DuckDB takes every path that is read for one."""
    return re.sub(r"[\[*?]", r"[\g<0>]", str(path))


def parquet(path: Path | str) -> str:
    """Write the call that reads this one file."""
    return f"read_parquet({quoted(pattern(path))})"
