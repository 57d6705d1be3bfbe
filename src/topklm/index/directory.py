"""The directory of an index that is built: one writer at a time, and nothing but this index in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import LOCK, PARTIAL, disk_full_is_said, existing, interruption_is_said, locked
from ..features import FeatureSource
from .format import ABOUT, WORK


@contextmanager
def writing(directory: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold an index's directory, made where there is none, and say in one line what ends the work early.

    shared: next to others who hold it so.
    """
    refuse_foreign(directory)
    is_new = not directory.exists()
    with disk_full_is_said(existing(directory)):
        directory.mkdir(parents=True, exist_ok=True)
        with locked(directory, shared=shared), interruption_is_said(directory):
            try:
                yield
            except InputError:
                if not shared and not (directory / ABOUT).exists():
                    _clear(directory, remove=is_new)
                raise


def _clear(directory: Path, *, remove: bool) -> None:
    """Leave no dead directory behind where nothing was planned yet."""
    if not (directory / WORK / "plan.json").is_file():
        shutil.rmtree(directory / WORK, ignore_errors=True)
        if remove:
            shutil.rmtree(directory)


def refuse_foreign(directory: Path) -> None:
    """Raise InputError where a directory holds something else than an index, finished or begun."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise InputError(f"{directory} is a file; name a directory for the index")
    names = {path.name for path in directory.iterdir()}
    rest = {name for name in names if name != LOCK and not name.startswith(PARTIAL)}
    if rest and not rest & {ABOUT, WORK}:
        raise InputError(f"{directory} is not empty and holds no index; choose another directory")


def refuse_another(
    directory: Path, there: Any, what: str, *, source: FeatureSource, request: dict[str, Any]
) -> None:
    """Raise InputError unless what is in a directory is what was asked for.

    there: its index.json or plan.json. what: what to call it.
    """
    revision = there.get("revision") if isinstance(there, dict) else None
    if revision != source.revision:
        raise InputError(
            f"{directory} holds {what} of another model, revision {str(revision)[:12]}, not of "
            f"{source.revision[:12]} ({source.name}); choose another directory, or delete it"
        )
    asked = there.get("request")
    for name, value in request.items():
        if not isinstance(asked, dict) or asked.get(name) != value:
            was = asked.get(name) if isinstance(asked, dict) else None
            raise InputError(
                f"{directory} holds {what} made with {name}={was!r}, not {value!r}; ask for the same, "
                "choose another directory, or delete it"
            )
