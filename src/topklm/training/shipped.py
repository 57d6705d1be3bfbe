"""The model that ships with topklm: `demo` names it wherever a run's directory is asked for."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from ..core.errors import RunError
from ..core.files import PARTIAL

DEMO = "demo"
PACKED = Path(__file__).parent.parent / DEMO
"""What ships: a run's directory without checkpoints and code, its weights in bf16."""
CODE = Path(__file__).parent.parent / "model"
"""The code that a run carries with it, for transformers without topklm."""


def run_directory(path: Path | str) -> Path:
    """Return where a run lies. `demo` is the model that ships, unless something here has that name."""
    if str(path) != DEMO or os.path.lexists(path):
        return Path(path)
    return unpacked()


def name_of(path: Path | str) -> str:
    """Return what a user calls a run: its path, or `demo` for the copy of the model that ships."""
    here = Path(path).absolute()
    ours = here == PACKED or (here.name == DEMO and here.parent.parent == _cache())
    return DEMO if ours and not os.path.lexists(DEMO) else str(path)


def named(text: str) -> str:
    """Write `demo` where a text names the copy of the model that ships."""
    cache = _cache()
    if cache is None or str(cache) not in text or os.path.lexists(DEMO):
        return text
    return text.replace(str(cache / _content() / DEMO), DEMO)


def unpacked() -> Path:
    """Return a copy of the demo that may be written to, and make it when first asked for.

    It lies in `$XDG_CACHE_HOME/topklm`, by default `~/.cache/topklm`, in a directory whose name changes with
    its content. Where that cannot be written, or there is no home, it is the shipped directory itself. Raises
    RunError where the demo was not installed.
    """
    if not all((PACKED / name).is_file() for name in ("train.json", "index/index.json")):
        raise RunError(f"the demo is not in this installation: {PACKED} is missing or incomplete")
    cache = _cache()
    if cache is None:
        return PACKED
    final = cache / _content() / DEMO
    if (final / "train.json").is_file():
        return final
    try:
        cache.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=cache))
    except OSError:
        return PACKED
    try:
        shutil.copytree(PACKED, partial, dirs_exist_ok=True)
        for source in CODE.glob("[a-z]*.py"):
            shutil.copyfile(source, partial / source.name)
        partial.chmod(0o755)
        with contextlib.suppress(OSError):  # another process was first
            final.parent.mkdir(exist_ok=True)
            partial.rename(final)
    except OSError:
        return PACKED
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final if (final / "train.json").is_file() else PACKED


def _cache() -> Path | None:
    """Say where copies lie; None for a user without a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "topklm"
    except RuntimeError:
        return None


def _content() -> str:
    """Name what is packed, by its index, which names the weights in turn."""
    return hashlib.sha256((PACKED / "index" / "index.json").read_bytes()).hexdigest()[:8]
