"""Costs fitted on three sizes of model, foretold for two others, and measured there."""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls
from transformers import TrainerCallback

from topklm.index import build, build_index, build_shard
from topklm.stories import documents
from topklm.training import Run, TrainSettings, loop, train
from topklm.training.schedules import trace_steps

from .costs import Size, activation_bytes, moved_bytes, parameters, run_bytes, state_bytes, training_flops
from .index import untrained, write_stories
from .pairs import Ratio, exact
from .worker import answer

ROUNDS = 6
STEPS = ROUNDS + 3
"""Two to warm up, one that nobody times."""
STEP_TOKENS = 512
TRACES = len(trace_steps(STEPS, 1))
INDEX_TOKENS = 8192
SHARED_TOKENS = 32_768
STORIES = 3000
FITTED = {
    "5 MB": Size(2, 256, 4, 32, 256, 16, 1024, 128, 1, STEP_TOKENS),
    "20 MB": Size(4, 512, 4, 32, 512, 32, 2048, 128, 3, STEP_TOKENS),
    "60 MB": Size(6, 512, 8, 32, 1024, 64, 3072, 256, 5, STEP_TOKENS),
}
FORETOLD = {
    "wide": Size(4, 768, 6, 32, 768, 48, 2048, 256, 3, STEP_TOKENS),
    "deep": Size(8, 384, 4, 32, 768, 24, 3072, 128, 7, STEP_TOKENS),
}
Features = Callable[[Size], list[float]]
MODELS: dict[str, Features] = {
    "CPU ms of a step": lambda size: [size.step_tokens * training_flops(size), moved_bytes(size), 1.0],
    "peak memory above the start, MB": lambda size: [state_bytes(size), activation_bytes(size), 1.0],
    "run on disk, kB": lambda size: [run_bytes(size, traces=TRACES, packed=0), 1.0],
    "index on disk, kB": lambda size: [
        INDEX_TOKENS * size.sites * size.k,
        size.sites * size.width,
        INDEX_TOKENS,
    ],
}
"""What is measured, and what it is a sum of, each term with a factor of at least zero."""


def scaling() -> list[Ratio]:
    """Costs foretold by formulas fitted on three sizes against measured ones, bar 0.75 to 1.25.

    In thousandths of the units named. Time is a step's CPU time with one thread, the median over rounds in
    which all sizes take turns, so that a busy machine weighs on all alike.
    """
    with tempfile.TemporaryDirectory() as scratch:
        text = Path(scratch) / "stories.jsonl"
        with text.open("w", encoding="utf-8") as file:
            for _, (story, _) in zip(range(STORIES), documents("0"), strict=False):
                file.write(json.dumps({"text": story}) + "\n")
        measured = measure({**FITTED, **FORETOLD}, text)
    rows = []
    for what, features in MODELS.items():
        factors = fit(features, [(size, measured[name][what]) for name, size in FITTED.items()])
        print(what, [f"{factor:.3g}" for factor in factors])  # noqa: T201
        for name, size in FORETOLD.items():
            foretold = float(np.dot(features(size), factors))
            label = f"{name} ({parameters(size) / 1e6:.0f}M), {what}: foretold / measured"
            rows.append(exact(label, foretold, measured[name][what]))
    return rows


def sharing() -> list[Ratio]:
    """Indexing 32,768 tokens with `tiny` by two processes against one, in CPU time; bar 1.5.

    Two processes take what the slower one takes for its share of the parts, and joining, which is one's work.
    The shares are made one after the other, so that neither disturbs the other. Parts are small ones.
    """
    build.PART_FIRINGS = 2**18
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        data, out = directory / "stories.jsonl", directory / "index"
        source = untrained("tiny", write_stories(data, SHARED_TOKENS))
        options: dict[str, Any] = {"data": str(data), "tokens": SHARED_TOKENS, "effects": False}
        build_shard(source, (1, 10**6), out=directory / "warm", **options)  # compiles, packs
        spent = []
        for work in (
            lambda: build_shard(source, (1, 2), out=out, **options),
            lambda: build_shard(source, (2, 2), out=out, **options),
            lambda: build_index(source, out=out, **options),
        ):
            began = time.process_time()
            work()
            spent.append(1e6 * (time.process_time() - began))
    first, second, joining = spent
    whole, together = sum(spent), max(first, second) + joining
    return [
        exact("one process / two", whole, together),
        exact("joining / one process", joining, whole),
    ]


def fit(features: Features, measured: list[tuple[Size, float]]) -> np.ndarray[Any, Any]:
    """Find factors of at least zero by least squares of the relative errors."""
    values = np.array([value for _, value in measured])
    matrix = np.array([features(size) for size, _ in measured])
    scale = matrix.max(axis=0)
    factors, _ = nnls(matrix / scale / values[:, None], np.ones(len(values)))
    return np.asarray(factors / scale)


def measure(sizes: dict[str, Size], text: Path) -> dict[str, dict[str, float]]:
    """Train each size in a process of its own, a step of each in turn, then index a text with it."""
    from .training import Worker

    with ExitStack() as stack:
        workers = {
            name: Worker(json.dumps(size), stack, module="benchmarks.scaling", arguments=[str(text)])
            for name, size in sizes.items()
        }
        times: dict[str, list[float]] = {name: [] for name in sizes}
        for _ in range(ROUNDS):
            for name, worker in workers.items():
                times[name].append(1e3 * worker())
        found = {}
        for name, worker in workers.items():
            found[name] = {"CPU ms of a step": float(np.median(times[name])), **worker.end()}
            print(name, {what: round(value, 1) for what, value in found[name].items()})  # noqa: T201
    return found


class Timed(TrainerCallback):
    """Waits for a line before each step and answers with its CPU time, as long as lines come."""

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        """Wait."""
        self.told = bool(sys.stdin.readline())
        self.began = time.process_time()

    def on_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Answer."""
        if self.told:
            answer(seconds=time.process_time() - self.began)


def worker(size: Size, text: str) -> None:
    """Train one size for as many steps as one is told to take, then answer with memory and disk."""
    settings = TrainSettings(
        data=[text], validation=[text], tokenizer=f"bpe:{size.vocabulary}", tokens=STEPS * STEP_TOKENS,
        width=size.width, depth=size.layers, heads=size.heads, head_dim=size.head_dim, mlp=size.mlp, k=size.k,
        n_nontopk=size.layers - size.sites, context=size.context, batch_tokens=STEP_TOKENS, anneal="none",
        precision="fp32", attention="sdpa", threads=1, evaluations=1, eval_tokens=STEP_TOKENS,
        full_checkpoints=1, trace_checkpoints=1,
    )  # fmt: skip
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loop.trackers = lambda run: [Timed()]
    with tempfile.TemporaryDirectory() as scratch:
        run = train(settings, Path(scratch) / "run")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        packed = bytes_below(run.path / "data")
        disk = bytes_below(run.path) - packed
        index = build_index(Run(run.path), data=text, tokens=INDEX_TOKENS, effects=False)
        answer(
            **{
                "peak memory above the start, MB": (peak - start) / 1024,
                "run on disk, kB": disk / 1e3,
                "index on disk, kB": bytes_below(index.path) / 1e3,
            }
        )


def bytes_below(directory: Path) -> int:
    """Add up the sizes of all files."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


if __name__ == "__main__":
    worker(Size(*json.loads(sys.argv[1])), sys.argv[2])
