"""The explorer under load: fifty people read and steer for a minute; what they wait for, what it grows."""

import csv
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from topklm.index import build_index
from topklm.training import preset, train

CLIENTS, SECONDS = 50, 60
BAR = 500
"""Milliseconds that 99 of 100 readings may take."""
INDEXED = 200_000
PATIENCE = 120
"""Seconds until a server must answer."""
RUN = "TOPKLM_LOAD_RUN"
"""An environment variable: a run with an index, instead of one trained on the spot."""


def load() -> list[str]:
    """The explorer, 40 clients reading and 10 steering for 60 s; bar: p99 of reading 500 ms.

    Memory is looked at after 20 s of the same visits, so that what is opened once is open.
    """
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        run = Path(os.environ[RUN]) if RUN in os.environ else prepared(directory / "run")
        port = free_port()
        command = [sys.executable, "-m", "topklm", "explore", str(run), "--port", str(port), "--no-browser"]
        with (directory / "log").open("w") as log:
            server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        try:
            warm(port)
            visit(port, directory / "first", 20)
            before, used = memory(server.pid), cpu(server.pid)
            visit(port, directory / "visits", SECONDS)
            after, used = memory(server.pid), cpu(server.pid) - used
        finally:
            server.terminate()
            server.wait(30)
        rows = table(directory / "visits_stats.csv")
        mistakes = [line for line in (directory / "log").read_text().splitlines() if line[:6] != "texts:"]
        print("\n".join(mistakes[-40:]), flush=True)  # noqa: T201
    used_up = f"Server: {before:.0f} MB before, {after:.0f} MB after, {used:.0f} s of a processor."
    return [*rows, "", f"{used_up} Machine: {load_now()}."]


def prepared(path: Path) -> Path:
    """Train a model of the preset's size for a moment, and index it."""
    train(preset("tiny", data=["stories"], tokens=100_000, evaluations=1, trace_checkpoints=1), path)
    build_index(path, tokens=INDEXED)
    return path


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def warm(port: int) -> None:
    """Wait until the server answers, and ask once for all that is opened late: index, model, kernels."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        try:
            ask(port, "GET", "/")
            break
        except OSError:
            time.sleep(0.2)
    for _ in range(2):
        ask(port, "GET", "/neurons?q=dog")
        ask(port, "POST", "/api/v1/read", {"text": "Once upon a time."})
        steered = {"prompt": "Once upon", "edits": [{"feature": "L1/N3", "set_to": 2}]}
        ask(port, "POST", "/api/v1/steer", steered)


def ask(port: int, method: str, path: str, body: object = None) -> bytes:
    """Ask the server for something; an assertion fails where it does not give it."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    line.request(method, path, json.dumps(body) if body else None, {"content-type": "application/json"})
    answer = line.getresponse()
    content = answer.read()
    assert answer.status == 200, content[:200]
    return content


def visit(port: int, prefix: Path, seconds: int) -> None:
    """Send the clients; they live in a process of their own, since locust patches sockets."""
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("visitors.py"))]
    command += ["--headless", "--users", str(CLIENTS), "--spawn-rate", "10", "--run-time", f"{seconds}s"]
    command += [
        "--host",
        f"http://127.0.0.1:{port}",
        "--csv",
        str(prefix),
        "--only-summary",
        "--stop-timeout",
        "30",
    ]
    subprocess.run(command, check=False)  # failures make it end with 1; the table counts them


def table(path: Path) -> list[str]:
    """Read what locust measured."""
    rows = [
        "| | requests | failed | median, ms | p95, ms | p99, ms |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    with path.open() as file:
        for one in csv.DictReader(file):
            if one["Name"] != "Aggregated":
                numbers = (one[name] for name in ("Request Count", "Failure Count", "50%", "95%", "99%"))
                rows.append(f"| {one['Name']} | {' | '.join(numbers)} |")
    print("\n".join(rows), flush=True)  # noqa: T201
    return rows


def memory(process: int) -> float:
    """Return the resident memory of a process in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def cpu(process: int) -> float:
    """Return the processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load_now() -> str:
    """Say how busy the machine is: runnable processes of the last minute, and processors."""
    return f"{os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} processors"
