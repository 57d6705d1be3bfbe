"""`topklm quiz`: a blind quiz about the features of two sources, and its scoring."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import InputError
from .output import AsJson, RunPath, name_of, put, put_json, say, whole


def quiz(
    path: RunPath,
    source_a: Annotated[str, typer.Option(metavar="NAME", help="The first source.")] = "topk",
    source_b: Annotated[
        str,
        typer.Option(metavar="NAME", help="The second: dense, posthoc, random, shuffled, or SAEs (sae_8x)."),
    ] = "random",
    kind: Annotated[
        list[str] | None,
        typer.Option(help="intruder, name or card; may be repeated. Default: all three."),
    ] = None,
    items: Annotated[int, whole("Questions of each kind about each source.")] = 10,
    seed: Annotated[int, whole("Seed of what is drawn.")] = 0,
    score: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead of making one: score these answers.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where page and key lie; default: quiz in the run.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a person, who does not know which source is which, how readable the features of two are.

    Writes a page that stands alone; it saves the answers to a file, which --score judges by the key that
    stays beside the page. Needs an index of both sources: topklm index RUN --source NAME.
    """
    from ..comparison.quiz import KINDS, make_quiz
    from ..comparison.quiz_score import score_quiz

    if not Path(path).is_dir():
        raise InputError(f"there is no run {path}")
    directory = Path(path) / "quiz" if out is None else out
    if score is not None:
        result = score_quiz(score, directory)
        if as_json:
            put_json(result)
        else:
            put(table(result))
        return
    page, key = make_quiz(
        Path(path), (source_a, source_b), kinds=kind or KINDS, items=items, seed=seed, out=directory, say=say
    )
    if as_json:
        put_json({"format": "topklm.quiz/1", "run": path, "page": str(page), "key": str(key)})
        return
    put(str(page))
    say(f"give this page to a reader, and keep {key.name} from them")
    say(f"then: topklm quiz {name_of(path)} --score ANSWERS.json")


def table(result: dict[str, Any]) -> str:
    """Write a score as lines."""
    from ..reports.metrics import Cell, spread

    def bound(value: float | None, far: float) -> float:
        return far if value is None else value

    lines = [f"{result['n_answered']} of {result['n_questions']} questions answered"]
    for row in result["rows"]:
        inf = float("inf")
        cell = Cell(row["value"], bound(row["low"], -inf), bound(row["high"], inf))
        about = row["about"] or row["source"]
        lines.append(f"{row['metric']:<20}{about:<24}{spread(cell)}   n={row['n']}")
    return "\n".join(lines)
