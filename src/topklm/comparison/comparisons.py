"""`compare`: one run, or several seeds of one setting, each compared and then put side by side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ..core.errors import InputError
from ..core.files import read_json, write_json
from ..core.stats import Estimate
from ..tracing.runs import compare_runs
from ..tracing.stored import ABOUT
from ..training import Run
from .budget import Budget
from .claims import verdicts
from .comparing import PLAN, compare_run, writing
from .outcome import FOLDER, Comparison
from .report import write_results
from .result import ResultRow
from .stages.work import Say

SEEDS = "seeds"
Named = Run | Path | str


def compare(
    runs: Named | Sequence[Named],
    *,
    budget: Budget | None = None,
    without: Sequence[str] = (),
    twin: Path | str | None = None,
    dense_small: Path | str | None = None,
    out: Path | str | None = None,
    say: Say = lambda message: None,
    console: Console | None = None,
) -> Comparison:
    """Decide every claim about a run: make or reuse its twin and SAEs, measure all, and judge.

    runs: a finished TopK run, or several that differ in their seed alone. budget: how much of everything.
    without: stages that are left out (`comparison.stages.table.NAMES`), and named as left out. twin: the
    dense twin's directory, by default `twin` in the run, where it is trained if it is missing. dense_small:
    a run of a smaller dense model of about equal loss, as a further reference. out: where results go;
    default `comparison` in the run, and for several seeds `comparison/seeds` in the first.

    Every stage is kept when it is done; killed at any instant and called again, it goes on from there.
    Results are written when all stages are through: `results.json`, `results.parquet`, and the report,
    `report.md` and `report.html` with `figures/`. Raises InputError (RunError) where a run, its twin or the
    directory do not allow it, Interrupted after Ctrl-C.

        found = compare("runs/quickstart", without=["saes"])
        [(claim.claim, claim.verdict) for claim in found.claims]
    """
    named = [runs] if isinstance(runs, Run | Path | str) else list(runs)
    opened = [one if isinstance(one, Run) else Run(one) for one in named]
    shared: dict[str, Any] = {"budget": budget, "without": without, "dense_small": dense_small}
    how: dict[str, Any] = {"say": say, "console": console}
    if len(opened) == 1:
        return compare_run(opened[0], twin=twin, out=out, **shared, **how)
    check_seeds(opened)
    if twin is not None:
        raise InputError("twin is that of one run; with several, each has its own in 'twin'")
    parts = []
    for number, run in enumerate(opened, 1):
        say(f"run {number} of {len(opened)}: {run.path}, seed {run.settings.seed}")
        parts.append(compare_run(run, **shared, **how))
    directory = opened[0].path / FOLDER / SEEDS if out is None else Path(out)
    with writing(directory):
        take_joint_plan(directory, opened)
        found = together(parts, matched(opened, say=say, console=console))
        write_results(directory, found)
    return found


def take_joint_plan(directory: Path, runs: Sequence[Run]) -> None:
    """Begin a comparison of several runs. Raises InputError where one of other runs lies there."""
    path = directory / "plan.json"
    ours = [str(one.revision) for one in runs]
    if path.is_file():
        there = read_json(path)
        known = there.get("revisions", ours) if isinstance(there, dict) and "runs" in there else None
        if known != ours:
            raise InputError(
                f"{directory} holds a comparison of other runs; choose another directory with --out, or "
                "delete it"
            )
    content = {"format": PLAN, "runs": [str(one.path) for one in runs], "revisions": ours}
    write_json(path, content)


def check_seeds(runs: Sequence[Run]) -> None:
    """Raise InputError unless the runs differ in their seed, and in nothing else that matters."""
    if not runs:
        raise InputError("name at least one run")
    seeds = [run.settings.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise InputError(f"a seed stands there twice: {', '.join(map(str, seeds))}")
    first = runs[0].settings.as_json()
    for run in runs[1:]:
        other = replace(run.settings, seed=runs[0].settings.seed).as_json()
        ignored = ("threads", "report_to", "full_checkpoints", "evaluations")
        differs = [name for name in first if first[name] != other[name] and name not in ignored]
        if differs:
            raise InputError(
                f"{run.path} and {runs[0].path} are not seeds of one setting: their {', '.join(differs)} "
                "differ"
            )


def matched(runs: Sequence[Run], *, say: Say, console: Console | None) -> list[ResultRow]:
    """Match the first run's final features with those of the other seeds; that needs its trace."""
    if not (runs[0].path / "trace" / ABOUT).is_file():
        say(f"{runs[0].path} has no trace, so seeds are not matched")
        return []
    content = compare_runs(runs[0], runs[1:], say=say, console=console)
    rows = []
    for pair in content["pairs"]:
        for source, some in pair["sources"].items():
            for one in some:
                value, low, high = (
                    float("nan") if one[part] is None else one[part] for part in ("value", "low", "high")
                )
                rows.append(
                    ResultRow(
                        source,
                        one["site"],
                        f"seeds_{one['metric']}",
                        f"seed {pair['seed']}",
                        *Estimate(value, low, high),
                        n=one["n"],
                        n_tokens=content["n_tokens"],
                        seed=pair["seed"],
                    )
                )
    return rows


def together(parts: Sequence[Comparison], more: Sequence[ResultRow]) -> Comparison:
    """Put the comparisons of several seeds side by side, with verdicts over all of them."""
    rows = [row for part in parts for row in part.rows] + list(more)
    left_out: dict[str, str] = {}
    for part in parts:
        left_out |= {
            name if name not in left_out or left_out[name] == why else f"{name} (seed {part.seeds[0]})": why
            for name, why in part.left_out.items()
        }
    texts = [text for part in parts for text in part.measured_on()]
    if len(set(texts)) > 1:
        left_out["metrics on one text"] = "the seeds were measured on " + "; ".join(texts)
    return Comparison(
        runs=[one for part in parts for one in part.runs],
        budget=parts[0].budget,
        stages=[one for part in parts for one in part.stages],
        left_out=left_out,
        claims=verdicts(rows),
        rows=rows,
    )
