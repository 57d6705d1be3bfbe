"""What a trace's directory holds, so that two can be compared byte for byte."""

from pathlib import Path


def contents(path: Path) -> dict[str, bytes]:
    """Every file of a trace but its lock."""
    return {
        str(one.relative_to(path)): one.read_bytes()
        for one in sorted(path.rglob("*"))
        if one.is_file() and one.name != ".lock" and "text/" not in str(one.relative_to(path))
    }
