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
GOOD_NAME = 0.5
FURTHER = {"mass_share": "on words", "concept_score": "F1"}
"""Columns that only some questions bring."""
HEADS = ("feature", "status", "density", "mean", "maximum", "top tokens, share of the activation")


def draw_features(rows: Sequence[Mapping[str, Any]], *, width: int | None = None) -> Text:
    """Draw a table of features, a line each, with as many top tokens as there is room for.

    rows: `feature`, `status`, `density`, `mean`, `maximum` (None where it never fires) and `top_tokens`,
    each with `text` and `share`; after a search also `mass_share`, or `concept_score`. Before the tokens
    stands `given_name`, or else `name` where it is known and a good one.
    """
    further = [title for column, title in FURTHER.items() if any(column in row for row in rows)]
    named = any(_name(row) for row in rows)
    cells = [(*HEADS[:-1], *further), *(_cells(row) for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for number, line in enumerate(cells):
        sized = [
            f"{cell:<{size}}" if place < 2 else f"{cell:>{size}}"  # names to the left, numbers to the right
            for place, (cell, size) in enumerate(zip(line, widths, strict=True))
        ]
        text = GAP.join(sized)
        for entry in _entries(rows[number - 1]) if number else []:
            if width is not None and cell_len(text) + cell_len(entry) > width:
                break
            text += entry
        lines.append(
            Text(text) if number else Text(text + GAP + ("name; " if named else "") + HEADS[-1], "dim")
        )
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
    further = [percent(row[column]) for column in FURTHER if column in row]
    return (row["feature"], row["status"], percent(row["density"]), *sizes, *further)


def _entries(row: Mapping[str, Any]) -> list[str]:
    """Write what stands behind the numbers: the name (a measured one with its score), top tokens."""
    name = [f"{GAP}{_name(row)}"] if _name(row) else []
    tokens = row["top_tokens"][:TOKENS_SHOWN]
    return [*name, *(f"{GAP}{quoted(one['text'])} {percent(one['share'])}" for one in tokens)]


def _name(row: Mapping[str, Any]) -> str:
    if row.get("given_name"):
        return visible(row["given_name"])
    score = row.get("name_score")
    return f"{visible(row['name'])} ({amount(score)})" if score is not None and score >= GOOD_NAME else ""


def _firing(one: Firing) -> str:
    known = f" {quoted(one.top_token)}" if one.top_token else ""
    return f"{one.feature.rpartition('/')[2]} {amount(one.activation)}{known}"
