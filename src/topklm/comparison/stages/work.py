"""What all stages share: the run, its twin, the budget, the text; and what a stage gives back."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from ...concepts import all_stories
from ...core.errors import InputError, RunError
from ...core.files import MANIFEST, sha256_file
from ...core.stats import Estimate
from ...data.tokenizer import fingerprint
from ...index.format import ABOUT
from ...index.sources import calibration_lacks
from ...index.text import VALIDATION, Text, find_text
from ...sae.checkpoints import STEPS
from ...sae.store import FOLDER, names_of
from ...training import Loaded, Run, load
from ...training.prepare import trained_on, unlearnt_stories
from ...training.run import WEIGHTS
from ...training.twin import SAME, check_settings, open_twin, twin_directory
from ..budget import Budget
from ..result import ResultRow

Say = Callable[[str], None]


class LeftOut(Exception):
    """A stage cannot be run; the message says what it lacks."""


@dataclass
class Found:
    """What a stage gives back."""

    rows: list[ResultRow] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    """What the report tells beside numbers, such as the budget that was really used."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Parts that could not be had, and why."""


class Work:
    """One run that is compared.

    Raises InputError (RunError) where the run is dense or unfinished, or its twin does not match.
    """

    def __init__(
        self,
        run: Run,
        budget: Budget,
        directory: Path,
        *,
        twin: Path | str | None = None,
        dense_small: Path | str | None = None,
        say: Say = lambda message: None,
        console: Console | None = None,
    ) -> None:
        self.run, self.budget, self.directory = run, budget, directory
        self.twin_path = twin_directory(run, twin)
        self.dense_small = None if dense_small is None else Path(dense_small)
        self.say, self.console = say, console
        self.revisions: dict[Path, str] = {}
        if run.settings.dense:
            raise InputError(f"{run.path} is a dense run: compare the TopK run, this one is its reference")
        if not run.finished:
            raise RunError(f"{run.path} is not finished; go on with: topklm train --resume --out {run.path}")
        if (self.twin_path / "train.json").is_file():
            check_twin(run, Run(self.twin_path))
        if self.dense_small is not None:
            _check_small(Run(self.dense_small))

    @property
    def seed(self) -> int:
        """Of the run's training."""
        return self.run.settings.seed

    @cached_property
    def loaded(self) -> Loaded:
        """The run's model."""
        return load(self.run.path)

    @cached_property
    def twin(self) -> Loaded | None:
        """The dense twin's model; None where there is none."""
        return open_twin(self.run, self.twin_path) if self.has_twin else None

    @property
    def has_twin(self) -> bool:
        """Whether the dense twin is there and finished."""
        return (self.twin_path / WEIGHTS).is_file()

    @property
    def calibrated(self) -> bool:
        """Whether the twin is there with the text that sets the thresholds of its neurons."""
        return self.has_twin and calibration_lacks(Run(self.twin_path)) is None

    def need_twin(self) -> Loaded:
        """Return the dense twin. Raises LeftOut where there is none."""
        if self.twin is None:
            raise LeftOut(f"there is no dense twin in {self.twin_path}")
        return self.twin

    @cached_property
    def small(self) -> Loaded | None:
        """The smaller dense model. Raises RunError where it does not fit the run."""
        if self.dense_small is None:
            return None
        small = load(self.dense_small)
        if fingerprint(small.tokenizer) != fingerprint(self.loaded.tokenizer):
            raise RunError(
                f"{self.dense_small} has another tokenizer than {self.run.path}; train it with "
                f"--tokenizer {self.run.path}"
            )
        return small

    @property
    def on_stories(self) -> bool:
        """Whether the run was trained on the labelled stories."""
        return all_stories(self.run.settings.data)

    @cached_property
    def data(self) -> tuple[str, ...] | None:
        """The held-out text; None: the run's own."""
        if self.budget.data or not self.on_stories:
            return self.budget.data or None
        return (f"stories:{unlearnt_stories(self.run)}",)

    def learnt(self, spec: Sequence[str]) -> list[str]:
        """List what of a text the run was trained on; its own validation part it was not."""
        return [] if VALIDATION in spec else trained_on(self.run, spec)

    @cached_property
    def text(self) -> Text:
        """The packed held-out text."""
        return find_text(
            self.loaded.tokenizer,
            self.directory / "text",
            run=self.run,
            data=self.data,
            tokens=self.budget.tokens or 200_000,
            console=self.console,
        )

    def saes(self) -> list[str]:
        """List the run's SAEs that are compared: of 1x and of the wide width, of the first seed."""
        wanted = {"sae_1x", f"sae_{self.budget.wide}x"}
        return sorted((name for name in names_of(self.run) if name in wanted), key=lambda name: len(name))

    def identity(self) -> dict[str, Any]:
        """Say which weights are compared: what every stage's numbers depend on."""
        folder = self.run.path / FOLDER
        return {
            "revision": self._revision(self.run.path),
            "twin": self._revision(self.twin_path),
            "dense_small": None if self.dense_small is None else self._revision(self.dense_small),
            "saes": {name: sha256_file(folder / name / MANIFEST) for name in names_of(self.run)},
        }

    def checkpoint_saes(self) -> dict[str, str]:
        """Hash the manifests of SAEs of checkpoints: a trace's numbers depend on them."""
        folder = self.run.path / FOLDER / STEPS
        return {
            str(one.relative_to(folder)): sha256_file(one) for one in sorted(folder.glob(f"*/*/*/{MANIFEST}"))
        }

    def indexed(self) -> str | None:
        """Hash what the run's index says of itself, from which features to steer are drawn."""
        path = self.run.path / "index" / ABOUT
        return sha256_file(path) if path.is_file() else None

    @cached_property
    def files(self) -> dict[str, str]:
        """Hash the files that the budget names as text and lexicon: one of the same name may have changed."""
        named = [*(self.budget.data or ()), *([self.budget.lexicon] if self.budget.lexicon else [])]
        found: dict[str, str] = {}
        for place in map(Path, named):
            inside = sorted(one for one in place.rglob("*") if one.is_file()) if place.is_dir() else [place]
            found |= {str(one): sha256_file(one) for one in inside if one.is_file()}
        return found

    def _revision(self, path: Path) -> str | None:
        """Hash a run's weights once; None where there are none yet."""
        if path not in self.revisions:
            if not (path / WEIGHTS).is_file():
                return None
            self.revisions[path] = str(Run(path).revision)
        return self.revisions[path]

    def row(
        self,
        source: str,
        metric: str,
        estimate: Estimate | float,
        *,
        site: int | None = None,
        about: str = "",
        n: int = 1,
        n_tokens: int,
    ) -> ResultRow:
        """Make a row of this run. A plain number is exact."""
        found = estimate if isinstance(estimate, Estimate) else Estimate.exact(float(estimate))
        return ResultRow(source, site, metric, about, *found, n=n, n_tokens=n_tokens, seed=self.seed)


