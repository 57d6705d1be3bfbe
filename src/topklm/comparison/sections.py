"""The sections of a report: a table for each question, every source in it, figures where they tell more."""

from collections.abc import Iterator
from pathlib import Path

from ..core.stats import Estimate
from ..reports.comparison import Panel, standing_figure
from ..reports.document import Block, Figure, Heading, Paragraph, Table
from ..reports.metrics import number
from .columns import Column, giga, intervals, lines, ordered, said, table, whole, with_layers
from .gaps import Key, Numbers, standing
from .headlines import HEADLINES, MAIN

SIGNS = {"ahead": "+", "level": "=", "behind": "-"}
START = "initialisation"
"""Over checkpoints it is the first against the last; over layers the untrained model."""


def readable(numbers: Numbers, figures: Path) -> Iterator[Block]:
    """Tell how readable features are, source by source."""
    keys = {
        one: Key(one.metric, one.about) for one in HEADLINES if numbers.has(MAIN, Key(one.metric, one.about))
    }
    if not keys:
        return
    sources = ordered({name for key in keys.values() for name in numbers.sources(key)})
    others = [name for name in sources if name != MAIN]
    stands: dict[str, dict[str, str]] = {}
    rows, gaps = [], []
    for one, key in keys.items():
        cells = [said(numbers.mean(MAIN, key))]
        between = {name: numbers.gap(MAIN, name, key, better=one.better or 1) for name in others}
        where = {name: place for name, gap in between.items() if (place := standing(gap)) is not None}
        for name in others:
            value = numbers.mean(name, key)
            sign = f" {SIGNS[where[name]]}" if one.better and name in where else ""
            cells.append("-" if value is None else number(value.value) + sign)
        rows.append((one.title, *cells))
        if one.better:
            stands[one.title] = where
            gaps.append((one.title, *(said(between[name]) for name in others)))
    yield Heading("How readable features are (C2)")
    yield Paragraph(
        "Behind another source's number: + the neurons are ahead of it (the interval of the difference lies "
        "above 0), = level, - behind. Wide SAEs are compared at the layers that have them."
    )
    yield Table(("", *sources), rows)
    if others:
        path = figures / "standing.svg"
        for file in (path, path.with_suffix(".png")):
            standing_figure(list(stands.items()), file)
        yield Figure(path, "Where the neurons stand beside each source, number by number")
        yield Paragraph("Neurons less each source, turned so that more is better:")
        yield Table(("", *others), gaps)


def saes(numbers: Numbers) -> Iterator[Block]:
    """Tell how good the SAEs are."""
    columns = [
        Column("explained variance", Key("explained_variance"), said),
        Column("CE score", Key("ce_score"), said),
        Column("loss with it in place", Key("replaced_loss"), said),
        Column("L0", Key("l0"), said),
        Column("dead", Key("dead"), said),
    ]
    found = table(numbers, columns, without=[MAIN])
    if found is not None:
        yield Heading("How good the SAEs are")
        yield Paragraph(
            "Of the twin's stream, as reconstructed. The neurons are their own model's whole stream: 1 by "
            "construction; what they cost is that model's loss beside the twin's."
        )
        yield with_layers(found, numbers, columns[0].key)


def doubt(numbers: Numbers) -> Iterator[Block]:
    """Tell what features miss and models lack."""
    columns = [
        Column("shown by one feature", Key("concepts_shown"), said),
        Column("missed: only a probe tells it", Key("concepts_missed"), said),
        Column("absent: no probe tells it", Key("concepts_absent"), said),
        Column("shown, of those the twin has", Key("twin_concepts_shown"), said),
    ]
    found = table(numbers, columns)
    if found is not None:
        yield Heading("Missed by the features, or absent from the model?")
        yield found


def cost(numbers: Numbers, figures: Path) -> Iterator[Block]:
    """Tell what features cost."""
    columns = [
        Column("seconds until features exist", Key("features_seconds"), whole),
        Column("10^9 operations until then", Key("features_flops"), giga),
        Column("parameters", Key("features_parameters"), whole),
        Column("seconds to read 1M tokens", Key("reading_seconds_per_million"), whole),
        Column("10^9 operations to read them", Key("reading_flops_per_million"), giga),
    ]
    found = table(numbers, columns)
    if found is None:
        return
    yield Heading("What features cost (C3)")
    yield Paragraph("Of all the layers named; wide SAEs are trained at fewer of them.")
    yield with_layers(found, numbers, columns[0].key)
    panels = [
        Panel(title, lines(numbers, key))
        for title, key in (("seconds until features exist", columns[0].key), ("operations", columns[1].key))
    ]
    yield from intervals(panels, figures / "cost.svg", "What it takes until each source's features exist")


