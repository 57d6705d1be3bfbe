"""Traces for the terminal: a whole trace in a few lines, runs side by side. Single features: `lives.py`."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from rich.text import Text

from .terminal import flow, sparkline, table
from .text import percent

SHOWN_CONCEPTS = 12


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
    sources = {"topk": content, **content["controls"]}
    rows = []
    for name, one in sources.items():
        row = _emerged("chance (permuted)" if name == "permuted" else name, one)
        began = one["steps"][0]
        rows.append(row if began <= content["steps"][0] else _unseen(row, began))
    rows += [_emerged(f"topk L{layer}", one) for layer, one in content["by_layer"].items()]
    head = ("source", "median step", "95 %", "at start", "share emerged by checkpoint")
    return table(head, rows)


def _unseen(row: tuple[str, ...], began: int) -> tuple[str, ...]:
    """Say no median where a source is there from a later checkpoint on: before, it was not seen."""
    return (row[0], f"begins at {began:,}", "-", *row[3:])


def _emerged(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    between = f"{_step(one['low'])} to {_step(one['high'])}"
    share = sparkline(one["share"], highest=1.0)
    return (name, _step(one["value"]), between, _percent(one["at_start"]["value"]), share)


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
    known = [value for value in values if _known(value)]
    if not known:
        return "-"
    bars = sparkline([value if _known(value) else None for value in values])
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
    if _known(order["frequency"]["value"]):
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


def _interval(one: Mapping[str, Any], digits: int = 3) -> str:
    if not _known(one["value"]):
        return "-"
    value = f"{one['value']:.{digits}f}"
    if not (_known(one["low"]) and _known(one["high"])):
        return value  # of a single feature nothing is known about the next
    return f"{value} [{one['low']:.{digits}f}, {one['high']:.{digits}f}]"


def _percent(share: float | None) -> str:
    return "-" if share is None else percent(share)


def _value(one: Mapping[str, Any] | None) -> str:
    return f"{one['value']:.3f}" if one is not None and _known(one["value"]) else "-"


def _step(value: float | None) -> str:
    return f"{value:,.0f}" if _known(value) and value != float("inf") else "never"


def _known(value: float | None) -> TypeGuard[float]:
    """Tell whether there is a number; NaN is none."""
    return value is not None and value == value