def check_twin(run: Run, twin: Run) -> None:
    """Raise RunError where a dense run, finished or not, is not the twin of a TopK run."""
    check_settings(run, twin, SAME)
    if twin.finished:
        open_twin(run, twin.path)  # its tokenizer and its text are checked there


def _check_small(small: Run) -> None:
    """Raise RunError where a smaller dense model is none, or not finished."""
    if not small.settings.dense:
        raise RunError(f"{small.path} is no dense run; name a smaller dense model")
    if not small.finished:
        raise RunError(f"{small.path} is not finished; go on with: topklm train --resume --out {small.path}")


def as_estimate(content: dict[str, Any]) -> Estimate:
    """Read `{"value": , "low": , "high": }`; null is an open end, or no number at all."""
    value = content["value"]
    if value is None:
        return Estimate(float("nan"), float("nan"), float("nan"))
    low, high = content["low"], content["high"]
    return Estimate(value, -float("inf") if low is None else low, float("inf") if high is None else high)


def kept_rows(rows: Iterable[ResultRow]) -> list[ResultRow]:
    """Drop rows about single concepts or words: the tables of the metrics keep them."""

    def is_single(row: ResultRow) -> bool:
        return row.n == 1 and row.about != "" and not row.about.endswith((" concepts", " features"))

    return [row for row in rows if not is_single(row)]
