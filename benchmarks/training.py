"""End-to-end training against peers, each in a process of its own."""

import json
import subprocess
import sys
from contextlib import ExitStack
from typing import IO

from .pairs import Ratio, exact, ratio

WARM_UP = 2


class Worker:
    """A process of `worker.py`: one step at each call."""

    def __init__(self, kind: str, stack: ExitStack) -> None:
        command = [sys.executable, "-m", "benchmarks.worker", kind]
        pipe = subprocess.PIPE
        self.process = stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        stack.callback(self.process.kill)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input: IO[str] = self.process.stdin
        self.output: IO[str] = self.process.stdout
        for _ in range(WARM_UP):
            self()

    def __call__(self) -> float:
        """Take one step."""
        self.input.write("go\n")
        self.input.flush()
        return float(json.loads(self.output.readline())["seconds"])

    def peak(self) -> float:
        """End the process and return its peak memory in MB."""
        self.input.close()
        return float(json.loads(self.output.readline())["peak_mb"])


def training() -> list[Ratio]:
    """Seconds and peak memory of a step of `small`, TopK, against the same-size Llama's peers."""
    with ExitStack() as stack:
        workers = {kind: Worker(kind, stack) for kind in ("ours", "trainer", "loop")}
        rows = [
            ratio("step, ours / Trainer's defaults", workers["ours"], workers["trainer"]),
            ratio("step, ours / hand-written loop", workers["ours"], workers["loop"]),
        ]
        peaks = {kind: worker.peak() for kind, worker in workers.items()}
    rows.append(exact("peak memory (GB), ours / Trainer's defaults", peaks["ours"], peaks["trainer"]))
    rows.append(exact("peak memory (GB), ours / hand-written loop", peaks["ours"], peaks["loop"]))
    return rows
