"""Time two things in alternation, so that a noisy machine disturbs both alike."""

import platform
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

PAIRS = 15
RECORDS = Path(__file__).with_name("RECORDS.md")


class Ratio(NamedTuple):
    """How the first's time compares with the second's, over all pairs."""

    name: str
    median: float
    low: float
    high: float
    first: float
    second: float

    def row(self) -> str:
        """Write the ratio as a line of a Markdown table."""
        return (
            f"| {self.name} | {self.median:.2f} | {self.low:.2f}-{self.high:.2f} | "
            f"{1e3 * self.first:.1f} | {1e3 * self.second:.1f} |"
        )


def ratio(
    name: str, first: Callable[[], object], second: Callable[[], object], *, pairs: int = PAIRS
) -> Ratio:
    """Time `first` and `second` in turn, each pair in the other order than the one before."""
    times: tuple[list[float], list[float]] = ([], [])
    both = (first, second)
    for work in both:  # warm up
        work()
    for pair in range(pairs):
        for place in (0, 1) if pair % 2 else (1, 0):
            start = time.perf_counter()
            both[place]()
            times[place].append(time.perf_counter() - start)
    ratios = np.array(times[0]) / np.array(times[1])
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    result = Ratio(name, median, low, high, float(np.median(times[0])), float(np.median(times[1])))
    print(result.row(), flush=True)  # noqa: T201
    return result


def exact(name: str, first: float, second: float) -> Ratio:
    """Compare two numbers that are not times; given in thousandths, so that the table fits."""
    result = Ratio(name, first / second, first / second, first / second, first / 1e6, second / 1e6)
    print(result.row(), flush=True)  # noqa: T201
    return result


def record(title: str, command: str, ratios: list[Ratio]) -> None:
    """Append a table of ratios to RECORDS.md."""
    head = [
        "| first / second | median | quartiles | first, ms | second, ms |",
        "| --- | --- | --- | --- | --- |",
    ]
    append(title, command, [*head, *(one.row() for one in ratios)])


def append(title: str, command: str, table: list[str]) -> None:
    """Append a table's lines to RECORDS.md, with date, commit and machine."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    head = [
        f"\n## {title}\n",
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit or 'unknown'}, {processor()}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}; `{command}`\n",
    ]
    with RECORDS.open("a", encoding="utf-8") as file:
        file.write("\n".join([*head, *table]) + "\n")


def processor() -> str:
    """Name the processor, and the widest instructions that torch uses on it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()} ({torch.backends.cpu.get_cpu_capability()})"
    return platform.processor() or platform.machine()


def peak_memory() -> float:
    """Return this process's peak memory in MB; `getrusage` begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
