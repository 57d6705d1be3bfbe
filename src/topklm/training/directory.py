"""The beginning and the end of a run's directory: made, locked, gone on with, tidied."""

import contextlib
import importlib.metadata
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .. import __version__
from ..core.errors import InputError, RunError, StreamError
from ..core.files import LOCK, PARTIAL, disk_full_is_said, existing, locked, remove_partial, write_json
from ..core.processes import place
from ..data.corpus import Corpus
from .machine import Machine
from .prepare import find_corpora
from .pretrained import STORED
from .run import FORMAT, Run
from .settings import TrainSettings

FINAL = f"{PARTIAL}final"
"""Where a run's model is written before it takes its place."""


def begin(settings: TrainSettings, out: Path, held: ExitStack) -> tuple[Corpus, Corpus]:
    """Find the text, make the directory, lock it, and write train.json.

    held: holds the lock and, where nothing gets trained, clears the directory away. Raises RunError where
    something is there already.
    """
    corpora = find_corpora(settings)
    if (out / "train.json").is_file():
        raise RunError(f"{out} holds a run already; go on with --resume, or choose another directory")
    if os.path.lexists(out) and not (out.is_dir() and is_as_good_as_empty(out)):
        raise RunError(f"{out} exists already; choose another directory")
    is_new = not out.exists()
    held.enter_context(disk_full_is_said(existing(out)))
    out.mkdir(parents=True, exist_ok=True)
    held.enter_context(locked(out))
    held.enter_context(cleared_where_nothing_is_trained(out, remove=is_new))
    about = {
        "format": FORMAT,
        "settings": settings.as_json(),
        "steps": settings.steps,
        "versions": versions(),
        "machine": Machine.for_settings(settings).as_json(),
    }
    write_json(out / "train.json", about)
    return corpora


@contextmanager
def cleared_where_nothing_is_trained(out: Path, *, remove: bool) -> Iterator[None]:
    """Leave no dead directory behind where bad input ends a run before its first step.

    What is packed of a stream that broke off stays.

    remove: whether the directory itself was made for the run.
    """
    try:
        yield
    except StreamError:
        raise
    except InputError:
        if not (out / "metrics.jsonl").exists():
            for path in out.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != LOCK:
                    path.unlink()
            (out / LOCK).unlink(missing_ok=True)  # last: until then nobody else may begin
            if remove:
                with contextlib.suppress(OSError):  # somebody has begun
                    out.rmdir()
        raise


def is_as_good_as_empty(directory: Path) -> bool:
    """Tell whether a directory holds only what a process leaves that is killed at its very start."""
    return all(path.name == LOCK or path.name.startswith(PARTIAL) for path in directory.iterdir())


def go_on(run: Run, held: ExitStack) -> bool:
    """Lock a run and, if the number of processes is another, note it; tell whether there is work to do."""
    held.enter_context(disk_full_is_said(run.path))
    held.enter_context(locked(run.path))
    if run.finished:
        tidy(run)
        return False
    run.settings.portion(place().size)
    if run.machine.processes != place().size:
        run.about["machine"] |= {
            "processes": place().size,
            "threads": Machine.for_settings(run.settings).threads,
        }
        write_json(run.path / "train.json", run.about)
    return True


def opened(out: Path | str) -> Run:
    """Open the run that the main process has made or found."""
    if not (Path(out) / "train.json").is_file():
        raise RunError(f"process {place().rank} does not see {out}; all processes need the same directory")
    return Run(out)


def sweep(run: Run) -> None:
    """Delete what a killed training left half-written; of a finished run, not what others write there now."""
    inner = (run.path / "checkpoints", run.path / "data")
    for directory in inner if run.finished else (run.path, *inner):
        remove_partial(directory)


def tidy(run: Run) -> None:
    """Delete what a finished run no longer needs."""
    sweep(run)
    for _, path in run.checkpoints("full"):
        shutil.rmtree(path)
    for name in (STORED, PARTIAL + STORED, FINAL):
        shutil.rmtree(run.path / name, ignore_errors=True)


def versions() -> dict[str, str]:
    """Return the versions that can change a run's numbers."""
    names = ("torch", "transformers", "accelerate", "tokenizers", "numpy")
    return {"topklm": __version__, **{name: importlib.metadata.version(name) for name in names}}
