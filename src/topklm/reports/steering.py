"""Steering for the terminal: texts side by side, features found, the table of an evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from .terminal import GAP, table
from .text import amount, percent, quoted, visible

NARROWEST = 30
"""Cells of a column of text; below twice that, texts stand below each other."""
DEFAULT_WIDTH = 110
"""Where a line may be as long as it likes."""
MARK = Style(bold=True, underline=True)


class Piece(NamedTuple):
    """A token of a text."""

    text: str
    marked: bool = False


def draw_pair(
    titles: tuple[str, str], pair: tuple[Sequence[Piece], Sequence[Piece]], *, colour: bool, width: int | None
) -> Text:
    """Draw two texts side by side, marked tokens bold and underlined, or in brackets without colours."""
    room = width or DEFAULT_WIDTH
    column = (room - len(GAP)) // 2
    drawn = [_joined(pieces, colour) for pieces in pair]
    if column < NARROWEST:
        blocks = [
            [Text(title, "dim"), *_wrapped(text, room)] for title, text in zip(titles, drawn, strict=True)
        ]
        return Text("\n").join([*blocks[0], Text(), *blocks[1]])
    sides = [[Text(title, "dim"), *_wrapped(text, column)] for title, text in zip(titles, drawn, strict=True)]
    lines = []
    for place in range(max(map(len, sides))):
        left, right = (side[place] if place < len(side) else Text() for side in sides)
        lines.append(left + Text(" " * (column - cell_len(left.plain)) + GAP) + right)
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def draw_text(title: str, pieces: Sequence[Piece], *, colour: bool, width: int | None) -> Text:
    """Draw one text below its title, marked as in `draw_pair`."""
    return Text("\n").join([Text(title, "dim"), *_wrapped(_joined(pieces, colour), width or DEFAULT_WIDTH)])


def _joined(pieces: Sequence[Piece], colour: bool) -> Text:
    """Put tokens together; neighbours that are marked share one mark, which leaves out spaces around it."""
    text = Text()
    place = 0
    while place < len(pieces):
        end = place
        while end < len(pieces) and pieces[end].marked == pieces[place].marked:
            end += 1
        run = "".join(_shown(piece.text) for piece in pieces[place:end])
        if pieces[place].marked and run.strip():
            core = run.strip()
            before, after = run[: run.index(core)], run[run.index(core) + len(core) :]
            text.append(before)
            text.append(core if colour else f"[{core}]", MARK if colour else None)
            text.append(after)
        else:
            text.append(run)
        place = end
    return text


def _shown(piece: str) -> str:
    """Write a token so that lines may break at its spaces."""
    return " ".join(visible(part, longest=1000) for part in piece.replace("\n", " ").split(" "))


def _wrapped(text: Text, width: int) -> list[Text]:
    lines = list(text.wrap(Console(width=width), width))
    for line in lines:
        line.rstrip()
    return lines


def draw_finding(finding: Any, *, limit: int) -> Text:
    """Draw what `steering.find` found: features, then the references, both columns shown."""
    rows = [
        (
            one.feature,
            "-" if one.fires != one.fires else f"{one.fires:.3f}",
            f"{one.causes.value:+.2g} [{one.causes.low:+.2g}, {one.causes.high:+.2g}]",
            amount(one.unit),
            "-" if one.density != one.density else percent(one.density),
            quoted(one.top_token) if one.top_token else "",
        )
        for one in [*finding.features[:limit], *finding.references]
    ]
    head = ("feature", "fires", "causes", "1x", "density", "top token")
    notes = [
        f"{finding.asked}: {len(finding.features)} candidates, by what they cause",
        f"fires:  {finding.fires}",
        f"causes: {finding.causes}, 95 % over {finding.n_contexts} contexts",
        f"1x:     the 99th percentile of its firings; set to {finding.strength:g}x "
        "(a difference: added so often)",
    ]
    return Text("\n").join([*map(Text, notes), Text(), table(head, rows)])


def draw_evaluation(content: Mapping[str, Any]) -> Text:
    """Draw a steering evaluation: an arm a line, then the neurons by layer and strength."""
    arms = {"neurons": content, **content["controls"]}
    rows = [
        (
            name,
            str(arm["n_features"]),
            interval(arm["success_rate"]),
            share(arm["reached"]["value"]),
            share(arm["fluent"]["value"]),
            _best(arm),
        )
        for name, arm in arms.items()
    ]
    head = ("arm", "features", "success", "reached", "fluent", "best strength alone")
    labelled, live = content["n_labelled"], content["n_live"]
    parts = [
        Text(
            f"{labelled:,} of {live:,} live neurons are labelled ({interval(content['labelled_share'])}); "
            f"concepts judged by {content['judge']}, fluency by {content['fluency']}"
        ),
        Text(),
        table(head, rows),
        Text(),
        Text("neurons by layer: success at the strength chosen for each, and at each strength alone"),
        _by_layer(content),
    ]
    parts += [Text(f"left out: {name}: {why}") for name, why in content["left_out"].items()]
    return Text("\n").join(parts)


def _by_layer(content: Mapping[str, Any]) -> Text:
    """Draw a layer's neurons a line, by strength, and below them what each strength costs in perplexity."""
    strengths = content["by_strength"]
    rows = [
        (
            f"L{layer}",
            str(one["n_features"]),
            interval(one["success_rate"]),
            *(share(one["by_strength"][name]["success_rate"]["value"]) for name in strengths),
        )
        for layer, one in content["by_layer"].items()
    ]
    prices = ("perplexity", "", "", *(_ratio(one["perplexity_ratio"]) for one in strengths.values()))
    return table(("", "features", "chosen", *strengths), [*rows, prices])


def interval(estimate: Mapping[str, float | None]) -> str:
    """Write a share with its interval, or alone where there is none (of a single document or feature).

    >>> interval({"value": 0.5, "low": 0.4, "high": 0.6}), interval({"value": 0.0, "low": None, "high": None})
    ('50% [40%, 60%]', '0%')
    """
    value, low, high = (share(estimate[part]) for part in ("value", "low", "high"))
    return value if "-" in (low, high) else f"{value} [{low}, {high}]"


def share(value: float | None) -> str:
    """Write a share in whole percent; a dash where there is none.

    >>> share(0.614), share(float("nan")), share(None)
    ('61%', '-', '-')
    """
    return f"{100 * value:.0f}%" if value is not None and abs(value) <= 1 else "-"


def _best(arm: Mapping[str, Any]) -> str:
    """Name the strength at which most features succeed when all take the same."""
    rates = {name: one["success_rate"]["value"] for name, one in arm["by_strength"].items()}
    if not rates:
        return "-"
    name = max(rates, key=lambda one: rates[one])
    if not rates[name] > 0:
        return "-"
    return f"{share(rates[name])} at {name}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"x{amount(value)}"
