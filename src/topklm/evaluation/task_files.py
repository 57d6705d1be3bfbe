"""Tasks as files: lm-eval's own YAML and JSON lines, so that plain `lm_eval --include_path DIR` runs them."""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import InputError
from ..core.files import write_json, write_text
from ..data import Packed
from .story_tasks import ITEMS, MAKERS, SEED, rows
from .surface import Surface, surface_scores

FORMAT = "topklm.tasks/1"
ABOUT = "tasks.json"
GROUP = "stories"


def write_story_tasks(directory: Path, *, items: int = ITEMS, surface: bool = True) -> dict[str, Surface]:
    """Write all story tasks, and the group `stories` of them, into a directory.

    Returns what simple rules make of each task, which stands in the files too (not without `surface`: it
    takes seconds). The YAML names its data by
    absolute path, as lm-eval needs it: write the tasks again rather than move them. Raises InputError where
    the directory holds something else.
    """
    directory = fresh_directory(directory)
    tables = {name: list(rows(name, items=items)) for name in MAKERS}
    scores = surface_scores(tables) if surface else {}
    names = []
    for name, table in tables.items():
        task = f"{GROUP}_{name}"
        config = {
            "output_type": "multiple_choice",
            "doc_to_text": "label",  # a number: lm-eval then takes the choices for contexts
            "doc_to_choice": "contexts",
            "doc_to_target": "continuation",
            "target_delimiter": "",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
        about: dict[str, Any] = {"version": 1, "about": MAKERS[name].about, "chance": 0.5}
        if name in scores:
            about |= scores[name]._asdict()
        write_task(directory, task, table, config, about)
        names.append(task)
    write_yaml(
        directory / f"{GROUP}.yaml",
        {
            "group": GROUP,
            "task": names,
            "aggregate_metric_list": [{"metric": "acc", "aggregation": "mean", "weight_by_size": True}],
            "metadata": {"version": 1},
        },
    )
    content = {"format": FORMAT, "seed": SEED, "items": items, "tasks": names}
    write_json(directory / ABOUT, content)
    return scores


def items_within(directory: Path, texts: Iterable[str]) -> int:
    """Count the story tasks' items (right context, continuation) that are the beginning of a text.

    A context always begins with its story, so this finds every story that a text shares with the tasks.
    """
    known = sorted(texts)
    found = 0
    for path in sorted(directory.glob(f"{GROUP}_*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            whole = row["contexts"][row["label"]] + row["continuation"]
            place = bisect_left(known, whole)
            found += place < len(known) and known[place].startswith(whole)
    return found


def check_unseen(
    directory: Path, run: Path, tokenizer: Any, *, say: Callable[[str], None] = lambda message: None
) -> None:
    """Raise InputError where a run was trained on stories that the tasks in a directory are made of.

    The packed training text is in the run; where it was deleted, that is said, and nothing can be checked.
    """
    try:
        packed = Packed.open(run / "data", "train")
    except InputError:
        say(f"{run} has no training text left to check the tasks against")
        return
    ends = [*packed.documents[1:, 0].tolist(), len(packed.tokens)]
    starts = packed.documents[:, 0].tolist()
    texts = tokenizer.batch_decode(
        [packed.tokens[a + 1 : b].tolist() for a, b in zip(starts, ends, strict=True)]
    )
    if seen := items_within(directory, texts):
        raise InputError(
            f"{run} was trained on {seen} of the stories that the tasks are made of; its scores would say "
            "nothing"
        )


def write_task(
    directory: Path,
    task: str,
    table: Iterable[Mapping[str, Any]],
    config: Mapping[str, Any],
    about: Mapping[str, Any],
) -> None:
    """Write one task: its items to TASK.jsonl, then TASK.yaml that names them."""
    data = directory / f"{task}.jsonl"
    write_text(data, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table))
    write_yaml(
        directory / f"{task}.yaml",
        {
            "task": task,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(data)}},
            "test_split": "test",
            **config,
            "metadata": dict(about),
        },
    )


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write YAML to `path`, whole or not at all."""
    write_text(path, yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=200))


def fresh_directory(directory: Path) -> Path:
    """Make a directory for tasks; one that holds tasks already is written over.

    Returns its absolute path. Raises InputError where it holds something else.
    """
    directory = directory.resolve()
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file; name a directory for the tasks")
    if directory.is_dir() and not (directory / ABOUT).is_file() and any(directory.iterdir()):
        raise InputError(f"{directory} holds something else than tasks; name a new directory")
    directory.mkdir(parents=True, exist_ok=True)
    return directory
