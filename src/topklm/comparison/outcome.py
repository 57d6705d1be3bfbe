"""What a comparison found: rows, verdicts, stages, what is left out; read from and written to disk."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import finite, write_json
from ..core.forms import read_form
from .claims import Decider, Verdict
from .result import ResultRow, as_row, write_table

FORMAT = "topklm.comparison/1"
FOLDER = "comparison"
RESULT, TABLE = "results.json", "results.parquet"


@dataclass
class Comparison:
    """The whole of a comparison, of one run or of several seeds."""

    runs: list[dict[str, Any]]
    """By run: `run`, `revision`, `seed`, `twin`, `dense_small` (paths or None)."""
    budget: dict[str, Any]
    """What was asked for; what was really taken stands in the notes of the stages."""
    stages: list[dict[str, Any]]
    """By run and stage: `run`, `stage`, `about`, `seconds`, `notes`."""
    left_out: dict[str, str]
    """Stages and sources that could not be had, or were not wanted, and why."""
    claims: list[Verdict]
    rows: list[ResultRow] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        """Of the runs' training."""
        return [one["seed"] for one in self.runs]

    def notes(self, stage: str) -> list[dict[str, Any]]:
        """Return what a stage notes, run by run; nothing where it was left out."""
        return [one["notes"] for one in self.stages if one["stage"] == stage]

    def measured_on(self) -> list[str]:
        """Say, run by run, on how much of which text the metrics were measured; files by their name alone."""
        return [
            f"{one['n_tokens']:,} tokens of {', '.join(Path(str(each)).name for each in one['spec'])}"
            for one in self.notes("metrics")
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the content of `results.json`; a number that is not finite is null."""
        first = self.runs[0]
        content = {
            "format": FORMAT,
            "run": first["run"],
            "revision": first["revision"],
            "n_tokens": max((row.n_tokens for row in self.rows), default=0),
            "seeds": self.seeds,
            "runs": self.runs,
            "claims": [one.as_json() for one in self.claims],
            "left_out": self.left_out,
            "budget": self.budget,
            "stages": self.stages,
            "rows": [row._asdict() for row in self.rows],
        }
        return dict(finite(content))


def write_comparison(directory: Path, found: Comparison) -> None:
    """Write the rows as Parquet and, last, all of it as JSON."""
    columns = {name: [getattr(row, name) for row in found.rows] for name in ResultRow._fields}
    metadata = {"format": FORMAT, "revision": str(found.runs[0]["revision"])}
    write_table(directory / TABLE, columns, metadata)
    write_json(directory / RESULT, found.as_json())


def read_comparison(path: Path | str) -> Comparison:
    """Read a comparison from a run, its `comparison`, or the file itself.

    Raises InputError where there is none.
    """
    path = Path(path)
    for one in (path / FOLDER / RESULT, path / RESULT, path):
        if one.is_file():
            content = read_form(one, FORMAT)
            try:
                claims = [
                    Verdict(**{**claim, "decides": [_decider(number) for number in claim["decides"]]})
                    for claim in content["claims"]
                ]
                rows = [ResultRow(**as_row(row)) for row in content["rows"]]
                parts = {name: content[name] for name in ("runs", "budget", "stages", "left_out")}
                return Comparison(**parts, claims=claims, rows=rows)
            except (TypeError, KeyError, AttributeError) as error:
                raise InputError(f"{one} is damaged: {error}") from None
    raise InputError(f"{path} holds no comparison; make one with: topklm compare {path}")


def _decider(content: dict[str, Any]) -> Decider:
    return Decider(**as_row(content))
