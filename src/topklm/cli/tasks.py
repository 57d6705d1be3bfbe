"""Tasks for `topklm eval`: make them, run them in lm-eval, print scores and differences."""

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from .output import put, put_json, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..evaluation.harness import Difference, TaskResult
    from ..training import Loaded

LAST_WORD_DOCUMENTS = 5000
"""How many documents of an endless corpus are searched for passages."""


def write_tasks(directory: Path, data: list[str] | None, *, as_json: bool) -> None:
    """Write the story tasks, or last_word of the text named, and say how surface rules do on them."""
    from ..evaluation.last_word import TASK, write_last_word
    from ..evaluation.task_files import write_story_tasks

    if data is not None:
        count = write_last_word(directory, _texts(data), source=", ".join(data))
        content: dict[str, Any] = {TASK: {"items": count}}
        lines = [f"{TASK}: {count:,} items"]
    else:
        scores = write_story_tasks(directory)
        content = {f"stories_{name}": one._asdict() for name, one in scores.items()}
        lines = [f"{'task':<18} chance  unigram  bigram  trigram  copying"]
        lines += [
            f"stories_{name:<10} {0.5:6.3f}  {one.unigram:7.3f}  {one.bigram:6.3f}  {one.trigram:7.3f}  "
            f"{one.copying:7.3f}"
            for name, one in scores.items()
        ]
    if as_json:
        put_json({"format": "topklm.tasks/1", "directory": str(directory), "tasks": content})
    else:
        put("\n".join(lines))
        say(f"written; plain lm-eval runs them with: lm_eval --include_path {directory} --tasks NAME ...")


def evaluate_tasks(
    path: str, tasks: str, *, data: list[str] | None, compare: str | None, limit: int | None, as_json: bool
) -> None:
    """Score one run or two on tasks, and print the scores and their differences."""
    from ..evaluation.harness import difference, require_harness
    from .evaluate import open_runs

    names = list(dict.fromkeys(name.strip() for name in tasks.split(",") if name.strip()))
    if not names:
        raise InputError("--tasks names no task; write it as stories,arc_easy")
    if limit is not None and limit < 1:
        raise InputError(f"--limit {limit} is not allowed; choose 1 or more")
    if data is not None and "last_word" not in names:
        raise InputError("--data with --tasks is the text of the task last_word; name that task too")
    require_harness()
    runs = open_runs(path, compare)
    with tempfile.TemporaryDirectory() as scratch:
        found = _run(runs, names, data, Path(scratch), limit=limit)
    content: dict[str, Any] = {"format": "topklm.scores/1", **_scores(runs[0], found[0])}
    lines = [_describe(name, result) for name, result in found[0].items()]
    if len(runs) > 1:
        differences = {
            name: {metric: difference(result, found[1][name], metric) for metric in result.scores}
            for name, result in found[0].items()
        }
        content["compare"] = {
            **_scores(runs[1], found[1]),
            "difference": {
                name: {_plain(metric): one._asdict() for metric, one in by_metric.items()}
                for name, by_metric in differences.items()
            },
        }
        lines = _compared(found, differences, runs)
    if as_json:
        put_json(content)
    else:
        put("\n".join(lines))


def _scores(loaded: "Loaded", found: dict[str, "TaskResult"]) -> dict[str, Any]:
    return {
        "run": str(loaded.run.path),
        "revision": loaded.run.revision,
        "seeds": [loaded.run.settings.seed],
        "tasks": {name: _as_json(result) for name, result in found.items()},
    }


def _run(
    runs: list["Loaded"], names: list[str], data: list[str] | None, scratch: Path, *, limit: int | None
) -> list[dict[str, "TaskResult"]]:
    from ..evaluation.harness import run_tasks

    make_own(runs, names, data, scratch)
    found = []
    for loaded in runs:
        say(f"tasks {', '.join(names)} with {loaded.run.path}")
        results = run_tasks(loaded.model, loaded.tokenizer, names, include=scratch, limit=limit)
        if cut := [name for name, one in results.items() if one.n_cut]:
            say(
                f"{', '.join(cut)}: texts longer than the context of {loaded.run.path}; what decides an item "
                "may lie in what was cut"
            )
        found.append(results)
    return found


def make_own(runs: list["Loaded"], names: list[str], data: list[str] | None, directory: Path) -> None:
    """Write those of our tasks that are asked for, and check the stories against the runs' training text."""
    from ..evaluation.last_word import write_last_word
    from ..evaluation.task_files import check_unseen, write_story_tasks

    if any(name == "stories" or name.startswith("stories_") for name in names):
        write_story_tasks(directory, surface=False)
        for loaded in runs:
            check_unseen(directory, loaded.run.path, loaded.tokenizer, say=say)
    if "last_word" in names:
        if data is None:
            raise InputError("the task last_word needs a text: name one with --data")
        write_last_word(directory, _texts(data), source=", ".join(data))


def _texts(data: list[str]) -> list[str]:
    from itertools import islice

    from ..data import load_corpus

    corpus = load_corpus(data, part="validation")
    documents = corpus.documents()
    return [one.text for one in (islice(documents, LAST_WORD_DOCUMENTS) if corpus.endless else documents)]


def _plain(metric: str) -> str:
    """Return lm-eval's `metric,filter` without a filter that does nothing."""
    return metric.removesuffix(",none")


def _as_json(result: "TaskResult") -> dict[str, Any]:
    metrics = {
        _plain(metric): {**score.estimate.as_json(), "stderr": score.stderr}
        for metric, score in result.scores.items()
    }
    return {"n_items": result.n_items, "n_cut": result.n_cut, "chance": result.chance, "metrics": metrics}


def _with_error(value: float, stderr: float) -> str:
    return f"{value:.3f}" + (f" ± {stderr:.3f}" if math.isfinite(stderr) else "")


def _describe(name: str, result: "TaskResult") -> str:
    scores = ", ".join(
        f"{_plain(metric)} {_with_error(score.value, score.stderr)}"
        for metric, score in result.scores.items()
    )
    chance = "" if result.chance is None else f", chance {result.chance:g}"
    cut = f", {result.n_cut:,} texts of them cut to the context" if result.n_cut else ""
    return f"{name}: {scores} ({result.n_items:,} items{chance}{cut})"


def _compared(
    found: list[dict[str, "TaskResult"]],
    differences: "Mapping[str, Mapping[str, Difference]]",
    runs: list["Loaded"],
) -> list[str]:
    lines = [f"first: {runs[0].run.path}; second: {runs[1].run.path}; ± one standard error"]
    for name, result in found[0].items():
        for metric, score in result.scores.items():
            other, gap = found[1][name].scores[metric], differences[name][metric]
            how = "paired" if gap.paired else "unpaired"
            lines.append(
                f"{name} {_plain(metric)}: {_with_error(score.value, score.stderr)}, "
                f"{_with_error(other.value, other.stderr)}; first minus second "
                f"{gap.value:+.3f} ± {gap.stderr:.3f} ({how}, {result.n_items:,} items)"
            )
    return lines
