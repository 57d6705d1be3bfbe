"""The directory of a trace that is made: one writer at a time, and nothing but a trace in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import InputError
from ..core.files import LOCK, disk_full_is_said, existing, interruption_is_said, locked, remove_partial
from .stored import PLAN, UNITS


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """Hold a trace's directory, made where there is none, and say in one line what ends the work early.

    Raises InputError where it holds something else than a trace, finished or begun.
    """
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file; name a directory for the trace")
    is_new = not directory.exists()
    if not is_new and any(directory.iterdir()) and not (directory / PLAN).is_file():
        names = {path.name for path in directory.iterdir()}
        if names - {LOCK, "text", UNITS}:
            raise InputError(f"{directory} is not empty and holds no trace; choose another directory")
    with disk_full_is_said(existing(directory)):
        (directory / UNITS).mkdir(parents=True, exist_ok=True)
        with locked(directory), interruption_is_said(directory):
            remove_partial(directory)
            remove_partial(directory / UNITS)
            try:
                yield
            except InputError:
                if is_new and not (directory / PLAN).is_file():
                    shutil.rmtree(directory)  # leave no dead directory behind
                raise
