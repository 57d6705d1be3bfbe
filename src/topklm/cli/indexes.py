"""Opening the index that a verb asks, by the name of a run or of the index itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import InputError
from .output import run_path

if TYPE_CHECKING:
    from ..index import FeatureIndex

IndexedPath = Annotated[
    str,
    typer.Argument(
        parser=run_path,
        metavar="RUN",
        help="A run's directory, or 'demo'; or an index's directory.",
        show_default=False,
    ),
]


def open_index(path: str) -> "FeatureIndex":
    """Open a run's own index, or the index that `path` itself is. Raises InputError where there is none."""
    from ..index import FeatureIndex
    from ..training import Run

    directory = Path(path)
    if (directory / "index.json").is_file():
        return FeatureIndex.open(directory)
    run = Run(path)
    if not (directory / "index").is_dir():
        raise InputError(f"{path} has no index yet; build one with: topklm index {path}")
    return FeatureIndex.open(directory / "index", revision=run.revision)
