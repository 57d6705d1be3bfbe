"""A job of several processes, as torchrun starts them, that notes what it reads and can be made to stop.

    torchrun --nproc_per_node 2 tests/jobs.py DIRECTORY WHAT TOPKLM-ARGUMENTS...

WHAT is a JSON object: `kill`, `stop` or `freeze`, a pair of rank and step after which that process kills,
terminates or halts itself; `hub`, a directory of Parquet shards that stands for any dataset of the hub. Each
process notes the blocks that it trains on in DIRECTORY/seen-RANK.txt.
"""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGTERM, "freeze": signal.SIGSTOP}


def torchrun(*arguments: str, processes: int = 2, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run a script or module in several processes on this machine, on a port that is free."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )


def job(directory: Path, *arguments: str, timeout: float = 600, **what: Any) -> Any:
    """Run this file in two processes."""
    return torchrun(__file__, str(directory), json.dumps(what), *arguments, timeout=timeout)


def main(directory: str, what: str, *arguments: str) -> int:
    """Be one of the processes."""
    from topklm.cli.main import main as command
    from topklm.training.callbacks import Pace
    from topklm.training.trainer import TopKTrainer

    rank, asked = int(os.environ["RANK"]), json.loads(what)
    if "hub" in asked:
        import datasets

        shards = sorted(map(str, Path(asked["hub"]).glob("*.parquet")))
        streamed = partial(datasets.load_dataset, "parquet", data_files=shards, split="train", streaming=True)
        datasets.load_dataset = lambda *_, **__: streamed()
    step_of, end_of_step = TopKTrainer.training_step, Pace.on_step_end
    with Path(directory, f"seen-{rank}.txt").open("a") as seen:

        def training_step(self: Any, model: Any, inputs: Any, *rest: Any) -> Any:
            for row in inputs["input_ids"].tolist():
                seen.write(f"{self.state.global_step} {' '.join(map(str, row))}\n")
            return step_of(self, model, inputs, *rest)

        def on_step_end(self: Any, arguments: Any, state: Any, control: Any, **kwargs: Any) -> None:
            for name, number in SIGNALS.items():
                if asked.get(name) == [rank, state.global_step]:
                    os.kill(os.getpid(), number)
            end_of_step(self, arguments, state, control, **kwargs)

        TopKTrainer.training_step = training_step  # type: ignore[method-assign]
        Pace.on_step_end = on_step_end  # type: ignore[method-assign]
        return command(arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
