"""The tools whose formats an index can be written in. A new one is a function and a line in `TOOLS`.

A tool that needs the model, not an index, gets a function of its own beside `export_index`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.files import disk_full_is_said, new_partial, seal
from ..index import FeatureIndex
from ..reports.card import Card
from .delphi import Firings, write_hookpoint
from .neuronpedia import Place, model_id, write_source

Report = Callable[[int], None]


@dataclass(frozen=True)
class Request:
    """What to export, and under which name."""

    index: FeatureIndex
    name: str
    """What the model is called in the other tool."""
    report: Report
    """Called with the number of features written so far."""


def export_index(
    index: FeatureIndex, tool: str, out: Path | str, *, name: str, report: Report = lambda _: None
) -> None:
    """Write an index in a tool's format to a new directory, whole or not at all.

    name: what the model is called there; delphi takes the path of a model from it. Raises InputError for
    an unknown tool, an existing directory, or an index that the tool would misread.
    """
    if tool not in TOOLS:
        raise InputError(f"there is no export to {tool!r}; choose one of saelens, {', '.join(TOOLS)}")
    with new_directory(Path(out)) as directory:
        TOOLS[tool](Request(index, name, report), directory)


@contextmanager
def new_directory(out: Path) -> Iterator[Path]:
    """Yield a directory to fill; afterwards it bears the name `out`, with a manifest of hashes."""
    if out.exists():
        raise InputError(f"{out} exists already; choose another --out, or delete it")
    if not out.absolute().parent.is_dir():
        raise InputError(f"there is no directory {out.absolute().parent}; make it first")
    with disk_full_is_said(out), new_partial(out) as partial:
        yield partial
        if out.exists():
            raise InputError(f"{out} has come to be while the export was written; choose another --out")
        seal(partial, out)


def to_delphi(request: Request, directory: Path) -> None:
    """Write every site's firings as delphi's latent cache."""
    index = request.index
    if index.about["sample"]["share"] < 1:
        raise InputError(
            "this index keeps a sample of its firings, which delphi would take for all of them; build one "
            "without --sample"
        )
    config = {
        "model_name": request.name,
        "dataset_repo": ", ".join(map(str, index.about["corpus"]["spec"])),
        "dataset_split": "",
        "dataset_name": "",
        "dataset_column": "text",
        "n_tokens": index.n_tokens,
        "source": index.source,
        "revision": index.revision,
    }
    done = 0
    for site, width in zip(index.layout.sites, index.layout.widths, strict=True):

        def firings(first: int, stop: int, site: int = site, done: int = done) -> Firings:
            table = index.ask(
                "SELECT position, index, value FROM firings_by_feature "
                "WHERE site = ? AND index >= ? AND index < ? ORDER BY position, index",
                [site, first, stop],
            )
            request.report(done + stop)
            position, feature, value = (table[name].to_numpy() for name in ("position", "index", "value"))
            return Firings(position.astype(np.int64), feature.astype(np.int64), value)

        write_hookpoint(
            directory,
            f"layers.{site}",
            index.tokens,
            firings,
            context=index.about["batch_shape"][1],
            width=width,
            config=config,
        )
        done += width


def to_neuronpedia(request: Request, directory: Path) -> None:
    """Write every site's cards as Neuronpedia's exports."""
    index = request.index
    done = 0
    for site, width in zip(index.layout.sites, index.layout.widths, strict=True):

        def cards(site: int = site, width: int = width, done: int = done) -> Iterator[Card]:
            for number in range(width):
                request.report(done + number)
                yield index.card(index.kind(site, number))

        write_source(
            directory,
            Place(model_id(request.name), site, index.source),
            cards(),
            layers=index.about["depth"],
            width=width,
            n_tokens=index.n_tokens,
            corpus=", ".join(map(str, index.about["corpus"]["spec"])),
        )
        done += width


TOOLS: dict[str, Callable[[Request, Path], None]] = {"delphi": to_delphi, "neuronpedia": to_neuronpedia}
