"""Many features or tokens as lines for the terminal. One feature's card is in `terminal.py`."""

from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from .reading import Firing, ReadToken
from .terminal import GAP, broken
from .text import amount, quoted, visible

TOKEN_WIDTH = 16


def draw_reading(tokens: Iterable[ReadToken], *, width: int | None = None) -> Text:
    """Draw a text downwards: each token with its sites, and at each site the strongest features."""
    tokens = list(tokens)
    room = min(TOKEN_WIDTH, max((cell_len(visible(one.token)) for one in tokens), default=0))
    room = max(room, len("token"))
    lines = [Text(f"{'token':<{room}}{GAP}{'site':<5}{GAP}strongest, with activation", "dim")]
    for one in tokens:
        for place, (site, firings) in enumerate(one.firings.items()):
            shown = set_cell_size(visible(one.token, longest=room), room) if place == 0 else " " * room
            head = Text.assemble((shown, "bold"), GAP, f"{site:<5}")
            lines += broken(head, [Text(GAP + _firing(firing)) for firing in firings], width)
    return Text("\n").join(lines)


def _firing(one: Firing) -> str:
    known = f" {quoted(one.top_token)}" if one.top_token else ""
    return f"{one.feature.rpartition('/')[2]} {amount(one.activation)}{known}"
