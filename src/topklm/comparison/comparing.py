"""The comparison: stage after stage, kept when it is done; then all rows, and a verdict for every claim.

The directory holds `plan.json` (which run it is of), `stages/` (what each stage gave, and what decided it),
the packed text and, written last, the results. What stages make, they make in the run: twin, SAEs, index,
metrics, steering, trace.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from ..core.errors import DiskFullError, InputError, Interrupted
from ..core.files import (
    LOCK,
    disk_full_is_said,
    existing,
    finite,
    locked,
    read_json,
    remove_partial,
    write_json,
)
from ..core.forms import read_form
from ..sae.lens import has_saelens
from ..training import Run
from ..training.prepare import trained_on
from .budget import Budget
from .claims import verdicts
from .outcome import FOLDER, Comparison
from .report import write_results
from .result import ResultRow, as_row
from .stages.table import NAMES, STAGES, Stage
from .stages.work import Found, LeftOut, Say, Work

PLAN = "topklm.comparison-plan/1"
STAGE = "topklm.comparison-stage/1"
MAKERS = ("twin", "saes")
"""Stages that change what the others depend on."""
STORIES = ("stories:1",)
"""What a run on stories is measured on, unless it has learnt it; this stands in no stage's key."""
FOUND_DONE = 0.1
"""A stage that takes less than this share of its usual time found most of its work done."""


def compare_run(
    run: Run | Path | str,
    *,
    budget: Budget | None = None,
    without: Sequence[str] = (),
    twin: Path | str | None = None,
    dense_small: Path | str | None = None,
    out: Path | str | None = None,
    say: Say = lambda message: None,
    console: Console | None = None,
) -> Comparison:
    """Compare one run; see `compare`."""
    opened = run if isinstance(run, Run) else Run(run)
    check_stages(without)
    directory = opened.path / FOLDER if out is None else Path(out)
    work = Work(
        opened,
        budget or Budget(),
        directory,
        twin=twin,
        dense_small=dense_small,
        say=say,
        console=console,
    )
    with writing(directory):
        take_plan(directory, opened)
        found = run_stages(work, without)
        write_results(directory, found)
    return found


def run_stages(work: Work, without: Sequence[str]) -> Comparison:
    """Run what is not done yet, and put everything together."""
    left_out = dict.fromkeys(without, "not wanted")
    if seen := trained_on(work.run, work.data or ()):
        work.say(f"{work.run.path} was trained on {', '.join(seen)}: nothing measured there is held out")
    stages: list[dict[str, Any]] = []
    rows: list[ResultRow] = []
    clock = Clock([one for one in STAGES if one.name not in without])
    for stage in clock.stages:
        kept = read_stage(work, stage)
        if kept is None or may_be_had(work, stage, kept["left_out"]):
            work.say(f"{stage.name}: {stage.about} ({clock.left(stage)})")
            try:
                made = make_stage(work, stage)
            except KeyboardInterrupt:
                raise Interrupted(
                    f"interrupted during {stage.name}; what is done is kept: the same call goes on from there"
                ) from None
            except DiskFullError:
                raise
            except (LeftOut, InputError) as error:
                if stage.name == "twin":
                    raise
                clock.skipped(stage)
                if kept is None:
                    left_out[stage.name] = str(error)
                    work.say(f"{stage.name} is left out: {error}")
                    continue
                work.say(f"{stage.name} stays as it was: {error}")
            else:
                kept = made
                clock.done(stage, kept["seconds"])
        else:
            work.say(f"{stage.name}: done already")
            clock.skipped(stage)
        left_out |= {f"{stage.name}: {name}": why for name, why in kept["left_out"].items()}
        if seen := work.learnt(kept["notes"].get("spec", ())):
            left_out[f"{stage.name}: held-out text"] = f"{work.run.path} was trained on {', '.join(seen)}"
        rows += [ResultRow(**as_row(row)) for row in kept["rows"]]
        told = {name: kept[name] for name in ("seconds", "notes")}
        stages.append({"run": str(work.run.path), "stage": stage.name, "about": stage.about, **told})
    about = {
        "run": str(work.run.path),
        "revision": work.run.revision,
        "seed": work.seed,
        "twin": str(work.twin_path) if work.has_twin else None,
        "dense_small": None if work.dense_small is None else str(work.dense_small),
    }
    return Comparison([about], asdict(work.budget), stages, left_out, verdicts(rows), rows)


def may_be_had(work: Work, stage: Stage, left_out: Mapping[str, str]) -> bool:
    """Tell whether a part that a stage left out for want of a package or a text may be had by now."""
    if stage.name == "saes":
        return bool(left_out)
    return ("dense" in left_out and work.calibrated) or ("exported code" in left_out and has_saelens())


