"""What an evaluation of steering keeps while it runs: a file for every unit that is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.files import disk_full_is_said, locked, remove_partial, write_json
from ..core.forms import read_form

UNIT = "topklm.steering-unit/1"


def kept(path: Path, make: Callable[[], dict[str, Any]], *, revision: str | None = None) -> dict[str, Any]:
    """Read a unit that is done, or make it and keep it, whole or not at all.

    revision: of its source. One made with another is made anew: an SAE may have been trained again.
    """
    if path.is_file():
        content = read_form(path, UNIT, advice="delete it")
        if content.get("revision", revision) == revision:
            return content
    content = {"format": UNIT, "revision": revision, **make()}
    write_json(path, content)
    return content


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """Hold the directory while it is written to."""
    (directory / "units").mkdir(parents=True, exist_ok=True)
    with disk_full_is_said(directory), locked(directory):
        remove_partial(directory)
        remove_partial(directory / "units")
        yield
