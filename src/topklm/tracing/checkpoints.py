"""Where the checkpoints of sources come from: a run's own, its dense twin's, or anything else that has steps.

To trace another kind of feature (latents of SAEs of the twin's checkpoints, say), give `trace` a further
`Checkpoints`: names, steps, what is wrong with a step, and its sources.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..core.errors import RunError
from ..core.files import damage
from ..features import FeatureSource, LayerNeurons
from ..index.sources import calibration_lacks, twin_sources
from ..training import Run, load
from ..training.run import WEIGHTS
from ..training.schedules import trace_steps
from ..training.twin import open_twin, twin_directory
from .units import Key

CALIBRATION_TOKENS = 16_384
"""Tokens of the training text that set the thresholds of dense neurons, checkpoint by checkpoint."""


class Checkpoints(Protocol):
    """Feature sources at steps of a training run; those of one step may share a model."""

    @property
    def names(self) -> Sequence[str]:
        """The sources' names in results, as many as `open` returns."""
        ...

    @property
    def steps(self) -> Sequence[int]:
        """The steps at which there should be checkpoints, ascending."""
        ...

    def problem(self, step: int) -> str | None:
        """Say why a checkpoint cannot be used, or None where it can."""
        ...

    def revision(self, step: int) -> str:
        """Return a hash of what the sources at a step are made of; asked only where there is no problem."""
        ...

    def open(self, step: int) -> list[FeatureSource]:
        """Load the sources at a step."""
        ...


class OfRun:
    """The tracing checkpoints of one run directory."""

    names: Sequence[str] = ()

    def __init__(self, run: Run) -> None:
        self.run = run
        settings = run.settings
        expected = trace_steps(settings.steps, settings.trace_checkpoints)
        self.paths = dict(run.checkpoints("trace"))
        self.steps = sorted({*expected, *self.paths})

    def problem(self, step: int) -> str | None:
        """Check that every file is as it was written."""
        if step not in self.paths:
            return "missing"
        return damage(self.paths[step], required=[WEIGHTS])

    def revision(self, step: int) -> str:
        """Return the hash of the checkpoint's weights; sites and k are the TopK run's."""
        return self.run.traced_weights(step)


class OwnCheckpoints(OfRun):
    """A TopK run's own neurons, each checkpoint read at the run's final k."""

    names = ("topk",)

    def open(self, step: int) -> list[FeatureSource]:
        """Load a checkpoint."""
        loaded = load(self.run.path, step=step)
        k = self.run.settings.k
        return [LayerNeurons(loaded.model, loaded.tokenizer, k=k, revision=self.revision(step))]


class TwinCheckpoints(OfRun):
    """The dense twin's own neurons and its post-hoc TopK, at the TopK run's layers and k.

    Raises RunError where there is no twin.
    """

    names: Sequence[str] = ("dense", "posthoc")

    def __init__(self, run: Run, twin: Path | str | None = None) -> None:
        self.of, self.twin = run, twin
        directory = twin_directory(run, twin)
        if not directory.is_dir():
            raise RunError(f"there is no dense twin in {directory}")
        super().__init__(Run(directory))
        if not self.run.settings.dense:
            raise RunError(f"{directory} is no dense twin: it has TopK layers")

    def lacks(self) -> str | None:
        """Say why the twin's own neurons cannot be read: the text that sets their thresholds is gone."""
        return calibration_lacks(self.run)

    def open(self, step: int) -> list[FeatureSource]:
        """Load a checkpoint of the twin."""
        loaded = open_twin(self.of, step=step, twin=self.twin)
        return twin_sources(loaded, self.of, self.names, calibration_tokens=CALIBRATION_TOKENS)


def keys_of(group: Checkpoints, usable: list[int], place: int) -> list[Key]:
    """Say what decides the units of a group at one of its checkpoints."""
    after = usable[place + 1] if place + 1 < len(usable) else None
    return [
        Key(
            source=name,
            step=usable[place],
            revision=group.revision(usable[place]),
            next=after,
            next_revision=None if after is None else group.revision(after),
            final=usable[-1],
            final_revision=group.revision(usable[-1]),
        )
        for name in group.names
    ]
