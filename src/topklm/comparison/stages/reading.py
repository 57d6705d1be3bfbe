"""C2: how readable features are, by one code for all sources, and what neither probe nor feature shows."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ...concepts import all_stories
from ...core.errors import ColumnError, InputError
from ...index.sources import NAMES
from ..doubt import Concepts, doubt_rows, read_concepts, shared_layers
from ..measuring import Settings, measure
from ..result import SOURCE, Result, read_result
from .work import Found, Work, kept_rows

FOLDER = "metrics"
DECIDES = (SOURCE,)
"""How numbers are measured."""


def metrics(work: Work) -> Found:
    """Measure every source that the run has, in the run's own `metrics`."""
    settings = settings_of(work)
    try:
        result = _measured(work, settings)
    except ColumnError as error:  # nobody asked for these labels
        work.say(f"{error}; no such label is probed")
        result = _measured(work, replace(settings, labels=None))
    concepts = concepts_of(result, work.run.path / FOLDER)
    notes = {
        "spec": result.corpus["spec"],
        "n_tokens": result.n_tokens,
        "n_documents": result.n_documents,
        "concepts": result.concepts,
        "embedding": result.embedding,
        "settings": result.settings,
        "seconds": result.seconds,
        "doubt": {name: one._asdict() for name, one in concepts.items()},
    }
    rows = [*kept_rows(result.rows), *doubt_rows(concepts, seed=work.seed, n_tokens=result.n_tokens)]
    return Found(rows, notes, dict(result.left_out))


def _measured(work: Work, settings: Settings) -> Result:
    return measure(
        work.loaded.run,
        settings,
        sources=[*NAMES, *work.saes()],
        twin=work.twin_path,
        say=work.say,
        console=work.console,
    )


def settings_of(work: Work) -> Settings:
    """Take the settings of the metrics that are there, where the budget asks for nothing else."""
    budget = work.budget
    asked = {"data": budget.data, "tokens": budget.tokens, "lexicon": budget.lexicon}
    asked = {name: value for name, value in asked.items() if value is not None}
    there: dict[str, Any]
    try:
        measured = read_result(work.run.path / FOLDER)
    except InputError:
        there = {"data": work.data, "tokens": 200_000 if work.data else None, "labels": _labels(work.data)}
    else:
        there = measured.settings
        if budget.data is None and work.learnt(measured.corpus["spec"]):
            there = {**there, "data": work.data, "labels": _labels(work.data)}
    if budget.data is not None and list(budget.data) != list(there.get("data") or ()):
        there = {**there, "labels": _labels(budget.data)}
    known = {one.name for one in fields(Settings)}
    taken = {name: value for name, value in there.items() if name in known}
    for name in ("data", "labels"):
        taken[name] = tuple(taken[name]) if taken.get(name) else None
    return Settings(**{**taken, **asked})


def _labels(data: Sequence[str] | None) -> tuple[str, ...] | None:
    """Name the labels of documents that are probed unless asked otherwise: the stories' topics."""
    return ("topic",) if data and all_stories(data) else None


def concepts_of(result: Result, directory: Path) -> dict[str, Concepts]:
    """Gather what probes and single features make of each probed concept, source by source."""
    found = {}
    layers = shared_layers(result.sources, result.rows)
    for source in result.sources:
        table = pq.read_table(directory / "concepts" / f"{source}.parquet").to_pylist()
        found[source] = read_concepts(source, result.rows, table, layers=layers)
    return found
