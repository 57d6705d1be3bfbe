"""Costs fitted on three sizes of model, foretold for two others, and measured there."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls

from topklm.core.memory import keep_freed_memory
from topklm.index import build_index, build_shard, parts
from topklm.model import TopKLMForCausalLM
from topklm.stories import documents
from topklm.training import Run, TrainSettings, train
from topklm.training.schedules import trace_steps

from .costs import Size, activation_bytes, moved_bytes, parameters, run_bytes, state_bytes, training_flops
from .index import untrained, write_stories
from .pairs import Ratio, exact, peak_memory
from .worker import answer

ROUNDS = 6
WARM_UP = 2
STEPS = 8
STEP_TOKENS = 512
TRACES = len(trace_steps(STEPS, 1))
INDEX_TOKENS = 8192
SHARED_TOKENS = 131_072
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
TIMES: dict[str, Features] = {
    "CPU ms of a step": lambda size: [size.step_tokens * training_flops(size), moved_bytes(size), 1.0],
}
SPACES: dict[str, Features] = {
    "peak memory above the start, MB": lambda size: [state_bytes(size) + activation_bytes(size), 1.0],
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
    which all sizes take turns, so that a busy machine weighs on all alike. Memory and disk are a run's.
    """
    sizes = {**FITTED, **FORETOLD}
    measured = step_times(sizes)
    rows = foretell(TIMES, measured)
    with tempfile.TemporaryDirectory() as scratch:
        text = Path(scratch) / "stories.jsonl"
        with text.open("w", encoding="utf-8") as file:
            for _, (story, _) in zip(range(STORIES), documents("0"), strict=False):
                file.write(json.dumps({"text": story}) + "\n")
        return rows + foretell(SPACES, {name: in_a_process(size, text) for name, size in sizes.items()})


def foretell(models: dict[str, Features], measured: dict[str, dict[str, float]]) -> list[Ratio]:
    """Fit each quantity on some sizes and compare what it says of the others with what was measured there."""
    rows = []
    for what, features in models.items():
        factors = fit(features, [(size, measured[name][what]) for name, size in FITTED.items()])
        print(what, [f"{factor:.3g}" for factor in factors])  # noqa: T201
        for name, size in FORETOLD.items():
            foretold = float(np.dot(features(size), factors))
            label = f"{name} ({parameters(size) / 1e6:.0f}M), {what}: foretold / measured"
            rows.append(exact(label, foretold, measured[name][what]))
    return rows


def sharing() -> list[Ratio]:
    """Indexing 131,072 tokens with `tiny` by two processes against one, in CPU time.

    Two processes take what the slower one takes for its share of the parts, and joining, which is one's work.
    The shares are made one after the other, so that neither disturbs the other. Parts are small ones.
    """
    parts.PART_FIRINGS = 2**18
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


def step_times(sizes: dict[str, Size]) -> dict[str, dict[str, float]]:
    """Take training steps of every size in turn in this process, and return their CPU times."""
    keep_freed_memory()
    torch.set_num_threads(1)
    steps = {name: stepper(size) for name, size in sizes.items()}
    times: dict[str, list[float]] = {name: [] for name in sizes}
    for round_ in range(WARM_UP + ROUNDS):
        for name, step in steps.items():
            began = time.process_time()
            step()
            if round_ >= WARM_UP:
                times[name].append(1e3 * (time.process_time() - began))
    return {name: {"CPU ms of a step": float(np.median(found))} for name, found in times.items()}


def stepper(size: Size) -> Callable[[], None]:
    """Make a function that takes a step as training does, on random tokens."""
    model = TopKLMForCausalLM(settings_of(size).model_config(vocab_size=size.vocabulary))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    ids = torch.randint(0, size.vocabulary, (STEP_TOKENS // size.context, size.context))

    def step() -> None:
        model(input_ids=ids, labels=ids, loss_only=True, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def settings_of(size: Size, **more: Any) -> TrainSettings:
    """Return settings that train this size."""
    return TrainSettings(
        width=size.width, depth=size.layers, heads=size.heads, head_dim=size.head_dim, mlp=size.mlp, k=size.k,
        n_nontopk=size.layers - size.sites, context=size.context, batch_tokens=STEP_TOKENS, anneal="none",
        precision="fp32", attention="sdpa", threads=1, tokenizer=f"bpe:{size.vocabulary}", **more,
    )  # fmt: skip


def in_a_process(size: Size, text: Path) -> dict[str, float]:
    """Train and index one size in a process of its own, and return what memory and disk it took."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling", json.dumps(size), str(text)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    print(found)  # noqa: T201
    return found


def worker(size: Size, text: str) -> None:
    """Train and index one size, and print what memory and disk it took."""
    settings = settings_of(
        size, data=[text], validation=[text], tokens=STEPS * STEP_TOKENS, evaluations=1,
        eval_tokens=STEP_TOKENS, full_checkpoints=1, trace_checkpoints=1,
    )  # fmt: skip
    start = peak_memory()
    with tempfile.TemporaryDirectory() as scratch:
        run = train(settings, Path(scratch) / "run")
        peak = peak_memory()
        disk = bytes_below(run.path) - bytes_below(run.path / "data")
        index = build_index(Run(run.path), data=text, tokens=INDEX_TOKENS, effects=False)
        answer(
            **{
                "peak memory above the start, MB": peak - start,
                "run on disk, kB": disk / 1e3,
                "index on disk, kB": bytes_below(index.path) / 1e3,
            }
        )


def bytes_below(directory: Path) -> int:
    """Add up the sizes of all files."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


if __name__ == "__main__":
    worker(Size(*json.loads(sys.argv[1])), sys.argv[2])
