"""C4: what the model still can: held-out loss and tasks, beside the twin and a smaller dense model."""

import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ...core.progress import counted
from ...core.stats import Estimate, bootstrap_ratio
from ...evaluation.harness import NORMAL_95, TaskResult, difference, require_harness, run_tasks
from ...evaluation.heldout import Likelihoods, document_likelihoods, summary
from ...evaluation.last_word import TASK, write_last_word
from ...evaluation.task_files import GROUP, check_unseen, write_story_tasks
from ...training import Loaded
from ...training.prepare import held_out_corpus
from .work import Found, LeftOut, Work

ACCURACY = "acc,none"
LAST_WORD_DOCUMENTS = 5000
"""Held-out documents that are searched for passages."""


def loss(work: Work) -> Found:
    """Measure held-out loss and bits per byte of every model, and the differences over the same documents."""
    models = {"topk": work.loaded, "dense": work.twin, "dense_small": work.small}
    left_out = {} if work.twin else {"dense": f"there is no dense twin in {work.twin_path}"}
    sums: dict[str, Likelihoods] = {}
    rows = []
    for source, loaded in models.items():
        if loaded is None:
            continue
        packed, context = work.text.packed, loaded.model.config.max_position_embeddings
        total = len(packed.tokens) - 1
        with counted(work.console, f"loss of {source}", unit="tokens", total=total) as report:
            sums[source] = document_likelihoods(loaded.model, packed, context=context, report=report)
        found = summary(sums[source])
        for metric in ("loss", "bits_per_byte"):
            estimate: Estimate = getattr(found, metric)
            rows.append(work.row(source, metric, estimate, n=found.n_documents, n_tokens=found.n_tokens))
        for other in [one for one in sums if one != source]:
            pair = sums[other], sums[source]
            ratio = bootstrap_ratio(pair[0].text_nats - pair[1].text_nats, pair[1].text_nats)
            rows.append(
                work.row(
                    other,
                    "loss_rise",
                    ratio,
                    about=source,
                    n=found.n_documents,
                    n_tokens=found.n_tokens,
                )
            )
    return Found(rows, {"spec": work.text.spec, "n_tokens": len(work.text.packed.tokens)}, left_out)


def tasks(work: Work) -> Found:
    """Score every model on our tasks, the stories' or last_word of the held-out text, item by item."""
    try:
        require_harness()
    except InputError as error:
        raise LeftOut(str(error)) from None
    limit = work.budget.task_items
    with tempfile.TemporaryDirectory() as scratch:
        name = _write(work, Path(scratch))
        results: dict[str, dict[str, TaskResult]] = {}
        models = {"topk": work.loaded, "dense": work.twin, "dense_small": work.small}
        for source, loaded in models.items():
            if loaded is not None:
                work.say(f"tasks with {loaded.run.path}")
                results[source] = _run(loaded, name, Path(scratch), limit)
    rows = []
    for source, by_task in results.items():
        for task, result in by_task.items():
            estimate, count = result.scores[ACCURACY].estimate, result.n_items
            rows.append(work.row(source, "task_accuracy", estimate, about=task, n=count, n_tokens=0))
            if source != "topk":
                gap = difference(results["topk"][task], result, ACCURACY)
                half = NORMAL_95 * gap.stderr if np.isfinite(gap.stderr) else np.inf
                paired = Estimate(gap.value, gap.value - half, gap.value + half)
                metric = f"task_accuracy_beside/{source}"
                rows.append(work.row("topk", metric, paired, about=task, n=count, n_tokens=0))
    chances = {task: one.chance for task, one in results["topk"].items()}
    return Found(rows, {"tasks": name, "items": limit, "chance": chances})


def _run(loaded: Loaded, name: str, directory: Path, limit: int) -> dict[str, TaskResult]:
    return run_tasks(loaded.model, loaded.tokenizer, [name], include=directory, limit=limit)


def _write(work: Work, directory: Path) -> str:
    """Write the tasks that fit the run's text, and return their name."""
    if work.on_stories:
        write_story_tasks(directory, surface=False)
        check_unseen(directory, work.run.path, work.loaded.tokenizer, say=work.say)
        return GROUP
    documents = held_out_corpus(work.run).documents()
    texts = [one.text for one in islice(documents, LAST_WORD_DOCUMENTS)]
    write_last_word(directory, texts, source=", ".join(work.run.settings.data))
    return TASK
