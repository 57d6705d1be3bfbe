"""Run lm-eval tasks on a model in memory. The tasks that we make ourselves: story_tasks.py, last_word.py."""

import difflib
import logging
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.hub import hub_answers
from ..core.stats import Estimate
from .last_word import TASK
from .task_files import GROUP

NORMAL_95 = 1.959964
BATCH = 16
"""Sequences read at once."""


class Score(NamedTuple):
    """One metric of one task."""

    value: float
    stderr: float
    """Standard error over items, those of one pair counted as one; NaN where lm-eval gives none."""
    items: dict[int, float] | None
    """The metric of each item by its number, where the value is their mean."""

    @property
    def estimate(self) -> Estimate:
        """The value with its 95 % interval (normal)."""
        half = NORMAL_95 * self.stderr if np.isfinite(self.stderr) else np.inf
        return Estimate(self.value, self.value - half, self.value + half)


class TaskResult(NamedTuple):
    """What lm-eval found on one task or group."""

    scores: dict[str, Score]
    n_items: int
    chance: float | None
    """Accuracy of guessing, where the task's metadata says it."""
    pairs: dict[int, int]
    """The pair of each item, for tasks whose items come in pairs."""
    n_cut: int = 0
    """Texts, up to several an item, longer than the context: the model does not see how they begin."""


class Difference(NamedTuple):
    """One model's score minus another's."""

    value: float
    stderr: float
    paired: bool
    """Whether it was taken item by item; if not, the errors of the two are simply added."""


def require_harness() -> None:
    """Raise InputError where lm-eval is not installed."""
    try:
        with _quiet():
            import lm_eval  # noqa: F401
    except ImportError as error:
        raise InputError(f"--tasks needs lm-eval ({error}); pip install 'topklm[eval]'") from None


def run_tasks(
    model: Any, tokenizer: Any, names: Sequence[str], *, include: Path, limit: int | None = None
) -> dict[str, TaskResult]:
    """Evaluate a causal language model on lm-eval tasks or groups by name, with lm-eval's `hf` backend.

    include: a directory of further tasks in YAML. limit: take only the first so many items of each.
    Raises InputError for a task that lm-eval does not know (with the nearest names), and for one whose data
    is on a hub that cannot be reached.
    """
    require_harness()
    with _quiet():
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager

        own = {path.stem for path in include.glob("*.yaml")}
        manager = TaskManager(include_path=str(include), include_defaults=not own.issuperset(names))
        check_names(names, manager.all_tasks)
        loaded = _load(manager, names)
        cut: Counter[str] = Counter()

        class Counting(HFLM):  # type: ignore[misc,unused-ignore]
            def loglikelihood(self, requests: Any, **how: Any) -> Any:
                for one in requests:
                    context, continuation = one.args
                    if context:
                        before, after = self._encode_pair(context, continuation)
                    else:  # lm-eval puts the token before a text in its place, as BLiMP's tasks want it
                        before = [self.prefix_token_id]
                        after = self.tok_encode(continuation, add_special_tokens=False)
                    if len(after) > self.max_length:
                        raise InputError(
                            f"an item of {one.task_name} does not fit the model's context of "
                            f"{self.max_length} tokens"
                        )
                    cut[one.task_name] += len(before) + len(after) > self.max_length + 1
                return super().loglikelihood(requests, **how)

        wrapped = Counting(pretrained=model, tokenizer=tokenizer, batch_size=BATCH)
        try:
            results: Any = simple_evaluate(
                wrapped, tasks=loaded, task_manager=manager, limit=limit, bootstrap_iters=1000
            )
        except ValueError as error:
            if not str(error).startswith("Duplicate task"):
                raise
            raise InputError(f"{_line(error)}; name each task once") from None
        except AssertionError as error:
            if "max tokens to generate" not in str(error):
                raise
            raise InputError(
                f"{', '.join(names)} generates more than the model's context of {wrapped.max_length} tokens"
            ) from None
    return _read(results, cut)


