"""SAEs as sources of a trace: those of the twin's checkpoints, and several seeds of one model's."""

import json
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import MANIFEST, damage, sha256_file
from ..features import FeatureSource
from ..metrics import matching
from ..sae.checkpoints import SCRATCH, STEPS, WARM, directory_of
from ..sae.latents import SAELatents
from ..sae.store import ABOUT, FOLDER, names_of, read_set, source_of_run
from ..training import Loaded, Run
from ..training.twin import open_twin, twin_directory
from .probe import Probe, read_codes


class SAECheckpoints:
    """The SAEs of a dense twin's tracing checkpoints, of one name, from scratch or warm-started.

    They are `sae_1x` and `sae_1x_warm` in results; see `sae/checkpoints.py` for where they lie.
    """

    def __init__(self, run: Run, start: str, name: str, twin: Path | str | None = None) -> None:
        self.run, self.start, self.name, self.twin = run, start, name, twin
        self.names: Sequence[str] = (name if start == SCRATCH else f"{name}_{start}",)
        self.steps = sorted(
            int(path.name)
            for path in (run.path / FOLDER / STEPS / start).iterdir()
            if path.name.isdecimal() and (path / name / ABOUT).is_file()
        )

    def directory(self, step: int) -> Path:
        """Say where the SAEs of a checkpoint lie."""
        return directory_of(self.run, self.start, step) / self.name

    def problem(self, step: int) -> str | None:
        """Check the SAEs, and that the twin's checkpoint is the one that they were trained on."""
        if (found := damage(self.directory(step), required=[ABOUT])) is not None:
            return found
        try:
            weights = Run(twin_directory(self.run, self.twin)).traced_weights(step)
        except InputError as error:
            return str(error)
        same = read_set(self.directory(step))["revision"] == weights
        return None if same else "it was trained on other weights than the twin's checkpoint has"

    def revision(self, step: int) -> str:
        """The hash of the SAEs' manifest."""
        return sha256_file(self.directory(step) / MANIFEST)

    def open(self, step: int) -> list[FeatureSource]:
        """Load a checkpoint of the twin and its SAEs."""
        model, tokenizer, run = open_twin(self.run, self.twin, step=step)
        path = self.directory(step)
        revision = run.traced_weights(step)
        return [SAELatents.load(model, tokenizer, path, name=self.names[0], revision=revision)]

    def cost(self, steps: Sequence[int]) -> dict[str, Any]:
        """Return what training took over some checkpoints: seconds, tokens an SAE, whether all ended flat.

        Reading the twin's streams counts in full where sites share it.
        """
        abouts = [read_set(self.directory(step)) for step in steps]
        saes = [one for about in abouts for one in about["saes"].values()]
        seconds = sum(one["seconds"] for one in saes) + sum(one["reading"]["seconds"] for one in abouts)
        return {
            "seconds": seconds,
            "checkpoints": len(abouts),
            "tokens": sum(one["tokens"] for one in saes) / len(saes),
            "flat": all(one["flat"] for one in saes),
        }


def sae_checkpoints(run: Run, twin: Path | str | None = None) -> Iterator[SAECheckpoints]:
    """Find the SAEs of checkpoints that a run has."""
    for start in (SCRATCH, WARM):
        folder = run.path / FOLDER / STEPS / start
        for name in sorted({path.parent.name for path in folder.glob(f"*/*/{ABOUT}")}):
            yield SAECheckpoints(run, start, name, twin)


def seed_sets(run: Run) -> list[list[str]]:
    """List the names of a run's SAEs that differ in their seed alone, where there are several."""
    alike: dict[tuple[Any, ...], list[str]] = {}
    for name in names_of(run):
        about = read_set(run.path / FOLDER / name)
        settings = {
            field: value for field, value in about["settings"].items() if field not in ("widths", "seeds")
        }
        key = (about["width"], json.dumps(settings, sort_keys=True), tuple(about["saes"]), about["revision"])
        alike.setdefault(key, []).append(name)
    return [sorted(names) for names in alike.values() if len(names) > 1]


def manifests(run: Run, names: Sequence[str]) -> list[str]:
    """Return the hash of each set's manifest, which changes with any of its weights."""
    return [sha256_file(run.path / FOLDER / name / MANIFEST) for name in names]


def compare_seeds(
    loaded: Loaded, names: Sequence[str], probe: Probe, *, twin: Path | str | None = None
) -> list[dict[str, Any]]:
    """Match the latents of SAEs of one model with those of another seed, at every site.

    Rows are those of `metrics.matching`, each beside its chance, with `first` and `second`, the SAEs' names.
    The index says nothing here: fresh weights differ, so `best_match_cosine` and `assigned_cosine` count.
    """
    codes = {name: read_codes([source_of_run(loaded, name, twin=twin)], probe)[0] for name in names}
    return [
        {"first": first, "second": second, "site": site, **row._asdict()}
        for first, second in combinations(names, 2)
        for site in codes[first]
        for row in matching.measure(codes[first][site], codes[second][site])
    ]
