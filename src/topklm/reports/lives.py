"""Features of a trace for the terminal: one feature's life, the carriers of a concept."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from .terminal import flow, sparkline, table
from .text import percent, quoted

SHOWN_TOKENS = 3
SHOWN_CARRIERS = 30


def draw_life(life: Any) -> Text:
    """Draw one feature's life: what it was at every checkpoint, and its numbers as sparklines."""
    rows = [_moment(one, life.feature) for one in life.moments]
    head = (
        "step",
        "status",
        "density",
        "entropy",
        "final",
        "previous",
        "best final",
        "concept, F1",
        "top tokens",
    )
    when = (
        "does not fire at the end"
        if life.emergence is None
        else f"is what it ends as from step {life.emergence:,} on"
    )
    lines = [
        Text.assemble((life.feature, "bold"), f" of {life.source}: {when}"),
        *flow("to final", [sparkline([one.to_final for one in life.moments], highest=1.0)], None),
        *flow("density", [sparkline([one.density for one in life.moments])], None),
        *flow("entropy", [sparkline([one.token_entropy for one in life.moments])], None),
        Text(),
        table(head, rows, left=2),
    ]
    return Text("\n").join(lines)


def _moment(one: Any, feature: str) -> tuple[str, ...]:
    tokens = (f"{quoted(top['text'])} {percent(top['share'])}" for top in one.top_tokens[:SHOWN_TOKENS])
    return (
        f"{one.step:,}",
        one.status,
        percent(one.density),
        "-" if one.token_entropy is None else f"{one.token_entropy:.2f}",
        f"{one.to_final:.2f}",
        "-" if one.to_previous is None else f"{one.to_previous:.2f}",
        f"{one.best} {one.best_to_final:.2f}" if one.best not in (None, feature) else "",
        f"{one.concepts[0]['concept']} {one.concepts[0]['f1']:.2f}" if one.concepts else "",
        ", ".join(tokens),
    )


def draw_carriers(concept: str, rows: Sequence[Mapping[str, Any]], steps: Sequence[int]) -> Text:
    """Draw the features that ever told a concept, the best at the end first."""
    shown = [
        (
            row["feature"],
            f"{row['final']:.2f}",
            f"{row['best']:.2f}",
            "".join("█" if step in row["steps"] else "·" for step in steps),
            f"{row['steps'][0]:,} to {row['steps'][-1]:,}",
        )
        for row in rows[:SHOWN_CARRIERS]
    ]
    title = f"{concept}: {len(rows)} features told it at some checkpoint (held-out F1 of at least 0.5)"
    if not shown:
        return Text(title)
    head = ("feature", "F1 at the end", "highest", "checkpoints", "steps")
    more = len(rows) - len(shown)
    rest = [Text(f"{more} more; --json has all", "dim")] if more else []
    return Text("\n").join([Text(title), table(head, shown), *rest])
