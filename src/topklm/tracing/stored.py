"""A trace on disk: opened, asked for one feature's life, or for all that ever carried a concept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..concepts import resolve_name
from ..core.errors import InputError
from ..core.files import read_json
from ..core.forms import Shape, read_form
from ..core.site import Feature
from ..core.stats import EMERGED, LABELLED
from ..reports.trace_figures import FIGURES, life_figure
from . import units

FORMAT = "topklm.trace/1"
PLAN_FORMAT = "topklm.trace-plan/1"
ABOUT, PLAN, UNITS, RUNS = "trace.json", "plan.json", "units", "runs.json"
SHAPE: dict[str, Shape] = {
    "run": str,
    "revision": str,
    "seeds": [int],
    "corpus": {"sha256": str},
    "n_tokens": int,
    "sites": [{"site": int, "width": int}],
    "checkpoints": [int],
    "sources": dict,
    "loss": [{"step": int}],
    "identity_match": dict,
    "emergence": dict,
    "features": dict,
    "changes": dict,
    "senses": dict,
    "concepts": {"found": [{"concept": str}]},
    "saes": {"checkpoints": dict},
    "skipped": [{"source": str, "step": int}],
}
"""What `trace.json` must say."""


def twin_of(directory: Path) -> str | None:
    """Return the twin that a trace in a directory was made with, where one was named and is there still."""
    path = directory / ABOUT
    there = read_json(path) if path.is_file() else None
    named = there.get("twin") if isinstance(there, dict) else None
    return named if isinstance(named, str) and Path(named).is_dir() else None


class Moment(NamedTuple):
    """What a feature was at one checkpoint."""

    step: int
    density: float
    status: str
    """live, rare or dead."""
    token_entropy: float | None
    """In bits, over its 256 strongest firings; None where it never fires."""
    token_entropy_random: float | None
    """Over 256 firings drawn at random."""
    top_tokens: list[dict[str, Any]]
    """`token`, `text`, `share`: the token types with the largest token mass."""
    concepts: list[dict[str, Any]]
    """`concept`, `f1` on held-out documents, best first; those of at least 0.25 on the half that chose."""
    to_final: float
    """Cosine with its final self."""
    to_previous: float | None
    """Cosine with what it was at the previous checkpoint; None at the first."""
    best: str | None
    """The final feature that it is most similar to; None where it never fires."""
    best_to_final: float
    """The cosine with that one."""


class Life(NamedTuple):
    """One feature over the checkpoints."""

    feature: str
    source: str
    emergence: int | None
    """The first step from which its similarity to its final self stays at least 0.5; None: never."""
    moments: list[Moment]


class Trace:
    """A finished trace.

    traced = Trace.open("runs/quickstart/trace")
    traced.life("L2/N17").emergence
    traced.carriers("sea")
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path, self.about = path, about

    @classmethod
    def open(cls, path: Path | str) -> "Trace":
        """Open a trace's directory. Raises InputError where there is none."""
        directory = Path(path)
        if not (directory / ABOUT).is_file():
            raise InputError(f"there is no trace in {directory}; make one with: topklm trace RUN")
        return cls(directory, read_form(directory / ABOUT, FORMAT, SHAPE))

    @property
    def sources(self) -> dict[str, list[int]]:
        """The steps that were traced, by source; the run's own is `topk`."""
        return dict(self.about["sources"])

    def life(self, feature: str | Feature, *, source: str = "topk") -> Life:
        """Return what a feature was at every checkpoint. Raises InputError where there is no such one."""
        return self.lives([feature], source=source)[0]

    def lives(self, features: Sequence[str | Feature], *, source: str = "topk") -> list[Life]:
        """Return the lives of several features, in the order given."""
        steps = self._steps(source)
        names = [str(Feature.parse(one) if isinstance(one, str) else one) for one in features]
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        place: dict[str, int] = {}
        for step in steps:
            table = units.read(self.path / UNITS, source, step)
            if not place:
                place = {name: row for row, name in enumerate(table["feature"].to_pylist())}
                self._check(names, place, source)
            chosen = table.take([place[name] for name in names])
            for name, row in zip(names, chosen.to_pylist(), strict=True):
                rows[name].append(row)
        return [_life(name, source, steps, rows[name]) for name in names]

    def carriers(self, concept: str, *, source: str = "topk", f1: float = LABELLED) -> list[dict[str, Any]]:
        """List the features that at any checkpoint told a concept with a held-out F1 of at least `f1`.

        Each with `feature`, `steps` (where it did), `best` (its highest F1) and `final` (0 where the concept
        is not among its five best at the end), the best at the end first. Raises InputError that names
        similar concepts where there is none of this name.
        """
        steps = self._steps(source)
        name = resolve_name([one["concept"] for one in self.about["concepts"]["found"]], concept)
        found: dict[str, dict[int, float]] = {}
        for step in steps:
            table = units.read(self.path / UNITS, source, step, columns=["feature", "concepts"])
            for row in table.to_pylist():
                for one in row["concepts"]:
                    if one["concept"] == name:
                        found.setdefault(row["feature"], {})[step] = one["f1"]
        rows = [
            {
                "feature": feature,
                "steps": [step for step, value in by_step.items() if value >= f1],
                "best": max(by_step.values()),
                "final": by_step.get(steps[-1], 0.0),
            }
            for feature, by_step in found.items()
            if max(by_step.values()) >= f1
        ]
        return sorted(rows, key=lambda row: (-row["final"], -row["best"], row["feature"]))

    @property
    def runs(self) -> dict[str, Any] | None:
        """How the final neurons match those of other runs (`runs.json`), where they were compared."""
        path = self.path / RUNS
        return read_json(path) if path.is_file() else None

    def draw(self) -> list[Path]:
        """Draw the figures of the whole trace into its directory, as PNG and as SVG."""
        written = []
        for name, figure in FIGURES.items():
            for ending in ("png", "svg"):
                written.append(self.path / f"{name}.{ending}")
                figure(self.about, written[-1])
        return written

    def draw_life(self, life: Life, path: Path | str) -> None:
        """Draw one life into a file, .png or .svg; checkpoints that were skipped are marked."""
        skipped = [one["step"] for one in self.about["skipped"] if one["source"] == life.source]
        life_figure(life, path, skipped=skipped)

    def _steps(self, source: str) -> list[int]:
        if source not in self.sources:
            raise InputError(f"{self.path} holds no source {source!r}; it holds {', '.join(self.sources)}")
        return self.sources[source]

    def _check(self, names: Sequence[str], place: dict[str, int], source: str) -> None:
        for name in names:
            if name not in place:
                sites = ", ".join(str(one["site"]) for one in self.about["sites"])
                last = list(place)[-1]
                raise InputError(
                    f"there is no {name} in this trace of {source}: it holds the layers {sites}, up to {last}"
                )


def _life(name: str, source: str, steps: list[int], rows: list[dict[str, Any]]) -> Life:
    moments = []
    for place, (step, row) in enumerate(zip(steps, rows, strict=True)):
        status = "live" if row["live"] else "rare" if row["firings"] else "dead"
        best = None
        if row["final_best"] is not None and row["final_best"] >= 0:
            best = str(type(Feature.parse(name))(row["site"], row["final_best"]))
        moments.append(
            Moment(
                step=step,
                density=row["density"],
                status=status,
                token_entropy=row["token_entropy"],
                token_entropy_random=row["token_entropy_random"],
                top_tokens=row["top_tokens"],
                concepts=row["concepts"],
                to_final=row["final_cosine"],
                to_previous=rows[place - 1]["next_cosine"] if place else None,
                best=best,
                best_to_final=row["final_best_cosine"],
            )
        )
    stays = len(rows)
    while stays and rows[stays - 1]["final_cosine"] >= EMERGED:
        stays -= 1
    return Life(name, source, steps[stays] if stays < len(steps) else None, moments)