def check_names(names: Sequence[str], known: Sequence[str]) -> None:
    """Raise InputError for the first unknown task, naming the nearest ones."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
            hint = f"nearest: {', '.join(near)}" if near else "none is near; `lm_eval ls tasks` lists them"
            raise InputError(f"unknown task {name!r}; {hint}")


def difference(first: TaskResult, second: TaskResult, metric: str) -> Difference:
    """Return the first score minus the second, with its standard error.

    Where both have the same items and the value is their mean, it is taken item by item: what makes an item
    hard is hard for both, and falls away (Miller 2024, arXiv 2411.00640). Items of one pair are not
    independent and count as one. Elsewhere the standard errors are added as if the two were independent.
    """
    one, other = first.scores[metric], second.scores[metric]
    if one.items is None or other.items is None or one.items.keys() != other.items.keys():
        return Difference(one.value - other.value, float(np.hypot(one.stderr, other.stderr)), paired=False)
    differences = {item: value - other.items[item] for item, value in one.items.items()}
    return Difference(*clustered(differences, first.pairs), paired=True)


def clustered(items: Mapping[int, float], pairs: Mapping[int, int]) -> tuple[float, float]:
    """Return the mean of items and its standard error; items of one pair are not independent."""
    clusters: dict[int, list[float]] = {}
    for item, value in items.items():
        # items without a pair get a number of their own, below all pairs
        clusters.setdefault(pairs.get(item, -1 - item), []).append(value)
    sums = np.array([sum(values) for values in clusters.values()])
    sizes = np.array([len(values) for values in clusters.values()])
    mean = float(sums.sum() / sizes.sum())
    count = len(sums)
    spread = float(((sums - mean * sizes) ** 2).sum()) * count / max(1, count - 1)
    return mean, float(np.sqrt(spread)) / float(sizes.sum()) if count > 1 else float("nan")


def _load(manager: Any, names: Sequence[str]) -> list[Any]:
    """Build the tasks, without waiting for a hub that cannot be reached."""
    offline = False
    ours = all(name == TASK or name.split("_")[0] == GROUP for name in names)
    if not ours and not hub_answers():
        offline = True
        _stay_offline()
    loaded = []
    for name in names:
        try:
            loaded.extend([built] if not isinstance(built := manager._load_spec(name), list) else built)
        except ImportError as error:
            raise InputError(f"the task {name!r} needs a package: {_line(error)}") from None
        except Exception as error:  # datasets, huggingface_hub and each task's code raise their own
            if offline:
                raise InputError(
                    f"the task {name!r} needs data from the hub, which cannot be reached from here; fetch it "
                    f"once where there is a network, or take a task of your own ({_line(error)})"
                ) from None
            raise InputError(f"the task {name!r} cannot be loaded: {_line(error)}") from None
    return loaded


def _stay_offline() -> None:
    """Let datasets and huggingface_hub take only what is cached; both read the setting when imported."""
    import datasets
    from huggingface_hub import constants

    os.environ["HF_HUB_OFFLINE"] = "1"
    constants.HF_HUB_OFFLINE = True
    datasets.config.HF_HUB_OFFLINE = True


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the log lines and warnings of lm-eval and its libraries; on a terminal its progress bars stay.

    What it prints goes to standard error: standard output is for results.
    """
    from tqdm import tqdm

    levels = {
        name: logging.getLogger(name).level for name in ("lm_eval", "datasets", "httpx", "transformers")
    }
    drawn = tqdm.__init__
    if not sys.stderr.isatty():
        tqdm.__init__ = lambda bar, *given, **named: drawn(bar, *given, **{**named, "disable": True})
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        tqdm.__init__ = drawn
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _read(results: Mapping[str, Any], cut: Mapping[str, int]) -> dict[str, TaskResult]:
    """Turn lm-eval's results into ours: tasks first, then groups over their tasks."""
    found: dict[str, TaskResult] = {}
    for name, samples in results["samples"].items():
        metadata = results["configs"][name].get("metadata") or {}
        pairs = {one["doc_id"]: one["doc"]["pair"] for one in samples if "pair" in one["doc"]}
        numbers = results["results"][name]
        scores = {key: _score(numbers, key, samples, pairs) for key in _metrics(numbers)}
        count = len({one["doc_id"] for one in samples})
        found[name] = TaskResult(scores, count, metadata.get("chance"), pairs, cut.get(name, 0))
    for name, numbers in (results.get("groups") or {}).items():
        children = [found[child] for child in results["group_subtasks"].get(name, []) if child in found]
        if children:
            found[name] = _group(numbers, children)
    return found


def _metrics(numbers: Mapping[str, Any]) -> list[str]:
    """Return lm-eval's keys `metric,filter` that are values, not standard errors."""
    return [
        key
        for key, value in numbers.items()
        if "," in key and "_stderr," not in key and isinstance(value, int | float)
    ]


def _stderr(numbers: Mapping[str, Any], key: str) -> float:
    metric, _, chosen = key.partition(",")
    value = numbers.get(f"{metric}_stderr,{chosen}")
    return float(value) if isinstance(value, int | float) else float("nan")


def _score(numbers: Mapping[str, Any], key: str, samples: Sequence[Any], pairs: Mapping[int, int]) -> Score:
    metric, _, chosen = key.partition(",")
    items = {
        one["doc_id"]: float(one[metric])
        for one in samples
        if one.get("filter", "none") == chosen and isinstance(one.get(metric), int | float)
    }
    return _with_items(numbers, key, items, pairs)


def _with_items(
    numbers: Mapping[str, Any], key: str, items: dict[int, float], pairs: Mapping[int, int]
) -> Score:
    """Make a score that keeps its items only where it is their mean: not a perplexity, not an F1."""
    value = float(numbers[key])
    is_mean = bool(items) and abs(float(np.mean(list(items.values()))) - value) <= 1e-6
    if not is_mean:
        return Score(value, _stderr(numbers, key), None)
    return Score(value, clustered(items, pairs)[1] if pairs else _stderr(numbers, key), items)


def _group(numbers: Mapping[str, Any], children: Sequence[TaskResult]) -> TaskResult:
    """Pool the items of a group's tasks, so that groups can be compared item by item too."""
    stride = 1 + max(max(child.pairs.values(), default=0) for child in children)
    pairs: dict[int, int] = {}
    offset = 0
    pooled: dict[str, dict[int, float]] = {key: {} for key in _metrics(numbers)}
    for place, child in enumerate(children):
        for key, items in pooled.items():
            own = child.scores[key].items if key in child.scores else None
            items.update({offset + item: value for item, value in (own or {}).items()})
        pairs.update({offset + item: place * stride + pair for item, pair in child.pairs.items()})
        numbered = (item for score in child.scores.values() for item in score.items or ())
        offset += 1 + max((*child.pairs, *numbered, child.n_items))  # of a group they go beyond its count
    scores = {key: _with_items(numbers, key, items, pairs) for key, items in pooled.items()}
    chances = {child.chance for child in children}
    chance = chances.pop() if len(chances) == 1 else None
    count, cut = (sum(one) for one in zip(*((child.n_items, child.n_cut) for child in children), strict=True))
    return TaskResult(scores, count, chance, pairs, cut)


def _line(error: BaseException) -> str:
    """Return the first line of an error, without its full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:200]
