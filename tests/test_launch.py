"""The launch recipes: they parse, and each one's own torchrun line trains with two processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from samples import tiny_settings
from topklm.training import Run

LAUNCH = Path(__file__).parents[1] / "examples" / "launch"


def kubernetes() -> tuple[Any, Any]:
    service, job = yaml.safe_load_all((LAUNCH / "kubernetes.yaml").read_text())
    return service, job


def test_the_recipes_parse() -> None:
    _, job = kubernetes()
    container = job["spec"]["template"]["spec"]["containers"][0]
    for script in (LAUNCH / "one_node.sh", LAUNCH / "slurm.sbatch"):
        subprocess.run(["bash", "-n", str(script)], check=True)
    subprocess.run(["bash", "-n"], input=container["args"][0], text=True, check=True)


def test_pods_find_the_first_one_by_name() -> None:
    service, job = kubernetes()
    spec = job["spec"]["template"]["spec"]
    variables = {one["name"]: one["value"] for one in spec["containers"][0]["env"]}
    assert variables["FIRST"] == f"{job['metadata']['name']}-0.{service['metadata']['name']}"
    assert spec["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert int(variables["NODES"]) == job["spec"]["completions"] == job["spec"]["parallelism"]
    assert int(variables["PROCESSES"]) == spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["one_node", "slurm", "kubernetes"])
def test_a_recipe_trains_with_two_processes(recipe: str, text_file: Path, tmp_path: Path) -> None:
    asked, run = tmp_path / "settings.json", tmp_path / "run"
    asked.write_text(json.dumps(tiny_settings(text_file, tokens=4 * 256).as_json()))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PROCESSES": "2", "PORT": port}
    command = ["bash", str(LAUNCH / f"{recipe}.sh"), str(run), "--config", str(asked)]
    if recipe == "slurm":  # one machine, and Slurm's two programs in a word each
        for name, content in {"srun": '"$@"', "scontrol": "echo localhost"}.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{content}\n")
            (tmp_path / name).chmod(0o755)
        environment |= {"SLURM_NNODES": "1", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "localhost"}
        environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
        command[1] = str(LAUNCH / "slurm.sbatch")
    if recipe == "kubernetes":
        container = kubernetes()[1]["spec"]["template"]["spec"]["containers"][0]
        command = [*container["command"], container["args"][0]]
        environment |= {"NODES": "1", "JOB_COMPLETION_INDEX": "0", "FIRST": "localhost", "RUN": str(run)}
        environment["OPTIONS"] = f"--config {asked}"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert Run(run).finished
    assert Run(run).about["machine"]["processes"] == 2
