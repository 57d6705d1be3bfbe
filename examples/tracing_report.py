"""Write the measured part of a document on traces, from traced runs of several seeds.

python examples/tracing_report.py docs/results/tracing_tiny.md RUN [RUN ...] [--shared COPY]

Every run has been traced before (`topklm trace RUN --other RUN ...`). What stands under the heading
"## Measured" is replaced; figures of the first run go to `../images/`, under the document's name. COPY is a
copy of the first run, traced with a run of another seed that began with the same embedding.

Five lives are chosen by rule among the neurons that are live at the end of the first run: the first to
emerge of those with a lexical label, and of those with a contextual one; the one in the middle of all by
emergence step; the last to emerge; and the one whose own index changed its meaning most often. Ties go to the
lower layer and index. Where no neuron has a label of a kind, the first to emerge of all takes its place.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from topklm import Run, Trace
from topklm.core.files import write_text
from topklm.core.site import Neuron
from topklm.core.stats import paired_t
from topklm.metrics.emergence import EMERGED, emergence
from topklm.metrics.labelled import LABELLED
from topklm.reports.lives import draw_life
from topklm.reports.trace_figures import FIGURES, TITLES
from topklm.tracing.series import Series, read_series

HEADING = "## Measured"
LIVES = 5
LEAST = (0.5, 0.7, 0.9)
PAIRS = ("identity_match", "same_index_cosine", "best_match_cosine", "permuted_cosine")
MATCHES = {
    "best_match_cosine": "best match",
    "best_match_cosine/shifted": "shifted",
    "assigned_cosine": "assigned",
    "identity_match": "identity match",
}
SOURCES = ("topk", "dense", "posthoc", "sae_1x", "sae_1x_warm", "initialisation", "permuted")


def main() -> None:
    """Replace the measured part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("document", type=Path)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--shared", type=Path, metavar="COPY")
    options = parser.parse_args()
    path, runs = options.document, options.runs
    before, _, _ = path.read_text(encoding="utf-8").partition(HEADING)
    traces = [Trace.open(run / "trace") for run in runs]
    first = traces[0]
    images = path.parent.parent / "images"
    images.mkdir(exist_ok=True)
    for name, figure in FIGURES.items():
        figure(first.about, images / f"{path.stem}_{name}.png")
    parts = [
        f"{before}{HEADING}",
        _about(runs, traces),
        "### Does the index keep its meaning?",
        _matching(traces),
        f"![Identity match by checkpoint](../images/{path.stem}_stability.png)",
        "### When do neurons become what they are?",
        _emergence(traces),
        f"![Emergence and loss](../images/{path.stem}_emergence.png)",
        "Held-out loss is measured at the dots; a line only joins them.",
        _thresholds(traces),
        _late(traces),
        "### Which concepts come first?",
        _concepts(traces),
        f"![Concepts by checkpoint](../images/{path.stem}_concepts.png)",
        "### Over layers",
        "The last layers are dense; their stream is read through TopK at the run's k, so that all layers can "
        "be compared.",
        _layers(traces),
        f"![Pairs of layers](../images/{path.stem}_layers.png)",
        *_sae_seeds(traces),
        *_seeds(first),
        *_shared(options.shared),
        "### Lives",
        "Chosen by the rule in `examples/tracing_report.py`, nobody picked them.",
        *_lives(first, path),
    ]
    write_text(path, "\n\n".join(parts) + "\n")


