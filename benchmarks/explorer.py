"""How soon the explorer answers over an index of five million tokens, and how much it sends."""

import itertools
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from topklm.core.errors import InputError
from topklm.index import FeatureIndex, build_index
from topklm.training import TrainSettings, resume, train

from .index import write_stories
from .pairs import Ratio, exact, ratio

TOKENS = 5_000_000
KEPT = Path("build/benchmarks/explorer")
"""The run and its index, which take some minutes of a core; kept for the next time."""
STARTS = 5
PAIRS = 31
WORDS = ("asked", "her", "the kitchen", "a letter", "nobody", "at the end", "Emma")


def explorer() -> list[Ratio]:
    """The explorer over an index of 5M tokens against its bars: 3 s, 50, 100, 200 ms, 300 kB.

    A ratio below 1 meets its bar. A start runs from the command to the whole first page, modules imported
    anew; the other times are those of requests over one open connection, everything drawn, and what the
    server's process took of a processor for one of them, which other work on the machine disturbs less.
    """
    run = prepared(KEPT)
    index = FeatureIndex.open(run / "index")
    print(f"{index.n_tokens:,} tokens, {index.about['firings']:,} firings")  # noqa: T201
    features = itertools.cycle([row["feature"] for row in index.features(sort="-density", limit=300)])
    pages = itertools.cycle(range(1, 12))
    words = itertools.cycle(WORDS)

    def start() -> None:
        with answering(run):
            pass

    rows = [ratio("start to first page / 3 s", start, lambda: time.sleep(3), pairs=STARTS)]
    with answering(run) as (client, server):
        sizes: dict[str, int] = {}

        def get(address: str) -> None:
            answer = client.get(address)
            assert answer.status_code == 200, address
            kind = re.split(r"[/?]", address)[0] or "overview"
            sizes[kind] = max(sizes.get(kind, 0), len(answer.content))

        asked = {
            "neuron / 50 ms": (lambda: get(f"neuron/{next(features)}"), 0.05),
            "table / 100 ms": (
                lambda: get(f"neurons?sort=-maximum&where=density+%3C+0.5&status=live&page={next(pages)}"),
                0.1,
            ),
            "search / 200 ms": (lambda: get(f"neurons?q={next(words)}"), 0.2),
        }
        wait_until_idle(server)
        for name, (work, bar) in asked.items():
            before = seconds_of(server)
            rows.append(ratio(name, work, lambda bar=bar: time.sleep(bar), pairs=PAIRS))
            taken = (seconds_of(server) - before) / (PAIRS + 1)
            rows.append(Ratio(f"{name}, of a processor", *[taken / bar] * 3, taken, bar))
            print(rows[-1].row(), flush=True)  # noqa: T201
        for address in ("", "compare?q=her", "read", "api"):
            get(address)
        for kind, size in sorted(sizes.items()):
            rows.append(exact(f"bytes of {kind} / 300 kB", size, 300_000))
    return rows


def prepared(directory: Path) -> Path:
    """Return a run with its index; made where it is not there yet, or goes on where it was interrupted."""
    directory.mkdir(parents=True, exist_ok=True)
    text, run = directory / "stories.jsonl", directory / "run"
    if not text.is_file():
        write_stories(text.with_suffix(".partial"), TOKENS)
        text.with_suffix(".partial").rename(text)
    if (run / "train.json").is_file():
        resume(run)
    else:
        train(settings(text), run)
    try:
        FeatureIndex.open(run / "index")
    except InputError:
        build_index(run, data=str(text), tokens=TOKENS, say=lambda message: print(message, flush=True))  # noqa: T201
    return run


def settings(text: Path) -> TrainSettings:
    """Of a small model with two layers of 256 neurons, hardly trained: only its index is looked at."""
    return TrainSettings(
        data=[str(text)],
        tokenizer="bpe:2048",
        tokens=10 * 2048,
        k=4,
        width=256,
        depth=3,
        n_nontopk=1,
        heads=2,
        head_dim=16,
        mlp=64,
        context=256,
        batch_tokens=2048,
        evaluations=1,
        eval_tokens=1024,
        full_checkpoints=1,
        trace_checkpoints=1,
    )


def seconds_of(process: int) -> float:
    """Say how much a process has taken of a processor so far; Linux alone tells."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_idle(process: int) -> None:
    """Wait until a server is done with what it opens and imports in the background after its start."""
    before = -1.0
    while seconds_of(process) - before > 0.02:
        before = seconds_of(process)
        time.sleep(1)


@contextmanager
def answering(run: Path) -> Iterator[tuple[httpx.Client, int]]:
    """Start the command; give a client, and the process's number, once the first page has come whole."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "topklm", "explore", str(run), "--no-browser", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/", timeout=60) as client:
            while True:
                try:
                    assert client.get("").status_code == 200
                    break
                except httpx.TransportError:
                    if process.poll() is not None:
                        raise RuntimeError(process.stderr.read().decode()) from None  # type: ignore[union-attr]
                    time.sleep(0.01)
            yield client, process.pid
    finally:
        process.terminate()
        process.communicate()
