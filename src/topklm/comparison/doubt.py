"""The doubt that SAEs leave: does no latent show a concept since the SAE missed it, or the model?

A model *has* a concept where a probe on its whole state tells it on held-out documents; a source *shows* it
where a single feature does. Both are read on the same balanced examples, so that they can be compared.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.stats import bootstrap_ratio
from ..metrics.labelled import COVERED
from .result import ResultRow

TOLD = 0.8
"""Least held-out accuracy of a probe, on equally many examples with and without the concept."""
STATE, SINGLE = "probe_accuracy/state", "probe_accuracy/1"
TWIN, MAIN = "dense", "topk"
OF_TWIN = ("dense", "posthoc", "sae_")
"""Sources whose model is the dense twin, as their names begin."""


class Concepts(NamedTuple):
    """By concept, the best over the layers that all sources have: the best of more is higher by chance."""

    state: dict[str, float]
    """Accuracy of a probe on the whole state of the source's model."""
    single: dict[str, float]
    """Accuracy of a probe on a single feature."""
    f1: dict[str, float]
    """Held-out F1 of the feature that was chosen for the concept."""


def shared_layers(sources: Iterable[str], rows: Iterable[ResultRow]) -> set[int]:
    """Return the layers at which every source was probed."""
    layers: dict[str, set[int]] = {}
    for row in rows:
        if row.metric == SINGLE and row.site is not None:
            layers.setdefault(row.source, set()).add(row.site)
    probed = [layers[source] for source in sources if source in layers]
    return set.intersection(*probed) if probed else set()


def read_concepts(
    source: str, rows: Iterable[ResultRow], table: Sequence[Mapping[str, Any]], *, layers: Collection[int]
) -> Concepts:
    """Read them from a source's rows and its table of concepts, whose lines are best first."""
    found = Concepts({}, {}, {})
    for row in rows:
        if row.source == source and row.site in layers and row.about and row.value == row.value:
            for metric, best in ((STATE, found.state), (SINGLE, found.single)):
                if row.metric == metric:
                    best[row.about] = max(row.value, best.get(row.about, 0.0))
    seen = set()
    for line in table:
        place = line["site"], line["concept"]
        if line["site"] in layers and place not in seen:
            seen.add(place)
            found.f1[line["concept"]] = max(line["f1"], found.f1.get(line["concept"], 0.0))
    return found


def shows(concepts: Concepts, name: str) -> bool:
    """Tell whether a single feature shows a concept: a probe on it tells it, or its F1 covers it."""
    return concepts.single.get(name, 0.0) >= TOLD or concepts.f1.get(name, 0.0) >= COVERED


def has(concepts: Concepts, name: str) -> bool:
    """Tell whether a model has a concept: a probe on its whole state tells it."""
    return concepts.state.get(name, 0.0) >= TOLD


def sorted_out(concepts: Mapping[str, Concepts], source: str) -> dict[str, list[str]]:
    """Sort the probed concepts by what a source and its model make of them.

    `shown`: a feature shows it. `missed`: its model has it, no feature shows it (the features' failure).
    `absent`: neither (the model's failure).
    """
    model = concepts[TWIN] if source.startswith(OF_TWIN) and TWIN in concepts else concepts[source]
    found: dict[str, list[str]] = {"shown": [], "missed": [], "absent": []}
    for name in concepts[source].single:
        kind = "shown" if shows(concepts[source], name) else "missed" if has(model, name) else "absent"
        found[kind].append(name)
    return found


def doubt_rows(concepts: Mapping[str, Concepts], *, seed: int, n_tokens: int) -> list[ResultRow]:
    """Return the shares as rows: of all probed concepts, and of those that a probe finds in the dense twin.

    Intervals: bootstrap over concepts.
    """
    rows = []
    for source in concepts:
        kinds = sorted_out(concepts, source)
        names = list(concepts[source].single)
        if not names:
            continue
        for kind, some in kinds.items():
            rows.append(_share(source, f"concepts_{kind}", [name in some for name in names], seed, n_tokens))
        of_twin = [name for name in names if TWIN in concepts and has(concepts[TWIN], name)]
        if of_twin:
            flags = [shows(concepts[source], name) for name in of_twin]
            rows.append(_share(source, "twin_concepts_shown", flags, seed, n_tokens))
    return rows


def _share(source: str, metric: str, flags: Sequence[bool], seed: int, n_tokens: int) -> ResultRow:
    values = np.array(flags, np.float64)
    found = bootstrap_ratio(values, np.ones(len(values)))
    return ResultRow(source, None, metric, "", *found, n=len(values), n_tokens=n_tokens, seed=seed)
