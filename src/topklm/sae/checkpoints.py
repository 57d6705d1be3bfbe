"""SAEs of a dense twin's tracing checkpoints: each from fresh weights, and each begun as the one before.

RUN/sae/steps/scratch/001484/sae_1x/     SAEs of the twin at step 1,484, from fresh weights
RUN/sae/steps/warm/001484/sae_1x/        begun as those in warm/001391, the checkpoint before
"""

import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console

from ..core.errors import InputError
from ..core.files import MANIFEST, PARTIAL, damage, sha256_file
from ..training import Run
from ..training.run import WEIGHTS
from ..training.twin import open_twin, twin_directory
from .runs import settings_for, train_on
from .store import FOLDER, read_set
from .train import Say

STEPS, SCRATCH, WARM = "steps", "scratch", "warm"


def directory_of(run: Run, start: str, step: int) -> Path:
    """Say where the SAEs of a checkpoint lie. start: `scratch` or `warm`."""
    return run.path / FOLDER / STEPS / start / f"{step:06d}"


def train_checkpoint_saes(
    run: Run | Path | str,
    *,
    count: int = 6,
    width: int = 1,
    sites: Sequence[int] | None = None,
    seed: int = 0,
    k: int | None = None,
    twin: Path | str | None = None,
    threads: int = 0,
    say: Say = lambda message: None,
    console: Console | None = None,
    **settings: Any,
) -> list[Path]:
    """Train TopK SAEs of the twin's last `count` tracing checkpoints, from scratch and warm-started.

    `topklm trace` traces their latents beside the neurons. Both ways get the same text, and end where the
    curve is flat; the warm ones begin, from the second checkpoint on, as those of the checkpoint before (the
    first is that of scratch). sites, k: by default the run's TopK layers and k. settings: other fields of
    `SAESettings`. Returns a directory for each way and checkpoint; what is there already is kept. Raises
    InputError (RunError) where the run, its twin or the settings do not allow it, or warm-started ones of
    fewer checkpoints are there; see `train_saes`.
    """
    opened = run if isinstance(run, Run) else Run(run)
    dense = Run(twin_directory(opened, twin))
    asked = settings_for(opened, sites=sites, k=k, widths=(width,), seeds=(seed,), **settings)
    if asked.architecture != "topk":
        raise InputError(
            f"architecture={asked.architecture} is not allowed here; SAEs of checkpoints are topk"
        )
    name, made = asked.name_of(width, seed), []
    steps = last_steps(dense, count)
    _check_chain(opened, steps, name)
    for start in (SCRATCH, WARM):
        before: Path | None = None
        for step in steps:
            out = directory_of(opened, start, step)
            if start == WARM and before is None:
                copy_set(directory_of(opened, SCRATCH, step) / name, out / name)
            else:
                say(f"SAEs of the twin at step {step:,}, {start}")
                begin = before if start == WARM else None
                dense_now = open_twin(opened, twin, step=step)
                train_on(
                    dense_now,
                    dense_now.run.traced_weights(step),
                    asked,
                    out,
                    begin=begin,
                    begun_as="" if begin is None else sha256_file(begin / name / MANIFEST),
                    threads=threads,
                    say=say,
                    console=console,
                )
            before = out
            made.append(out / name)
    return made


def checkpoint_saes_are_there(run: Run, name: str, *, count: int = 6, twin: Path | str | None = None) -> bool:
    """Tell whether SAEs of this name are there of the twin's last checkpoints, made both ways.

    Raises InputError where there are not that many checkpoints, or SAEs are damaged.
    """
    dense = Run(twin_directory(run, twin))
    steps = last_steps(dense, count)
    places = [(step, directory_of(run, start, step) / name) for start in (SCRATCH, WARM) for step in steps]
    return all(
        place.is_dir() and read_set(place)["revision"] == dense.traced_weights(step) for step, place in places
    )


def _check_chain(run: Run, steps: Sequence[int], name: str) -> None:
    """Raise InputError where warm-started SAEs did not begin as those of the checkpoint before."""
    places = [directory_of(run, WARM, step) / name for step in steps]
    for before, here in pairwise(places):
        if not here.is_dir():
            continue
        begun_as = sha256_file(before / MANIFEST) if (before / MANIFEST).is_file() else None
        if read_set(here)["begun_as"] != begun_as:
            raise InputError(
                f"{here} was not begun as the SAEs of the checkpoint before: fewer checkpoints were asked "
                f"for then; ask for as many, or delete {here.parents[1]}"
            )


def last_steps(dense: Run, count: int) -> list[int]:
    """List the last whole tracing checkpoints. Raises InputError where there are not that many."""
    if count < 2:
        raise InputError(f"{count} checkpoints are too few; choose 2 or more")
    steps = [step for step, path in dense.checkpoints("trace") if damage(path, required=[WEIGHTS]) is None]
    if len(steps) < count:
        raise InputError(f"{dense.path} has {len(steps)} whole tracing checkpoints, not {count}")
    return steps[-count:]


def copy_set(source: Path, target: Path) -> None:
    """Copy SAEs to another place, whole or not at all."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(PARTIAL + target.name)
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    partial.rename(target)
