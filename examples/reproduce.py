"""Train `tiny` with its dense twin beside it, for one seed or more, and compare: `make reproduce`.

python examples/reproduce.py --seeds 1 --out runs/reproduce [--threads 1] [options of topklm compare]

A run and its twin are trained at the same time, a process each. Interrupted, the same command goes on.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

TOPKLM = (sys.executable, "-m", "topklm")


def training(path: Path, seed: int, *, dense: bool, threads: int) -> list[str]:
    """Return the command that trains a run, or goes on with it."""
    if (path / "train.json").is_file():
        return [*TOPKLM, "train", "--resume", "--out", str(path)]
    kind = ["--dense"] if dense else []
    numbers = ["--seed", str(seed), "--threads", str(threads)]
    return [*TOPKLM, "train", "--preset", "tiny", *numbers, *kind, "--out", str(path)]


def train_pair(path: Path, seed: int, *, threads: int) -> None:
    """Train a run and its twin side by side. Raises CalledProcessError where one fails."""
    commands = [training(path, seed, dense=False, threads=threads)]
    processes = [subprocess.Popen(commands[0])]
    while processes[0].poll() is None and not (path / "train.json").is_file():
        time.sleep(0.2)  # the twin lies in the run's directory, which has to be empty at first
    commands.append(training(path / "twin", seed, dense=True, threads=threads))
    if processes[0].poll() in (None, 0):
        processes.append(subprocess.Popen(commands[1]))
    codes = [one.wait() for one in processes]
    for command, code in zip(commands, codes, strict=False):
        if code:
            raise subprocess.CalledProcessError(code, command)


def main() -> int:
    """Train and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--threads", type=int, default=1, help="of each of the two trainings")
    options, further = parser.parse_known_args()
    runs = [options.out / f"tiny-{seed}" for seed in range(options.seeds)]
    try:
        for seed, path in enumerate(runs):
            train_pair(path, seed, threads=options.threads)
        subprocess.run([*TOPKLM, "compare", *map(str, runs), *further], check=True)
    except subprocess.CalledProcessError as error:
        return error.returncode
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
