"""From units to `trace.json`: identity match, emergence, changes, concepts, each beside its controls."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..core.stats import Estimate, bootstrap_ratio, interval
from ..metrics.emergence import EMERGED, emergence, turnover
from ..metrics.labelled import LABELLED
from ..training import Run
from .order import concept_order, sense_order
from .series import Array, Series, read_series
from .stored import FORMAT

MAIN = "topk"
RESAMPLES = 1000
SAME = 1e-6
"""Cosines that differ by no more are the same one, computed in two ways."""


def summarise(
    directory: Path, sources: dict[str, list[int]], plan: dict[str, Any], run: Run
) -> dict[str, Any]:
    """Return the content of `trace.json`, without what was skipped or left out."""
    series = {name: read_series(directory, name, steps) for name, steps in sources.items()}
    main = series[MAIN]
    steps = run.settings.steps
    return {
        "format": FORMAT,
        "topklm": __version__,
        "run": run.path.name,
        "revision": plan["revision"],
        "seeds": [run.settings.seed],
        "corpus": plan["corpus"],
        "n_tokens": plan["n_tokens"],
        "n_documents": plan["n_documents"],
        "sites": [{"site": site, "width": int(main.at(site).sum())} for site in main.sites],
        "steps": steps,
        "checkpoints": main.steps,
        "sources": {name: one.steps for name, one in series.items()},
        "loss": losses(run),
        "identity_match": _with_controls(
            series,
            lambda one: identity(one, steps),
            {
                **({"initialisation": from_start(main)} if begins(run, main.steps) else {}),
                "permuted": by_chance(main, steps),
            },
        ),
        "emergence": _with_controls(series, emerging, {"permuted": emerging(main, by_chance=True)}),
        "features": _with_controls(series, counted, {}),
        "changes": _with_controls(series, changes, {}),
        "senses": _with_controls(series, lambda one: sense_order(directory, one), {}),
        "concepts": _with_controls(series, lambda one: concept_order(one, plan["concepts"]), {}),
    }


def _with_controls(series: dict[str, Series], measure: Any, more: dict[str, Any]) -> dict[str, Any]:
    controls = {name: measure(one) for name, one in series.items() if name != MAIN}
    return {**measure(series[MAIN]), "controls": {**controls, **more}}


def losses(run: Run) -> list[dict[str, Any]]:
    """Return the loss curve: `step`, `loss` of training, `eval_loss` where it was measured."""
    names = ("step", "loss", "eval_loss")
    rows: list[dict[str, Any]] = [{key: row[key] for key in names if key in row} for row in run.metrics()]
    return [row for row in rows if len(row) > 1]


def late_pairs(steps: Sequence[int], training_steps: int) -> list[int]:
    """List the places of checkpoints in the last half of training that have a next one."""
    return [place for place, step in enumerate(steps[:-1]) if 2 * step >= training_steps]


def identity(one: Series, training_steps: int) -> dict[str, Any]:
    """Return the identity-match rate over consecutive checkpoints of the last half of training.

    Of live features, the share whose most similar feature at the next checkpoint has the same index; beside
    it the mean cosine with the same index, with the best match, and with the partner of the optimal
    assignment. `assigned_match`: the share whose most similar feature is that partner, what can be asked of
    features whose index means nothing. Intervals: bootstrap over features, each with all its pairs of
    checkpoints.
    """
    late = late_pairs(one.steps, training_steps)
    return {
        **_matching(one, late, None).as_json(),
        "n_pairs": len(late),
        "n_features": int(one.live[late].any(0).sum()) if late else 0,
        "same_index_cosine": _mean(one, late, one["next_cosine"]).as_json(),
        "best_match_cosine": _mean(one, late, one["next_best_cosine"]).as_json(),
        "assigned_cosine": _mean(one, late, one["next_assigned_cosine"]).as_json(),
        "assigned_match": _mean(one, late, _assigned(one)).as_json(),
        "by_layer": {
            str(site): {
                **_matching(one, late, site).as_json(),
                "n_features": int((one.live[late].any(0) & one.at(site)).sum()) if late else 0,
            }
            for site in one.sites
        },
        "by_step": [
            {"step": step, "next": one.steps[place + 1], **_matching(one, [place], None).as_json()}
            for place, step in enumerate(one.steps[:-1])
        ],
    }


def _assigned(one: Series) -> Array:
    """Say of each feature whether its partner in the optimal assignment is its best match; NaN: not known."""
    assigned, best = one["next_assigned_cosine"], one["next_best_cosine"]
    return np.where(np.isfinite(assigned), (assigned >= best - SAME).astype(np.float64), np.nan)


def begins(run: Run, steps: Sequence[int]) -> bool:
    """Tell whether the first of some checkpoints is a run before any training, of random weights."""
    return steps[0] == 0 and not run.settings.source


def from_start(one: Series) -> dict[str, Any]:
    """Match the first checkpoint with the last: what the initialisation alone carries to the end."""
    live = one.live[0]
    hits = one.matched("final", 0)[live]
    return {
        **_ratio(hits, np.ones(len(hits))).as_json(),
        "n_features": int(live.sum()),
        "same_index_cosine": _ratio(one["final_cosine"][0][live], np.ones(int(live.sum()))).as_json(),
        "best_match_cosine": _ratio(one["final_best_cosine"][0][live], np.ones(int(live.sum()))).as_json(),
        "by_layer": {
            str(site): {
                **_ratio(one.matched("final", 0)[live & one.at(site)], None).as_json(),
                "n_features": int((live & one.at(site)).sum()),
            }
            for site in one.sites
        },
    }


def by_chance(one: Series, training_steps: int, *, draws: int = 100) -> dict[str, Any]:
    """Match with the later checkpoint's indices permuted at random."""
    late = late_pairs(one.steps, training_steps)
    generator = np.random.default_rng(0)
    rates = []
    for _ in range(draws):
        hits = total = 0
        for place in late:
            for site in one.sites:
                own = one.live[place] & one.at(site)
                moved = generator.permutation(int(one.at(site).sum()))[one.index[own]]
                hits += int((moved == one["next_best"][place][own]).sum())
                total += int(own.sum())
        rates.append(hits / total if total else np.nan)
    cosine = _mean(one, late, one["next_permuted_cosine"])
    value = float(np.mean(rates)) if rates else np.nan
    return {**interval(value, rates).as_json(), "same_index_cosine": cosine.as_json()}


