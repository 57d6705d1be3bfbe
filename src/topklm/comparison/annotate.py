"""Concepts, names and numbers of features, from the metrics' tables into the index of the same features."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import torch
from torch import Tensor

from ..concepts.naming import NO_NAME
from ..core.errors import InputError
from ..core.site import Feature
from ..features import FeatureSource
from ..index import FeatureIndex
from ..index.store import directory_of
from ..training import Run

NEGATIVE = " (where negative)"
FACTS = ("concept", "concept_f1", "name", "name_score", "token_entropy", "coherence")


class Annotated(NamedTuple):
    """A source that was measured."""

    name: str
    revision: str
    kind: type[Feature]


def index_of(run: Run, source: str, revision: str) -> FeatureIndex | None:
    """Open a source's index in the run, where there is one of this very source."""
    path = directory_of(run.path, source)
    if not path.is_dir():
        return None
    try:
        return FeatureIndex.open(path, revision=revision)
    except InputError:
        return None  # begun, damaged, or another's: `topklm neurons` says which


def promoted_of(run: Run, source: FeatureSource) -> dict[int, Tensor]:
    """Return the output tokens that each feature promotes, by site, where an index knows; -1 for none."""
    index = index_of(run, source.name, source.revision)
    if index is None or not index.about.get("request", {}).get("effects"):
        return {}
    rows = index.ask("SELECT site, promoted FROM features ORDER BY site, index").to_pylist()
    found: dict[int, list[list[int]]] = {}
    most = max((len(row["promoted"]) for row in rows), default=0)
    if not most:
        return {}
    for row in rows:
        tokens = [one["token"] for one in row["promoted"]]
        found.setdefault(row["site"], []).append(tokens + [-1] * (most - len(tokens)))
    return {site: torch.tensor(tokens) for site, tokens in found.items()}


def annotate(
    run: Run,
    directory: Path,
    sources: Sequence[Annotated],
    names: Mapping[str, tuple[str, float]],
    *,
    say: Callable[[str], None],
) -> None:
    """Write what was found of each source's features into its index.

    names: names from an endpoint, with their scores, for features of the run's own neurons; they replace
    the automatic ones.
    """
    for source in sources:
        index = index_of(run, source.name, source.revision)
        if index is None:
            if source.name == "topk":
                say(f"{run.path} has no index to write names to; build one with: topklm index {run.path}")
            continue
        rows = best_of_signs(pq.read_table(directory / "features" / f"{source.name}.parquet").to_pylist())
        named = {str(source.kind(row["site"], row["index"])): row for row in rows}
        if source.name == "topk":
            for feature, (text, score) in names.items():
                named[feature] |= {"name": text, "name_score": score}
        facts = {
            fact: {feature: row[fact] for feature, row in named.items() if row[fact] is not None}
            for fact in FACTS
        }
        index.add_facts(facts)
        index.add_labels({name: [row["name"]] for name, row in named.items() if row["name"] != NO_NAME})
        concepts = pq.read_table(directory / "concepts" / f"{source.name}.parquet").to_pylist()
        index.add_concepts([row for row in concepts if row["sign"] > 0])  # as an index reads activations
        say(f"{index.path}: {', '.join(FACTS)} written")


def best_of_signs(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep one row per neuron: of n+ and n-, where both were measured, the one with the better name."""
    best: dict[tuple[int, int], dict[str, Any]] = {}
    for row in rows:
        place = (row["site"], row["index"])
        if place not in best or row["name_score"] > best[place]["name_score"]:
            best[place] = row
    return [
        row
        if row["sign"] > 0 or row["name"] == NO_NAME
        else {**row, **{part: f"{row[part]}{NEGATIVE}" for part in ("name", "concept") if row[part]}}
        for row in best.values()
    ]
