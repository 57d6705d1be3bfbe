"""Traces for the terminal: the whole run in a few lines, one neuron's life, the carriers of a concept."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from .terminal import EIGHTHS, flow, table
from .text import percent, quoted

SHOWN_TOKENS = 3
SHOWN_CONCEPTS = 12
SHOWN_CARRIERS = 30


def sparkline(values: Sequence[float | None], *, highest: float | None = None) -> str:
    """Draw numbers from 0 to `highest` (default: the largest) as bars of eight heights; a blank for none.

    >>> sparkline([0.0, 0.5, 1.0, None])
    '▁▄█ '
    """
    top = highest or max((value for value in values if value is not None), default=0.0) or 1.0
    return "".join(
        " " if value is None else EIGHTHS[max(0, min(8, round(8 * value / top)) - 1)] for value in values
    )


def draw_trace(content: Mapping[str, Any]) -> Text:
    """Draw a whole trace: identity match and emergence beside controls, what changed, which concepts."""
    steps = content["checkpoints"]
    main = content["identity_match"]
    lines = [
        Text(
            f"{len(steps)} checkpoints, steps {steps[0]:,} to {steps[-1]:,} of {content['steps']:,}, on "
            f"{content['n_tokens']:,} tokens of {', '.join(content['corpus']['spec'])}"
        ),
        Text(),
        Text(
            f"from one checkpoint to the next, {main['n_pairs']} pairs of the last half of training",
            "dim",
        ),
        table(
            ("source", "identity match", "same index", "best match", "assigned", "assigned is best"),
            [_match_row("topk", main), *(_match_row(name, one) for name, one in main["controls"].items())],
        ),
        *_saes(content["saes"]),
        Text(),
        Text("similarity to the final self, of features that are live at the end", "dim"),
        _emergence(content["emergence"]),
        Text(),
        _changes(content),
        *_concepts(content["concepts"]),
        *_senses(content["senses"]),
        Text(),
        draw_layers(content["layers"]),
    ]
    lines += [
        Text(f"skipped: checkpoint {one['step']:,} of {one['source']}: {one['reason']}")
        for one in content["skipped"]
    ]
    lines += [Text(f"left out: {name}: {why}") for name, why in content["left_out"].items()]
    return Text("\n").join(lines)


def _match_row(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    means = ("same_index_cosine", "best_match_cosine", "assigned_cosine")
    title = {"initialisation": "initialisation (first against last)", "permuted": "chance (permuted)"}
    shown = (*(one.get(mean) for mean in means), one.get("assigned_match"))
    return (title.get(name, name), _interval(one), *map(_value, shown))


def _saes(content: Mapping[str, Any]) -> list[Text]:
    """Say what SAEs of checkpoints cost, and how those of several seeds match."""
    lines = []
    for name, one in content["checkpoints"].items():
        flat = "all flat" if one["flat"] else "not all flat"
        cost = f"{one['seconds']:,.0f} s to train at {one['checkpoints']} checkpoints"
        lines += flow(name, [f"{cost}, {one['tokens']:,.0f} tokens an SAE, {flat}"], None)
    values = {(row["first"], row["second"], row["site"], row["metric"]): row for row in content["seeds"]}
    metrics = ("best_match_cosine", "best_match_cosine/shifted", "assigned_cosine")
    rows = [
        (first, second, f"L{site}", *(_interval(values[first, second, site, one], 2) for one in metrics))
        for first, second, site in dict.fromkeys(key[:3] for key in values)
    ]
    if rows:
        head = ("SAE", "other seed", "layer", "best match", "best match, shifted", "assigned")
        lines += [
            Text(),
            Text("SAEs of the same weights, of several seeds", "dim"),
            table(head, rows, left=3),
        ]
    return lines


def _emergence(content: Mapping[str, Any]) -> Text:
    rows = []
    for name, one in {"topk": content, **content["controls"]}.items():
        rows.append(
            (
                "chance (permuted)" if name == "permuted" else name,
                _step(one["value"]),
                f"{_step(one['low'])} to {_step(one['high'])}",
                _percent(one["at_start"]["value"]),
                sparkline(one["share"], highest=1.0),
            )
        )
    for layer, one in content["by_layer"].items():
        rows.append((f"topk L{layer}", _step(one["value"]), f"{_step(one['low'])} to {_step(one['high'])}",
                     _percent(one["at_start"]["value"]), sparkline(one["share"], highest=1.0)))  # fmt: skip
    head = ("source", "median step", "95 %", "at start", "share emerged by checkpoint")
    return table(head, rows)


def _changes(content: Mapping[str, Any]) -> Text:
    rows = content["changes"]["by_step"]
    counts = content["features"]["by_step"]
    labelled = [one["labelled"]["value"] for one in counts]
    entropies = [one["token_entropy"]["value"] for one in counts]
    parts = [
        *flow("live", [_drawn([one["live"] for one in counts], "{:,.0f}")], None),
        *flow("labelled", [_drawn(labelled, "{:.0%}")], None),
        *flow("token entropy", [_drawn(entropies, "{:.2f} bits")], None),
        *flow("changed", [_drawn([one["changed"] for one in rows], "{:,.0f}")], None),
        *flow("born", [_drawn([one["born"] for one in rows], "{:,.0f}")], None),
        *flow("died", [_drawn([one["died"] for one in rows], "{:,.0f}")], None),
    ]
    return Text("\n").join(parts)


def _drawn(values: Sequence[float | None], pattern: str) -> str:
    known = [value for value in values if value is not None and value == value]
    bars = sparkline([value if value is not None and value == value else None for value in values])
    if not known:
        return "-"
    return f"{pattern.format(known[0])} {bars} {pattern.format(known[-1])}"


def _concepts(content: Mapping[str, Any]) -> list[Text]:
    order = content["order"]
    found = [one for one in content["found"] if one["step"] is not None]
    found.sort(key=lambda one: (one["step"], -one["tokens"]))
    first = [f"{one['concept']} ({one['step']:,})" for one in found[:SHOWN_CONCEPTS]]
    scored = sum(one["scored"] for one in content["found"])
    lines = [
        Text(),
        Text(f"{len(found)} of {scored} concepts have a feature at the end, by first step:", "dim"),
    ]
    lines += flow("first", [", ".join(first)] if first else ["none"], None)
    for name, one in content["by_family"].items():
        if one["n"]:
            text = f"{one['found']} of {one['n']} found, median step {_step(one['median_step'])}"
            lines += flow(name, [f"{text} {sparkline(one['share'], highest=1.0)}"], None)
    if order["frequency"]["value"] == order["frequency"]["value"] and order["frequency"]["value"] is not None:
        lines += flow(
            "rank corr.",
            [
                f"step with frequency {_interval(order['frequency'], 2)}",
                f"with the token type's F1 {_interval(order['oracle'], 2)}",
                f"the same at equal frequency {_interval(order['oracle_given_frequency'], 2)}",
            ],
            None,
        )
    return lines


def _senses(content: Mapping[str, Any]) -> list[Text]:
    if not content["n"]:
        return []
    sources = {"topk": content, **content["controls"]}
    parts = [
        f"{name} {one['separated']} of {one['n']} words {sparkline(one['share'], highest=1.0)}"
        for name, one in sources.items()
    ]
    return flow("senses apart", parts, None)


def draw_layers(content: Mapping[str, Any]) -> Text:
    """Draw how far an index keeps its meaning over layers, and what each block changes per token."""
    rows, blocks = [], []
    for name, one in {"topk": content, **content["controls"]}.items():
        for pair in one["pairs"]:
            a, b = pair["layers"]
            means = ("same_index_cosine", "best_match_cosine", "permuted_cosine")
            rows.append(
                (name, f"L{a} L{b}", _interval(pair["identity_match"]), *(_value(pair[m]) for m in means))
            )
        for block in one["blocks"]:
            changes = (f"{block[part]['value']:.1f}" for part in ("kept", "added", "dropped"))
            blocks.append((name, f"L{block['layer']}", *changes))
    head = ("source", "layers", "identity match", "same index", "best match", "permuted")
    tail = ", ".join(f"L{one}" for one in content["layers"] if one not in content["topk_layers"])
    note = f"; {tail} without TopK, read through it" if tail else ""
    return Text("\n").join(
        [
            Text(f"layers at the final checkpoint, and controls{note}", "dim"),
            table(head, rows, left=2),
            Text(),
            Text("neurons of a token that a block keeps, adds, drops", "dim"),
            table(("source", "block", "kept", "added", "dropped"), blocks, left=2),
        ]
    )


def draw_runs(content: Mapping[str, Any]) -> Text:
    """Draw how the neurons of runs match, each source beside its chance, and which concepts all runs find."""
    metrics = ("identity_match", "best_match_cosine", "best_match_cosine/shifted", "assigned_cosine")
    rows = []
    for pair in content["pairs"]:
        for name, found in pair["sources"].items():
            sites = sorted({row["site"] for row in found})
            for site in sites:
                values = {row["metric"]: row for row in found if row["site"] == site}
                rows.append((pair["run"], name, f"L{site}", *(_interval(values[m], 2) for m in metrics)))
    concepts = content["concepts"]
    count = (len(concepts["all"]), len(concepts["some"]), len(concepts["none"]))
    head = ("with", "source", "layer", "identity match", "best match", "best match, shifted", "assigned")
    return Text("\n").join(
        [
            Text(),
            Text(f"final neurons of {content['run']} in other runs", "dim"),
            table(head, rows, left=3),
            Text(),
            Text(
                f"concepts found by all {len(concepts['runs'])} runs: {count[0]}, by some: {count[1]}, "
                f"by none: {count[2]}"
            ),
        ]
    )


def draw_life(life: Any) -> Text:
    """Draw one feature's life: what it was at every checkpoint, and its numbers as sparklines."""
    rows = []
    for one in life.moments:
        tokens = GAP.join(
            f"{quoted(top['text'])} {percent(top['share'])}" for top in one.top_tokens[:SHOWN_TOKENS]
        )
        concept = f"{one.concepts[0]['concept']} {one.concepts[0]['f1']:.2f}" if one.concepts else ""
        rows.append(
            (
                f"{one.step:,}",
                one.status,
                percent(one.density),
                "-" if one.token_entropy is None else f"{one.token_entropy:.2f}",
                f"{one.to_final:.2f}",
                "-" if one.to_previous is None else f"{one.to_previous:.2f}",
                f"{one.best} {one.best_to_final:.2f}" if one.best not in (None, life.feature) else "",
                concept,
                tokens,
            )
        )
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
        else (f"is what it ends as from step {life.emergence:,} on")
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


GAP = ", "


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


def _interval(one: Mapping[str, Any], digits: int = 3) -> str:
    if one["value"] is None or one["value"] != one["value"]:
        return "-"
    value, low, high = (f"{one[end]:.{digits}f}" for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _percent(share: float | None) -> str:
    return "-" if share is None else percent(share)


def _value(one: Mapping[str, Any] | None) -> str:
    return (
        "-" if one is None or one["value"] is None or one["value"] != one["value"] else f"{one['value']:.3f}"
    )


def _step(value: float | None) -> str:
    if value is None or value != value or value == float("inf"):
        return "never"
    return f"{value:,.0f}"