def choose(traced: Trace) -> dict[str, str]:
    """Choose five neurons by the rule; the reason of each, and its name."""
    series = read_series(traced.path / "units", "topk", traced.sources["topk"])
    when = emergence(torch.from_numpy(series["final_cosine"])).numpy()
    live = np.flatnonzero(series.live[-1])
    names = [
        str(Neuron(int(site), int(index))) for site, index in zip(series.site, series.index, strict=True)
    ]
    labels = {life.feature: life.moments[-1].concepts for life in traced.lives([names[one] for one in live])}
    families = {one["concept"]: one["family"] for one in traced.about["concepts"]["found"]}

    def family(place: int) -> str:
        told = labels[names[place]]
        return families[told[0]["concept"]] if told and told[0]["f1"] >= LABELLED else ""

    by_step = sorted(live.tolist(), key=lambda place: (when[place], place))
    changes = _changes(series)
    chosen: dict[str, str] = {}

    def take(reason: str, places: list[int]) -> None:
        for place in places:
            if names[place] not in chosen.values():
                chosen[reason] = names[place]
                return

    for kind in ("lexical", "contextual"):
        take(f"the first to emerge with a {kind} label", [one for one in by_step if family(one) == kind])
    take("in the middle by emergence step", by_step[len(by_step) // 2 :])
    take("the last to emerge", sorted(by_step, key=lambda place: (-when[place], place)))
    take("changed its meaning most often", sorted(live.tolist(), key=lambda place: (-changes[place], place)))
    if len(chosen) < LIVES:
        take("the first to emerge of all the others", by_step)
    return chosen


def _about(runs: Sequence[Path], traces: list[Trace]) -> str:
    settings = Run(runs[0]).settings
    sites = ", ".join(str(one["site"]) for one in traces[0].about["sites"])
    seeds = ", ".join(str(one.about["seeds"][0]) for one in traces)
    tokens = ", ".join(f"{one.about['n_tokens']:,}" for one in traces)
    word = "Seeds" if len(traces) > 1 else "Seed"
    return (
        f"{word} {seeds} of `{settings.preset}` on "
        f"{', '.join(Path(one).name for one in settings.data)}: width {settings.width}, "
        f"k {settings.k}, TopK layers {sites}, {settings.steps:,} steps, learning rate {settings.lr:g}; "
        f"{len(traces[0].about['checkpoints'])} checkpoints, probe texts of {tokens} tokens. "
        f"In brackets 95 % over features (bootstrap); over seeds every seed and a "
        "t-interval."
    )


def _matching(traces: list[Trace]) -> str:
    rows = []
    for name in SOURCES:
        found = [_source(one.about["identity_match"], name) for one in traces]
        if any(one is None for one in found):
            continue
        cells = [_shown(one) for one in found]
        cells.append(_over_seeds([one["value"] for one in found if one is not None]))
        for mean in ("same_index_cosine", "best_match_cosine", "assigned_cosine", "assigned_match"):
            cells.append(", ".join(_number(one.get(mean)) for one in found if one is not None))
        rows.append([TITLES[name], *cells])
    head = [
        "source",
        *(f"seed {one.about['seeds'][0]}" for one in traces),
        "mean",
        "same index",
        "best match",
        "assigned",
        "best is the one assigned",
    ]
    text = "Identity match, consecutive checkpoints of the last half of training:\n\n" + _table(head, rows)
    for other in ("posthoc", "dense"):
        pairs = [
            (one.about["identity_match"]["value"], _source(one.about["identity_match"], other))
            for one in traces
        ]
        differences = [own - control["value"] for own, control in pairs if control is not None]
        if differences:
            each = ", ".join(f"{one:+.3f}" for one in differences)
            text += f"\n\nTopK minus {TITLES[other]}, by seed: {each}; mean {_over_seeds(differences)}."
    for name in ("sae_1x", "sae_1x_warm"):
        costs = [one.about["saes"]["checkpoints"].get(name) for one in traces]
        if all(costs):
            seconds = ", ".join(f"{one['seconds']:,.0f}" for one in costs)
            text += (
                f"\n\n{TITLES[name]}: {costs[0]['checkpoints']} checkpoints, {seconds} s of training by seed."
            )
    return text


def _emergence(traces: list[Trace]) -> str:
    rows = []
    for name in ("topk", "dense", "posthoc"):
        found = [_source(one.about["emergence"], name) for one in traces]
        if all(one is not None for one in found):
            known = [one for one in found if one is not None]
            starts = ", ".join(f"{100 * one['at_start']['value']:.1f}" for one in known)
            rows.append([TITLES[name], *(_shown(one, 0) for one in known), starts])
    layers = traces[0].about["emergence"]["by_layer"]
    for layer in layers:
        found = [one.about["emergence"]["by_layer"][layer] for one in traces]
        starts = ", ".join(f"{100 * one['at_start']['value']:.1f}" for one in found)
        rows.append([f"TopK neurons, layer {layer}", *(_shown(one, 0) for one in found), starts])
    head = [
        "median emergence step",
        *(f"seed {one.about['seeds'][0]}" for one in traces),
        "there at step 0, %",
    ]
    counts = [
        [
            f"{one['step']:,} to {one['next']:,}",
            *(str(one[name]) for name in ("born", "died", "changed", "moved")),
        ]
        for one in traces[0].about["changes"]["by_step"]
    ]
    turnover = _table(["steps", "born", "died", "changed", "moved"], counts)
    seed = traces[0].about["seeds"][0]
    return _table(head, rows) + f"\n\nWhat happened to neurons on the way, seed {seed}:\n\n" + turnover


def _thresholds(traces: list[Trace]) -> str:
    rows = []
    for name in ("topk", "dense", "posthoc"):
        if not all(name in one.sources for one in traces):
            continue
        series = [read_series(one.path / "units", name, one.sources[name]) for one in traces]
        rows.append(
            [
                TITLES[name],
                *(", ".join(f"{_median_step(one, least):,.0f}" for one in series) for least in LEAST),
            ]
        )
    return (
        "What counts as emerged is a choice. Median step, by seed, where the similarity has to stay at "
        "least\n\n" + _table(["", *(f"{least:g}" for least in LEAST)], rows)
    )


def _median_step(series: Series, least: float) -> float:
    steps = np.array([*series.steps, np.inf])
    when = emergence(torch.from_numpy(series["final_cosine"]), threshold=least).numpy()
    return float(np.median(steps[when[series.live[-1]]]))


def _late(traces: list[Trace]) -> str:
    """Say what goes with emerging late, over all neurons that are live at the end."""
    rows = []
    found = []
    for one in traces:
        series = read_series(one.path / "units", "topk", one.sources["topk"])
        live = series.live[-1]
        when = emergence(torch.from_numpy(series["final_cosine"])).numpy()[live]
        values = {
            "share of tokens it fires on at the end": series["density"][-1],
            "token entropy of random firings at the end": series["token_entropy_random"][-1],
            "number of changes": _changes(series),
        }
        found.append({name: _rank_correlation(when, value[live]) for name, value in values.items()})
    for name in found[0]:
        rows.append([name, ", ".join(f"{one[name]:+.2f}" for one in found)])
    return "Rank correlation of a neuron's emergence step with\n\n" + _table(["", "by seed"], rows)


def _rank_correlation(first: Any, second: Any) -> float:
    known = np.isfinite(second)
    return float(spearmanr(first[known], second[known]).statistic)


def _changes(series: Series) -> Any:
    both = series.live[:-1] & series.live[1:]
    return (both & ~(series["next_cosine"][:-1] >= EMERGED)).sum(0)


def _concepts(traces: list[Trace]) -> str:
    rows = []
    for name in ("frequency", "oracle", "oracle_given_frequency"):
        cells = [_shown(one.about["concepts"]["order"][name], 2) for one in traces]
        rows.append([name.replace("_", " "), *cells])
    for family in ("lexical", "mixed", "contextual"):
        found = [one.about["concepts"]["by_family"][family] for one in traces]
        cells = [f"{one['found']} of {one['n']}, median step {_step(one['median_step'])}" for one in found]
        rows.append([f"{family}: found", *cells])
    for name in SOURCES[:5]:
        found = [_source(one.about["concepts"], name) for one in traces]
        if all(found):
            cells = [_at_the_end(one) for one in found if one is not None]
            rows.append([f"F1 of 0.5 at the end: {TITLES[name]}", *cells])
    head = ["", *(f"seed {one.about['seeds'][0]}" for one in traces)]
    listed = [one for one in traces[0].about["concepts"]["found"] if one["step"] is not None]
    listed.sort(key=lambda one: (one["step"], -one["tokens"]))
    first = ", ".join(f"{one['concept']} ({one['step']:,})" for one in listed[:15])
    last = ", ".join(f"{one['concept']} ({one['step']:,})" for one in listed[15:][-15:])
    return (
        "Rank correlation of the step at which a concept is found with its frequency, with the F1 of its "
        f"token type alone, and with that at equal frequency:\n\n{_table(head, rows)}\n\nFirst: {first}."
        + (f"\n\nLast: {last}." if last else "")
    )


def _at_the_end(content: dict[str, Any]) -> str:
    there = [one["family"] for one in content["found"] if one["f1"][-1] >= EMERGED]
    families = ", ".join(
        f"{there.count(name)} {name}" for name in ("lexical", "mixed", "contextual") if name in there
    )
    return f"{len(there)}: {families}" if there else "0"


def _layers(traces: list[Trace]) -> str:
    rows = []
    layers = [one.about["layers"] for one in traces]
    for name in ("topk", "initialisation", "posthoc"):
        found = [one if name == "topk" else one["controls"].get(name) for one in layers]
        if any(one is None for one in found):
            continue
        for place, pair in enumerate(found[0]["pairs"]):
            a, b = pair["layers"]
            pairs = [one["pairs"][place] for one in found]
            cells = [", ".join(_number(one[key]) for one in pairs) for key in PAIRS]
            rows.append([TITLES[name].removesuffix(" (first against last)"), f"{a} to {b}", *cells])
    head = ["source", "layers", "identity match", "same index", "best match", "permuted"]
    blocks = [
        [str(one["layer"]), *(_shown(one[part], 1) for part in ("kept", "added", "dropped"))]
        for one in layers[0]["blocks"]
    ]
    seed = traces[0].about["seeds"][0]
    return (
        f"By seed:\n\n{_table(head, rows)}\n\n"
        f"Neurons of a token that a block keeps, adds, drops (seed {seed}):\n\n"
        + _table(["block", "kept", "added", "dropped"], blocks)
    )


def _sae_seeds(traces: list[Trace]) -> list[str]:
    rows = []
    for traced in traces:
        saes = traced.about["saes"] or {}
        found: dict[tuple[str, str, int], dict[str, Any]] = {}
        for one in saes.get("seeds", []):
            found.setdefault((one["first"], one["second"], one["site"]), {})[one["metric"]] = one
        rows += [
            [str(traced.about["seeds"][0]), f"{first}, {second}", str(site), *_matches(values)]
            for (first, second, site), values in found.items()
        ]
    if not rows:
        return []
    head = ["seed of the model", "SAEs", "layer", *MATCHES.values()]
    return [
        "### Over seeds of the SAE",
        "SAEs of one and the same twin and text, begun with other weights, which take the tokens in another "
        "order.",
        _table(head, rows),
    ]


def _matches(values: dict[str, Any]) -> list[str]:
    return [_shown(values[metric]) for metric in MATCHES]


def _seeds(first: Trace) -> list[str]:
    content = first.runs
    if content is None:
        return []
    concepts = content["concepts"]
    count = len(concepts["runs"])
    found = (
        f"Concepts with a neuron of held-out F1 of at least 0.5: {len(concepts['all'])} in all {count} runs, "
        f"{len(concepts['some'])} in some, {len(concepts['none'])} in none."
    )
    return ["### Over seeds", _pairs(content), found]


def _shared(copy: Path | None) -> list[str]:
    content = None if copy is None else Trace.open(copy / "trace").runs
    if content is None:
        return []
    return [
        "### Over seeds that began with one embedding",
        "The second run began with the first one's embedding, drew its other weights by its own seed and "
        "read the text in another order. `initial`: both as they began.",
        _pairs(content),
    ]


def _pairs(content: dict[str, Any]) -> str:
    rows = []
    for pair in content["pairs"]:
        for name, found in pair["sources"].items():
            for site in sorted({row["site"] for row in found}):
                values = {row["metric"]: row for row in found if row["site"] == site}
                rows.append(
                    [
                        f"{content['seeds'][0]}, {pair['seed']}",
                        TITLES.get(name, name),
                        str(site),
                        *_matches(values),
                    ]
                )
    return _table(["seeds", "source", "layer", *MATCHES.values()], rows)


def _lives(traced: Trace, path: Path) -> list[str]:
    parts = []
    for number, (reason, name) in enumerate(choose(traced).items(), start=1):
        life = traced.life(name)
        image = f"../images/{path.stem}_life_{number}.png"
        traced.draw_life(life, path.parent / image)
        drawn = "\n".join(f"    {line}".rstrip() for line in draw_life(life).plain.split("\n"))
        picture = f"![Life of {name}]({image})"
        parts += [f"**{name}**: {reason}.", drawn, picture]
    return parts


def _source(content: dict[str, Any], name: str) -> dict[str, Any] | None:
    return content if name == "topk" else content["controls"].get(name)


def _over_seeds(values: list[float]) -> str:
    """Write the mean over seeds with its t-interval."""
    if len(values) < 2:
        return f"{values[0]:.3f}" if values else "-"
    value, low, high = paired_t(values)
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _shown(one: dict[str, Any] | None, digits: int = 3) -> str:
    if one is None or one["value"] is None:
        return "-"
    ends = ("never" if one[end] is None else f"{one[end]:,.{digits}f}" for end in ("value", "low", "high"))
    value, low, high = ends
    return f"{value} [{low}, {high}]"


def _number(one: dict[str, Any] | None) -> str:
    return "-" if one is None or one["value"] is None else f"{one['value']:.3f}"


def _step(value: float | None) -> str:
    return "never" if value is None else f"{value:,.0f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
