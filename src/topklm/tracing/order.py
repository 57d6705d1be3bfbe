"""Which concepts come first: the step at which each has a feature, against its frequency and its family."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.stats import Estimate, interval
from ..metrics.emergence import emergence
from ..metrics.labelled import LABELLED
from ..metrics.oracle import FAMILIES
from . import units
from .series import Array, Series

RESAMPLES = 1000
FEWEST = 5
"""Fewer concepts than this have no order."""


def concept_order(one: Series, concepts: list[dict[str, Any]]) -> dict[str, Any]:
    """Say when each concept gets a feature, and what decides the order.

    A concept is found from the first checkpoint on from which its best feature (chosen on one half of the
    documents, over all sites) keeps a held-out F1 of at least 0.5. `order` holds rank correlations of that
    step, over all concepts that occur often enough, those never found last: with the concept's frequency,
    with the F1 that its token type alone gives (the oracle; high for lexical concepts), and with the oracle
    where frequency is held fixed. Intervals: bootstrap over concepts.
    """
    when = emergence(torch.from_numpy(one.coverage), threshold=LABELLED).numpy()
    rows = []
    for place, concept in enumerate(concepts):
        known = bool(np.nanmax(one.coverage[:, place], initial=0.0) > 0)
        step = one.steps[when[place]] if when[place] < len(one.steps) else None
        curve = [round(float(f1), 4) for f1 in one.coverage[:, place]]
        rows.append({**concept, "scored": known, "step": step, "f1": curve})
    scored = [place for place, row in enumerate(rows) if row["scored"]]
    return {
        "threshold": LABELLED,
        "steps": one.steps,
        "found": rows,
        "order": _order(when[scored], [rows[place] for place in scored]),
        "by_family": {name: _family(rows, one.steps, name) for name in FAMILIES},
    }


def sense_order(directory: Path, one: Series) -> dict[str, Any]:
    """Say when the meanings of each ambiguous word come apart.

    A word's senses are separated from the first checkpoint on from which some feature of some site keeps
    them apart (see `metrics.senses`). `auroc`: of the best feature, by checkpoint; null where none fires on
    the word often enough. Words that occur too rarely have `enough` false.
    """
    tables = [units.read_senses(directory, one.source, step).to_pylist() for step in one.steps]
    words = list(dict.fromkeys(row["word"] for row in tables[-1]))
    found = []
    for word in words:
        rows = [[row for row in table if row["word"] == word] for table in tables]
        apart = np.array([float(any(row["separated"] for row in own)) for own in rows])
        when = int(emergence(torch.from_numpy(apart)[:, None])[0])
        known = [[row["auroc"] for row in own if row["index"] is not None] for own in rows]
        found.append(
            {
                "word": word,
                "enough": any(row["enough"] for row in rows[-1]),
                "step": one.steps[when] if when < len(one.steps) else None,
                "auroc": [max(values) if values else None for values in known],
            }
        )
    scored = [row for row in found if row["enough"]]
    steps = [row["step"] for row in scored if row["step"] is not None]
    shares = [sum(found <= step for found in steps) / len(scored) if scored else None for step in one.steps]
    return {"n": len(scored), "separated": len(steps), "share": shares, "words": found}


def _family(rows: list[dict[str, Any]], steps: list[int], family: str) -> dict[str, Any]:
    own = [row for row in rows if row["family"] == family and row["scored"]]
    found = np.array([np.inf if row["step"] is None else row["step"] for row in own])
    shares = [float((found <= step).mean()) if len(own) else np.nan for step in steps]
    median = float(np.quantile(found, 0.5, method="lower")) if len(own) else np.nan
    return {"n": len(own), "found": int(np.isfinite(found).sum()), "median_step": median, "share": shares}


def _order(when: Array, rows: list[dict[str, Any]]) -> dict[str, Any]:
    frequency = np.array([row["tokens"] for row in rows], np.float64)
    oracle = np.array([row["oracle_f1"] for row in rows], np.float64)

    def measured(chosen: Array) -> tuple[float, float, float]:
        a, b, c = (_ranks(one[chosen]) for one in (when, frequency, oracle))
        with_frequency, with_oracle, between = _correlation(a, b), _correlation(a, c), _correlation(b, c)
        rest = np.sqrt((1 - with_frequency**2) * (1 - between**2))
        partial = (with_oracle - with_frequency * between) / rest if rest > 0 else np.nan
        return with_frequency, with_oracle, partial

    names = ("frequency", "oracle", "oracle_given_frequency")
    if len(rows) < FEWEST:
        return {"n": len(rows), **{name: Estimate(np.nan, np.nan, np.nan).as_json() for name in names}}
    value = measured(np.arange(len(rows)))
    generator = np.random.default_rng(0)
    drawn = [measured(generator.integers(0, len(rows), len(rows))) for _ in range(RESAMPLES)]
    return {
        "n": len(rows),
        **{
            name: interval(value[place], [one[place] for one in drawn]).as_json()
            for place, name in enumerate(names)
        },
    }


def _ranks(values: Array) -> Array:
    """Return ranks; equal values share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(counts.cumsum() - (counts - 1) / 2)[place]


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 0 else np.nan
