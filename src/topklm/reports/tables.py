"""Many features or tokens as lines for the terminal. One feature's card is in `terminal.py`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from .reading import Firing, ReadToken
from .terminal import GAP, broken
from .text import amount, percent, quoted, visible

TOKEN_WIDTH = 16
TOKENS_SHOWN = 6
HEADS = ("feature", "status", "density", "mean", "maximum", "top tokens, share of the activation")


def draw_features(rows: Sequence[Mapping[str, Any]], *, width: int | None = None) -> Text:
    """Draw a table of features, a line each, with as many top tokens as there is room for.

    rows: `feature`, `status`, `density`, `mean`, `maximum` (None where it never fires) and `top_tokens`,
    each with `text` and `share`; after a search also `mass_share`.
    """
    searched = any("mass_share" in row for row in rows)
    cells = [(*HEADS[:-1], "on words") if searched else HEADS[:-1], *(_cells(row) for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for number, line in enumerate(cells):
        sized = [
            f"{cell:<{size}}" if place < 2 else f"{cell:>{size}}"  # names to the left, numbers to the right
            for place, (cell, size) in enumerate(zip(line, widths, strict=True))
        ]
        text = GAP.join(sized)
        tokens = rows[number - 1]["top_tokens"] if number else []
        for one in tokens[:TOKENS_SHOWN]:
            entry = f"{GAP}{quoted(one['text'])} {percent(one['share'])}"
            if width is not None and cell_len(text) + cell_len(entry) > width:
                break
            text += entry
        lines.append(Text(text) if number else Text(text + GAP + HEADS[-1], "dim"))
    return Text("\n").join(lines)


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


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = (row["mean"], row["maximum"])
    sizes = ("-" if number is None else amount(number) for number in numbers)
    searched = [percent(row["mass_share"])] if "mass_share" in row else []
    return (row["feature"], row["status"], percent(row["density"]), *sizes, *searched)


def _firing(one: Firing) -> str:
    known = f" {quoted(one.top_token)}" if one.top_token else ""
    return f"{one.feature.rpartition('/')[2]} {amount(one.activation)}{known}"