class Clock:
    """Tells about how long the rest takes: from what stages usually take, and from what these took so far."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = list(stages)
        self.open = {one.name: one.minutes for one in stages}
        self.usual = 0.0
        self.took = 0.0

    def left(self, stage: Stage) -> str:
        """Say which of the stages this is, and about how many minutes all that is open takes."""
        pace = self.took / self.usual if self.usual else 1.0
        minutes = pace * sum(self.open.values())
        number = self.stages.index(stage) + 1
        return f"stage {number} of {len(self.stages)}, about {max(1, round(minutes))} min left for all"

    def done(self, stage: Stage, seconds: float) -> None:
        """Count a stage that was run; one that found its work done says nothing of the pace."""
        usual = self.open.pop(stage.name)
        if seconds / 60 >= FOUND_DONE * usual:
            self.usual += usual
            self.took += seconds / 60

    def skipped(self, stage: Stage) -> None:
        """Leave a stage out of the count."""
        self.open.pop(stage.name)


def key_of(work: Work, stage: Stage) -> dict[str, Any]:
    """Say what decides a stage's rows."""
    identity = work.identity()
    if stage.name in MAKERS:
        identity = {"revision": identity["revision"]}
    decides = {"decides": list(stage.decides)} if stage.decides else {}
    reads = {} if stage.reads is None else {"reads": stage.reads(work)}
    usual = work.data in (None, work.budget.data, STORIES) or "data" not in stage.budget
    text = {} if usual else {"text": work.data}
    files = {"files": work.files} if {"data", "lexicon"} & set(stage.budget) and work.files else {}
    return dict(
        finite({**identity, "budget": work.budget.given(*stage.budget), **decides, **reads, **text, **files})
    )


def stage_path(work: Work, stage: Stage) -> Path:
    """Say where a stage is kept."""
    return work.directory / "stages" / f"{stage.name}.json"


def read_stage(work: Work, stage: Stage) -> dict[str, Any] | None:
    """Return what a stage gave, where it was run with the same key and what it made is still there."""
    path = stage_path(work, stage)
    if not path.is_file():
        return None
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != STAGE:
        return None
    if stage.name in MAKERS:
        # they are kept by what they made: another twin, or fewer SAEs, and they run again
        now = work.identity()
        if content.get("made") != {
            name: now[name] for name in ("twin", "saes")[: MAKERS.index(stage.name) + 1]
        }:
            return None
    if stage.name == "index" and work.indexed() is None:
        return None
    return content if content.get("key") == key_of(work, stage) else None


def make_stage(work: Work, stage: Stage) -> dict[str, Any]:
    """Run a stage and keep what it gave, whole or not at all."""
    began = time.monotonic()
    found: Found = stage.run(work)
    content = {
        "format": STAGE,
        "key": key_of(work, stage),
        "seconds": round(time.monotonic() - began, 1),
        "rows": [row._asdict() for row in found.rows],
        "notes": found.notes,
        "left_out": found.left_out,
    }
    if stage.name in MAKERS:
        now = work.identity()
        content["made"] = {name: now[name] for name in ("twin", "saes")[: MAKERS.index(stage.name) + 1]}
    path = stage_path(work, stage)
    path.parent.mkdir(exist_ok=True)
    write_json(path, content)
    return dict(read_json(path))


def check_stages(names: Sequence[str]) -> None:
    """Raise InputError where a stage does not exist."""
    for name in names:
        if name not in NAMES:
            raise InputError(f"there is no stage {name!r}; choose among {', '.join(NAMES)}")


def take_plan(directory: Path, run: Run) -> None:
    """Begin a comparison, or check that the one there is of the same weights."""
    path = directory / "plan.json"
    ours = {"format": PLAN, "run": str(run.path), "revision": run.revision}
    if not path.is_file():
        write_json(path, ours)
        return
    advice = "choose another directory with --out"
    there = read_form(path, PLAN, {"run": str, "revision": str}, advice=advice)
    if there["revision"] != ours["revision"]:
        raise InputError(
            f"{directory} holds a comparison of other weights, {there['revision'][:12]} of "
            f"{there['run']}; {advice}, or delete it"
        )


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """Hold the directory while it is written to. Raises InputError where something else lies in it."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file; name a directory for the comparison")
    others = [] if not directory.is_dir() else [one.name for one in directory.iterdir()]
    own = {name for name in others if name in (LOCK, "stages") or name.split("-")[0] == "text"}
    if others and "plan.json" not in others and set(others) - own:
        raise InputError(f"{directory} is not empty and holds no comparison; choose another directory")
    with disk_full_is_said(existing(directory)):
        (directory / "stages").mkdir(parents=True, exist_ok=True)
        with locked(directory):
            remove_partial(directory)
            remove_partial(directory / "stages")
            yield
