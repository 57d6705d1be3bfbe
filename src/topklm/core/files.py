"""Files that are whole or absent: written beside, then renamed. Locks and hashes too."""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

from .errors import DiskFullError, InputError, Interrupted, RunError

MANIFEST = "manifest.json"
LOCK = ".lock"
"""A file by which one writer keeps others off a directory."""
PARTIAL = ".partial-"
"""Prefix of what is still being written; whatever bears it after a crash may be deleted."""


def write_json(path: Path, content: Any) -> None:
    """Write JSON to `path`, whole or not at all; a number that is not finite becomes null (`finite`)."""
    write_text(path, json.dumps(finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def finite(content: Any) -> Any:
    """Return JSON content with null for numbers that are infinite or undefined, as strict JSON asks."""
    if isinstance(content, dict):
        return {name: finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def without_paths(content: Any) -> Any:
    """Replace every absolute path in a JSON value by its last part: it says nothing to others."""
    if isinstance(content, dict):
        return {name: without_paths(value) for name, value in content.items()}
    if isinstance(content, list):
        return [without_paths(value) for value in content]
    if isinstance(content, str) and (PurePath(content).is_absolute() or PureWindowsPath(content).drive):
        return PureWindowsPath(content).name
    return content


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a place beside `path` to write to; when the block ends, what is there becomes `path`.

    So `path` is whole or as it was before. An exception in the block leaves it untouched. Of two who write at
    once each has a place of its own, and `path` is what the later one wrote.
    """
    partial = path.with_name(f"{PARTIAL}{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield partial
        flush(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path`, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON. Raises InputError that names the file where it is missing or malformed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {str(error).splitlines()[0]}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_readable(path: Path) -> None:
    """Give a file the permissions of any new one; safetensors writes for the owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def flush(path: Path) -> None:
    """Make sure that a file's content is on the disk itself."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def seal(partial: Path, final: Path) -> None:
    """Turn a finished directory into its final name, with a manifest of every file's hash.

    The files are flushed to disk first, so that a name without `PARTIAL` is always a whole one.
    """
    files = sorted(path for path in partial.rglob("*") if path.is_file())
    hashes = {str(path.relative_to(partial)): sha256_file(path) for path in files}
    write_json(partial / MANIFEST, {"format": "topklm.manifest/1", "sha256": hashes})
    for path in files:
        make_readable(path)
        flush(path)
    if final.exists():
        old = final.with_name(f"{PARTIAL}old-{final.name}")
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
        partial.rename(final)
        shutil.rmtree(old)
    else:
        partial.rename(final)


@contextlib.contextmanager
def new_partial(final: Path) -> Iterator[Path]:
    """Yield an empty directory beside `final`, to be filled and sealed; nothing is left of it otherwise.

    Raises RunError at once where another process fills it.
    """
    partial = final.with_name(PARTIAL + final.name)
    partial.mkdir(exist_ok=True)
    handle = os.open(partial, os.O_RDONLY)  # the directory is its own lock: no file of it may stay
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = not os.path.samestat(os.fstat(handle), partial.stat())  # sealed in between
        except OSError:
            taken = True
        if taken:
            raise RunError(f"another process is writing to {final}; wait for it or choose another directory")
        try:
            for path in partial.iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            yield partial
        finally:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(handle), partial.stat()):
                    shutil.rmtree(partial, ignore_errors=True)
    finally:
        os.close(handle)


def damage(directory: Path, *, required: Iterable[str] = ()) -> str | None:
    """Say what is wrong with a sealed directory, or None where every file is as it was written.

    required: files without which it is no use, whatever the manifest says.
    """
    try:
        hashes = read_json(directory / MANIFEST)["sha256"]
        missing = [name for name in required if name not in hashes]
        if missing:
            return f"{missing[0]} is missing"
        for name, expected in hashes.items():
            if not (directory / name).is_file():
                return f"{name} is missing"
            if sha256_file(directory / name) != expected:
                return f"{name} is damaged"
    except (InputError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} is missing or damaged"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None


def remove_partial(directory: Path) -> None:
    """Delete what a killed process left half-written directly inside `directory`."""
    for path in directory.glob(PARTIAL + "*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def existing(path: Path) -> Path:
    """Return a path, or the nearest directory above it that exists."""
    return path if path.exists() else existing(path.absolute().parent)


@contextlib.contextmanager
def locked(directory: Path, *, shared: bool = False, wait: bool = False, name: str = LOCK) -> Iterator[None]:
    """Hold a directory against other writers. Raises RunError at once where another has it.

    shared: writers that agree among themselves may hold it together. wait: until it is free. name:
    of the lock's file, where a directory has several. The lock belongs to the process and vanishes
    with it, however it ends.
    """
    with (directory / name).open("w") as file:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                f"another process is writing to {directory}; wait for it or choose another directory"
            ) from None
        yield


@contextlib.contextmanager
def disk_full_is_said(directory: Path) -> Iterator[None]:
    """Turn a full disk, however a library reports it, into one DiskFullError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, InputError) or not _means_disk_full(error):
            raise
        raise DiskFullError(
            f"no space left on the disk of {directory}; free some, or choose another directory"
        ) from error


@contextlib.contextmanager
def interruption_is_said(directory: Path) -> Iterator[None]:
    """Turn Ctrl-C into one Interrupted, where what is done of a directory is kept and gone on with."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; what is done of {directory} is kept: the same call goes on from there"
        ) from None


NUMPY_DISK_FULL = re.compile(r"\d+ requested and \d+ written")
"""All that numpy says of a file it could not write to its end."""


def _means_disk_full(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left on device" in str(seen) or NUMPY_DISK_FULL.search(str(seen)):
            return True
        seen = seen.__cause__ or seen.__context__
    # torch's archive writer does not say why it could not write; there is hardly another reason
    return "PytorchStreamWriter" in str(error) or "inline_container" in str(error)
