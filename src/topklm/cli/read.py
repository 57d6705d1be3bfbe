"""`topklm read`: a text's tokens, and the strongest neurons of each, layer by layer."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import InputError
from .output import AsJson, RunPath, name_of, put_drawing, put_json, say, whole

if TYPE_CHECKING:
    from ..index import FeatureIndex
    from ..training import Loaded


def read(
    path: RunPath,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to read.", show_default=False)],
    layer: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Only this layer; may be repeated.")
    ] = None,
    top: Annotated[int, whole("Neurons shown of each token and layer.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Show which neurons fire most on each token of TEXT, from the model itself.

    Where the run has an index, each neuron's top token stands with it.
    """
    from ..features.reading import read as read_text
    from ..index import source_of
    from ..training import load

    loaded = load(path)
    source = source_of(loaded)
    index = fitting_index(loaded)
    tops = (
        dict(zip(*(index.brief[name].to_pylist() for name in ("feature", "top_token")), strict=True))
        if index
        else {}
    )
    tokens = read_text(source, text, sites=layer, top=top, top_token=lambda name: tops.get(name) or "")
    if len(tokens) >= source.context:
        say(f"{len(tokens):,} tokens, read in windows of {source.context:,} that overlap by half")
    if as_json:
        about = {"run": path, "revision": loaded.run.revision, "index": str(index.path) if index else None}
        rows = [{"position": place, **asdict(one)} for place, one in enumerate(tokens)]
        put_json({"format": "topklm.read/1", **about, "n_tokens": len(tokens), "text": text, "tokens": rows})
        return
    from ..reports.tables import draw_reading

    put_drawing(lambda _, width: draw_reading(tokens, width=width))
    if not (loaded.run.path / "index").is_dir():
        say(f"'topklm index {name_of(path)}' adds to each neuron the token that it fires on most")


def fitting_index(loaded: "Loaded") -> "FeatureIndex | None":
    """Open the run's index where it has one; say why where it cannot be used."""
    from ..steering.editing import own_index

    try:
        return own_index(loaded)
    except InputError as error:
        say(f"without the index: {error}")
        return None
