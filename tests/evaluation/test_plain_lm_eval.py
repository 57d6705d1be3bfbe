"""Plain lm-eval reads a run and our tasks where topklm is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from topklm.evaluation.task_files import write_story_tasks
from topklm.training import Run

# An import hook stands before all else in the child: topklm is not there, whatever the environment holds.
SCRIPT = """
import importlib, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "topklm":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
try:
    importlib.import_module("topklm")
except ModuleNotFoundError:
    print("topklm is not importable")
from lm_eval.__main__ import cli_evaluate
sys.argv[0] = "lm_eval"
cli_evaluate()
assert "topklm" not in sys.modules
"""


@pytest.mark.slow
def test_plain_lm_eval_needs_no_topklm(tmp_path: Path, trained: Run) -> None:
    write_story_tasks(tmp_path / "tasks", items=4, surface=False)
    arguments = ["--model", "hf", "--model_args", f"pretrained={trained.path},trust_remote_code=True"]
    arguments += ["--include_path", str(tmp_path / "tasks"), "--tasks", "stories_tense,stories_people"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments, "--device", "cpu"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("topklm is not importable")
    assert "|stories_tense" in done.stdout
    assert "Traceback" not in done.stderr
