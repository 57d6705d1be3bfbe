"""`topklm neuron`: one feature's card."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import InputError
from .indexes import IndexedPath, open_index
from .output import AsJson, put_drawing, put_json, say, whole

LISTED = 10
"""Tokens and features of each list in the terminal."""


def neuron(
    path: IndexedPath,
    name: Annotated[str, typer.Argument(metavar="NEURON", help="Such as L3/N17.", show_default=False)],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the card as a page to this file.")
    ] = None,
    examples: Annotated[int, whole("Examples shown of each quantile bin; page and JSON have all.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Show what a neuron is about: how often it fires, on which tokens, and examples of each strength."""
    from ..core.files import write_text
    from ..reports.terminal import draw_card

    if examples < 0:
        raise InputError(f"examples={examples} is not allowed; choose 0 or more")
    if html is not None and not html.absolute().parent.is_dir():
        raise InputError(f"there is no directory {html.absolute().parent}; make it first")
    if html is not None and html.is_dir():
        raise InputError(f"{html} is a directory; name a file")
    if html is not None and html.is_file() and b"<!doctype html>" not in html.read_bytes()[:99].lower():
        raise InputError(f"{html} is there and no page; choose another file")
    index = open_index(path)
    card = index.card(name)
    if html is not None:
        from ..reports.page import page

        write_text(html, page([card], title=f"{card.feature} of {path}"))
        say(f"written: {html}")
    if as_json:
        put_json({"format": "topklm.card/1", "run": path, "revision": index.revision, **asdict(card)})
    elif html is None:
        put_drawing(
            lambda colour, width: draw_card(card, colour=colour, width=width, examples=examples, top=LISTED)
        )
