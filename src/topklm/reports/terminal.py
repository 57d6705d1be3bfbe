"""A feature's card as lines for the terminal. Tables of many features are in `tables.py`.

With colours, activation is background shading and an example's peak is bold and underlined. Without
them (a pipe, NO_COLOR) small digits after a token say the same, 9 for the feature's strongest, and the
peak stands in brackets.
"""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from .card import Bin, Card, Example, Relative, TokenChange, TokenShare
from .shading import TERMINAL, scale, step, superscript
from .text import amount, count, percent, quantile, quoted, signed, visible

LABEL = 14
"""Width of the column that says what a line is about."""
GAP = "   "
EIGHTHS = "▁▂▃▄▅▆▇█"
HISTOGRAM_ENDS = 24
"""Room for the numbers at both ends of a histogram."""


def draw_card(
    card: Card,
    *,
    colour: bool = True,
    width: int | None = None,
    examples: int | None = None,
    top: int | None = None,
) -> Text:
    """Draw a card.

    width: where lines end; None leaves each list and example on a line of its own. examples: at most so
    many of each quantile bin. top: at most so many tokens and features in each list.
    """
    names = [", ".join(map(visible, card.labels))]
    facts = [f"{name.replace('_', ' ')} {amount(fact)}" for name, fact in card.facts.items()]
    room = None if width is None else width - LABEL - HISTOGRAM_ENDS
    lines = [
        Text.assemble((card.feature, "bold"), *(GAP + part for part in (card.status, *names) if part)),
        *flow("fires on", density_parts(card), width),
        *flow("activation", _sizes(card), width),
        *flow("", histogram(card, room=room) if card.histogram_counts else [], width),
        *flow("facts", facts, width),
        *flow("top tokens", map(token_share, card.top_tokens[:top]), width),
        *flow("promotes", map(token_change, card.promoted[:top]), width),
        *flow("suppresses", map(token_change, card.suppressed[:top]), width),
        *flow("similar", map(relative, card.similar[:top]), width),
        *flow("other layers", map(relative, card.other_layers), width),
    ]
    if not card.firings:
        lines.append(Text(f"It never fired on these {card.n_tokens:,} tokens, so there is no example."))
    elif card.bins and examples != 0:
        lines += [Text(), Text(_legend(colour), "dim")]
        for one in card.bins:
            lines += _draw_bin(one, scale(card), colour, width, examples)
    return Text("\n").join(lines)


def density_parts(card: Card) -> list[str]:
    """Say how often a feature fires, and on what."""
    return [
        f"{percent(card.density)} of {count(card.n_tokens, 'token')} ({count(card.firings, 'firing')})",
        f"text: {visible(card.corpus, longest=120)}",
        f"source: {visible(card.source)}",
    ]


def histogram(card: Card, *, room: int | None = None) -> list[str]:
    """Draw how many firings have which activation, one block a bar: height by count, at least a line.

    room: at most so many bars; where there are more, neighbours are added up. Returns the drawing, and
    what its highest bar stands for.
    """
    counts = list(card.histogram_counts)
    while room is not None and len(counts) > max(room, 1):
        counts = [sum(counts[place : place + 2]) for place in range(0, len(counts), 2)]
    highest = max(counts)
    bars = "".join(
        " " if number == 0 else EIGHTHS[max(0, -(-8 * number // highest) - 1)] for number in counts
    )
    low, high = card.histogram_edges[0], card.histogram_edges[-1]
    return [f"{amount(low)} |{bars}| {amount(high)}", f"highest bar {count(highest, 'firing')}"]


def token_share(one: TokenShare) -> str:
    """Write a token type and its share of the mass."""
    return f"{quoted(one.token)} {percent(one.share)}"


def token_change(one: TokenChange) -> str:
    """Write a promoted or suppressed token."""
    return f"{quoted(one.token)} {signed(one.change)}"


def relative(one: Relative) -> str:
    """Write another feature with its likeness to the card's."""
    top = f" {quoted(one.top_token)}" if one.density > 0 else " dead"
    return f"{one.feature} {amount(one.similarity)}{top}"


def draw_example(example: Example, largest: float, colour: bool) -> list[Text]:
    """Draw an example's tokens, one Text each."""
    drawn = []
    for place, (token, activation) in enumerate(zip(example.tokens, example.activations, strict=True)):
        level, text = step(activation, largest), visible(token)
        if colour:
            style = Style(
                color=TERMINAL.text if level else None,
                bgcolor=TERMINAL.background(level) if level else None,
                bold=place == example.peak,
                underline=place == example.peak,
            )
            drawn.append(Text(text, style))
        else:
            drawn.append(Text((f"[{text}]" if place == example.peak else text) + superscript(level)))
    return drawn


def _sizes(card: Card) -> list[str]:
    if not card.firings:
        return []
    quantiles = [f"{quantile(name)} {amount(value)}" for name, value in card.quantiles.items()]
    return [f"mean {amount(card.mean)}", *quantiles, f"maximum {amount(card.maximum)}"]


def _legend(colour: bool) -> str:
    shown = "shading by activation, peak underlined" if colour else "digits are ninths of the largest, [peak]"
    return f"Examples, strongest first ({shown}):"


def _draw_bin(one: Bin, largest: float, colour: bool, width: int | None, examples: int | None) -> list[Text]:
    head = f"{amount(one.low)} to {amount(one.high)}, {count(one.firings, 'firing')}"
    lines = [Text(head, "dim")]
    for example in one.examples[:examples]:
        number = f"{amount(example.activations[example.peak]):>8}  "
        lines += broken(Text(number), draw_example(example, largest, colour), width)
    return lines


def flow(label: str, entries: Iterable[str], width: int | None) -> list[Text]:
    """Put entries behind a label, on as many lines as they need; nothing where there is none."""
    texts = [Text(entry) for entry in entries]
    spaced = [text if place == 0 else Text(GAP) + text for place, text in enumerate(texts)]
    head = Text.assemble((f"{label:<{LABEL}}", "dim"))  # a style of its own, not the whole line's
    return broken(head, spaced, width, strip=True) if texts else []


def broken(head: Text, parts: Sequence[Text], width: int | None, *, strip: bool = False) -> list[Text]:
    """Put parts behind a head, breaking lines only between parts; later lines are indented as far.

    strip: drop the spaces that a part starts with where it starts a line.
    """
    indent = cell_len(head.plain)
    line, used, lines = head.copy(), indent, []
    for part in parts:
        size = cell_len(part.plain)
        if width is not None and used + size > width and used > indent:
            lines.append(line)
            line, used = Text(" " * indent), indent
            if strip:
                part = Text(part.plain.lstrip(), part.style)
                size = cell_len(part.plain)
        line.append_text(part)
        used += size
    return [*lines, line]


def sparkline(values: Sequence[float | None], *, highest: float | None = None) -> str:
    """Draw numbers from 0 to `highest` (default: the largest) as bars of eight heights; a blank for none.

    >>> sparkline([0.0, 0.5, 1.0, None])
    '▁▄█ '
    """
    top = highest or max((value for value in values if value is not None), default=0.0) or 1.0
    return "".join(
        " " if value is None else EIGHTHS[max(0, min(8, round(8 * value / top)) - 1)] for value in values
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> Text:
    """Draw a table: the first `left` columns and the last to the left, numbers to the right."""
    cells = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for number, line in enumerate(cells):
        sized = [
            cell + " " * (size - cell_len(cell)) if place < left else " " * (size - cell_len(cell)) + cell
            for place, (cell, size) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append(Text(GAP.join(sized).rstrip(), "" if number else "dim"))
    return Text("\n").join(lines)
