"""`topklm export`: what an index knows, or a run's TopK layers, in another tool's format."""

from pathlib import Path
from typing import Annotated

import typer

from .indexes import IndexedPath, open_index
from .output import AsJson, error_console, put_json, say

SAELENS = "saelens"
"""The one tool that is given the model itself, not what an index knows of it."""


def export(
    path: IndexedPath,
    to: Annotated[
        str, typer.Option(metavar="TOOL", help="saelens, delphi or neuronpedia.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="A new directory for the result.", show_default=False)
    ],
    name: Annotated[
        str | None, typer.Option(help="What the model is called there; default: the run's name, or its path.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write what an index knows, or a run's TopK layers, in another tool's format.

    saelens: each TopK layer as an SAE whose code is the layer's state. delphi: the latent cache that it
    explains and scores features from. neuronpedia: the rows that its import takes. docs/formats.md tells
    more. The last two need an index: topklm index RUN.
    """
    from ..core.progress import counted
    from ..export import export_index

    if to == SAELENS:
        export_layers(path, out, name, as_json=as_json)
        return
    index = open_index(path)
    with counted(
        error_console(), "exporting", unit=f"{index.kind.KIND}s", total=index.layout.features
    ) as report:
        export_index(index, to, out, name=name or default_name(path, to), report=report)
    if as_json:
        about = {"run": path, "source": index.source, "revision": index.revision, "n_tokens": index.n_tokens}
        put_json({"format": "topklm.export/1", "to": to, "out": str(out), **about})
    else:
        say(f"written: {out}")


def export_layers(path: str, out: Path, name: str | None, *, as_json: bool) -> None:
    """Write a run's TopK layers as SAEs, and say which."""
    from ..export import export_saelens
    from ..training import Run

    run = Run(path)
    saes = export_saelens(run, out, name=name)
    if as_json:
        about = {"run": path, "source": "topk", "revision": run.revision, "saes": [str(one) for one in saes]}
        put_json({"format": "topklm.export/1", "to": SAELENS, "out": str(out), **about})
    else:
        say(f"written: {', '.join(map(str, saes))}")


def default_name(path: str, to: str) -> str:
    """Name the model: by its path for delphi, which loads it by that name, else by the last part.

    path: a run, or the directory of an index in one.
    """
    from ..index.format import ABOUT

    absolute = Path(path).absolute()
    if (absolute / ABOUT).is_file() and (absolute.parent / "train.json").is_file():
        absolute = absolute.parent
    return str(absolute) if to == "delphi" else absolute.name
