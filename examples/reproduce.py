"""Train a preset with its dense twin beside it, for one seed or more, and compare: `make reproduce`.

python examples/reproduce.py --seeds 1 [--scale small --data books.parquet] [options of topklm compare]

`tiny` learns the built-in stories, `small` text of yours. A run and its twin are trained at the same time, a
process each. Interrupted, the same command goes on. In the end it says which numbers left the interval that
they have in docs/results/comparison, where the same was measured before.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

TOPKLM = (sys.executable, "-m", "topklm")
RESULTS = Path(__file__).parent.parent / "docs" / "results" / "comparison"


def training(path: Path, options: Sequence[str]) -> list[str]:
    """Return the command that trains a run, or goes on with it; ends where it learns another text."""
    if (path / "train.json").is_file():
        there = json.loads((path / "train.json").read_text(encoding="utf-8"))["settings"]["data"]
        named = [options[place + 1] for place, one in enumerate(options) if one == "--data"]
        asked = [{one, os.path.abspath(one)} for one in named] or [{"stories"}]  # noqa: PTH100
        if len(there) != len(asked) or not all(one in known for one, known in zip(there, asked, strict=True)):
            sys.exit(f"{path} learns {', '.join(there)}; choose another directory with --out, or delete it")
        return [*TOPKLM, "train", "--resume", "--out", str(path)]
    return [*TOPKLM, "train", *options, "--out", str(path)]


def train_pair(path: Path, options: Sequence[str]) -> None:
    """Train a run and its twin side by side. Raises CalledProcessError where one fails."""
    commands = [training(path, options)]
    processes = [subprocess.Popen(commands[0])]
    while processes[0].poll() is None and not (path / "train.json").is_file():
        time.sleep(0.2)  # the twin lies in the run's directory, which has to be empty at first
    commands.append(training(path / "twin", [*options, "--dense"]))
    if processes[0].poll() in (None, 0):
        processes.append(subprocess.Popen(commands[1]))
    codes = [one.wait() for one in processes]
    for command, code in zip(commands, codes, strict=False):
        if code:
            raise subprocess.CalledProcessError(code, command)


def main() -> int:
    """Train and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=("tiny", "small"), default="tiny")
    parser.add_argument("--data", nargs="+", default=[], help="text to train on; default: the stories")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--threads", type=int, default=1, help="of each of the two trainings")
    options, further = parser.parse_known_args()
    if options.scale == "small" and not options.data:
        parser.error("--scale small needs --data: the text to train on")
    shared = ["--preset", options.scale, "--threads", str(options.threads)]
    shared += [part for one in options.data for part in ("--data", one)]
    runs = [options.out / f"{options.scale}-{seed}" for seed in range(options.seeds)]
    measured = RESULTS / f"{options.scale}.json"
    if measured.is_file():
        further += ["--earlier", str(measured)]
    try:
        for seed, path in enumerate(runs):
            train_pair(path, [*shared, "--seed", str(seed)])
        subprocess.run([*TOPKLM, "compare", *map(str, runs), *further], check=True)
    except subprocess.CalledProcessError as error:
        return error.returncode
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