def losses(numbers: Numbers) -> Iterator[Block]:
    """Tell losses and tasks of the models."""
    columns = [
        Column("held-out loss, nats a token", Key("loss"), said),
        Column("bits per byte", Key("bits_per_byte"), said),
        Column("parameters", Key("parameters"), whole),
        Column("MFLOPs per token", Key("flops_per_token"), lambda one: f"{one.value / 1e6:.1f}"),
    ]
    found = table(numbers, columns, first="model")
    if found is None:
        return
    yield Heading("What the model keeps (C4)")
    yield found
    rises = [(name, numbers.mean(MAIN, Key("loss_rise", name))) for name in ("dense", "dense_small")]
    told = [
        f"beside {name} {100 * one.value:+.1f} % [{100 * one.low:+.1f}, {100 * one.high:+.1f}]"
        for name, one in rises
        if one
    ]
    if told:
        yield Paragraph(f"The TopK model's loss, {', '.join(told)}.")
    tasks = list(dict.fromkeys(row.about for row in numbers.rows if row.metric == "task_accuracy"))
    models = ordered(dict.fromkeys(row.source for row in numbers.rows if row.metric == "task_accuracy"))
    if tasks:
        rows = [
            (
                task,
                *(said(numbers.mean(name, Key("task_accuracy", task))) for name in models),
                said(numbers.mean(MAIN, Key("task_accuracy_beside/dense", task))),
            )
            for task in tasks
        ]
        yield Table(("task", *models, "TopK less twin"), rows)


def steering(numbers: Numbers, figures: Path) -> Iterator[Block]:
    """Tell how often steering succeeds."""
    success = Key("steering_success_rate", "")
    columns = [
        Column("success", success, said),
        Column("where there is room", Key("steering_success_rate/with_room"), said),
        Column("reached", Key("steering_reached"), said),
        Column("fluent", Key("steering_fluent"), said),
    ]
    found = table(numbers, columns)
    if found is None:
        return
    counts = [str(numbers.n(row[0], success)) for row in found.rows]
    rows = [(*row, count) for row, count in zip(found.rows, counts, strict=True)]
    yield Heading("Steering (C5)")
    labelled, texts = (numbers.mean(MAIN, Key(f"steering_{name}")) for name in ("labelled", "texts"))
    if labelled is not None and texts is not None:
        yield Paragraph(
            f"{100 * labelled.value:.1f} % of the live neurons are labelled; those steered wrote "
            f"{texts.value:.0f} texts at each strength."
        )
    yield Table((*found.head, "features"), rows)
    layers = sorted(
        {row.site for row in numbers.rows if row.metric == success.metric and row.site is not None}
    )
    by_layer = [
        (name, *(said(_at(numbers, name, success, layer)) for layer in layers)) for name, *_ in found.rows
    ]
    if layers:
        yield Paragraph("Success by layer:")
        yield Table(("source", *(f"L{layer}" for layer in layers)), by_layer)
    panels = [
        Panel(title, lines(numbers, key)) for title, key in (("success", success), ("fluent", columns[3].key))
    ]
    yield from intervals(
        panels, figures / "steering.svg", "Success of steering, and how often it stays fluent"
    )


OVER_TIME = [
    Column("identity match", Key("identity_match"), said),
    Column("same-index cosine", Key("identity_match/same_index_cosine"), said),
    Column("best-match cosine", Key("identity_match/best_match_cosine"), said),
    Column("best match is the partner assigned", Key("identity_match/assigned_match"), said),
    Column("emerged at, share of training", Key("emergence_share_of_training"), said),
]
OVER_LAYERS = [
    Column("identity match", Key("layers_identity_match"), said),
    Column("same-index cosine", Key("layers_same_index_cosine"), said),
    Column("best-match cosine", Key("layers_best_match_cosine"), said),
]
OVER_SEEDS = [
    Column("best-match cosine", Key("seeds_best_match_cosine"), said),
    Column("of features shifted in time", Key("seeds_best_match_cosine/shifted"), said),
    Column("assigned-pair cosine", Key("seeds_assigned_cosine"), said),
]


def formation(numbers: Numbers, figures: Path) -> Iterator[Block]:
    """Tell how far indices and best matches stay the same, over checkpoints, layers and seeds."""
    first_to_last = numbers.mean(START, Key("identity_match"))
    start = "" if first_to_last is None else f" (from the first to the last, {said(first_to_last)} keep it)"
    parts: list[tuple[str, list[Column], list[str]]] = [
        (f"From one checkpoint to the next, over the last half of training{start}:", OVER_TIME, [START]),
        ("From layer to layer, all pairs of TopK layers:", OVER_LAYERS, []),
        ("From seed to seed (of SAEs: two of the same model):", OVER_SEEDS, []),
    ]
    begun = False
    for says, columns, without in parts:
        shown = [column for column in columns if numbers.sources(column.key)]
        found = table(numbers, shown, without=without)
        if found is None:
            continue
        if not begun:
            yield Heading("How features form, and how stable they are (C6, C7)")
            begun = True
        yield Paragraph(says)
        yield found
    panels = [
        Panel(title, lines(numbers, key, without=without))
        for title, key, without in (
            ("checkpoints: identity match", Key("identity_match"), [START]),
            ("layers: identity match", Key("layers_identity_match"), []),
            ("seeds: best-match cosine", Key("seeds_best_match_cosine"), []),
        )
    ]
    yield from intervals(
        panels, figures / "stability.svg", "How far an index, or a best match, stays the same"
    )


def _at(numbers: Numbers, source: str, key: Key, layer: int) -> Estimate | None:
    """Return a number of one layer, over seeds."""
    return Numbers(row for row in numbers.rows if row.site == layer).mean(source, key)