def emerging(one: Series, *, by_chance: bool = False) -> dict[str, Any]:
    """Say when the features that are live at the end become what they end as.

    `value` is the median emergence step over features (null where half of them never emerge), `at_start`
    the share that is there at the first checkpoint, `share` the share that has emerged by each one.
    by_chance: compare with the final self of a feature drawn by a permutation instead.
    """
    name = "final_permuted_cosine" if by_chance else "final_cosine"
    found = emergence(torch.from_numpy(one[name])).numpy()
    steps = np.append(np.array(one.steps, np.float64), np.inf)

    def of(chosen: Array) -> dict[str, Any]:
        when = found[chosen]
        shares = [float((when <= place).mean()) if len(when) else np.nan for place in range(len(one.steps))]
        at_start = _ratio(when == 0, None)
        return {
            **_median(steps[when]).as_json(),
            "n": len(when),
            "at_start": at_start.as_json(),
            "share": shares,
        }

    live = one.live[-1]
    return {
        "threshold": EMERGED,
        "steps": one.steps,
        **of(live),
        "by_layer": {str(site): of(live & one.at(site)) for site in one.sites},
    }


def counted(one: Series) -> dict[str, Any]:
    """Count live, rare, dead and labelled features and their mean entropies, checkpoint by checkpoint."""
    rows = []
    for place, step in enumerate(one.steps):
        live = one.live[place]
        enough = one["enough_firings"][place] > 0
        rows.append(
            {
                "step": step,
                "live": int(live.sum()),
                "rare": int((~live & (one["firings"][place] > 0)).sum()),
                "dead": int((one["firings"][place] == 0).sum()),
                "labelled": _ratio(one.f1[place][live] >= LABELLED, None).as_json(),
                "token_entropy": _ratio(one["token_entropy"][place][enough], None).as_json(),
                "token_entropy_random": _ratio(one["token_entropy_random"][place][enough], None).as_json(),
                "live_by_layer": {str(site): int((live & one.at(site)).sum()) for site in one.sites},
            }
        )
    return {"by_step": rows}


def changes(one: Series) -> dict[str, Any]:
    """Count births, deaths and changes of meaning from each checkpoint to the next."""
    rows = []
    for place, step in enumerate(one.steps[:-1]):
        happened = turnover(
            torch.from_numpy(one["next_cosine"][place]),
            torch.from_numpy(one["next_best_cosine"][place]),
            torch.from_numpy(one.live[place]),
            torch.from_numpy(one.live[place + 1]),
            torch.from_numpy(one["firings"][place + 1] > 0),
        )
        numbers = {name: int(value.sum()) for name, value in happened._asdict().items()}
        rows.append({"step": step, "next": one.steps[place + 1], **numbers})
    return {"by_step": rows}


def _matching(one: Series, places: list[int], site: int | None) -> Estimate:
    """Return the share of live features that keep their index, over some pairs of checkpoints."""
    own = one.at(site)
    live = one.live[places][:, own]
    hits = np.stack([one.matched("next", place)[own] for place in places]) if places else live
    return _ratio((hits & live).sum(0), live.sum(0))


def _mean(one: Series, places: list[int], values: Array) -> Estimate:
    """Return the mean over live features and some checkpoints; values that are NaN are left out."""
    live = one.live[places] & np.isfinite(values[places])
    return _ratio(np.where(live, values[places], 0.0).sum(0), live.sum(0))


def _ratio(numerators: Array, denominators: Array | None) -> Estimate:
    """Return a ratio of sums with its bootstrap interval; NaN where there is nothing to divide by."""
    top = np.asarray(numerators, np.float64)
    bottom = np.ones(len(top)) if denominators is None else np.asarray(denominators, np.float64)
    if not bottom.sum() > 0:
        return Estimate(np.nan, np.nan, np.nan)
    return bootstrap_ratio(top, bottom, resamples=RESAMPLES)


def _median(steps: Array) -> Estimate:
    """Return the median with a bootstrap interval; infinite where half of the features never emerge."""
    if not len(steps):
        return Estimate(np.nan, np.nan, np.nan)
    generator = np.random.default_rng(0)
    drawn = np.quantile(
        steps[generator.integers(0, len(steps), (RESAMPLES, len(steps)))], 0.5, axis=1, method="lower"
    )
    value = float(np.quantile(steps, 0.5, method="lower"))
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return Estimate(value, min(value, float(low)), max(value, float(high)))
