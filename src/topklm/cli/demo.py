"""`topklm demo`: the model that ships, in a browser."""

from typing import Annotated

import typer

from .explore import explore
from .output import whole


def demo(
    port: Annotated[int | None, whole("Port; default: the first free one from 8642 on.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> None:
    """Open the model that ships with topklm in a browser: a small TopK model with an index of its neurons.

    Verbs that read a run take it by the name 'demo', unless a directory here has that name: topklm info demo,
    topklm neurons demo --search sea, topklm steer demo "Once upon a time" --set L3/N245=1x. It comes without
    text and checkpoints, which some verbs need (docs/demo.md). Needs: pip install 'topklm[explore]'.
    """
    from ..training.shipped import unpacked

    explore(str(unpacked()), port=port, no_browser=no_browser)
