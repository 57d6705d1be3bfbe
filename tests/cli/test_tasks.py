"""`topklm eval` with tasks, on the command line."""

import json
import sys
from pathlib import Path

import pytest

from topklm.cli.main import main
from topklm.training import Run


def test_scores_and_differences_are_printed_as_json(trained: Run, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["eval", str(trained.path), "--tasks", "stories_tense", "--limit", "4", "--json"]
    assert main([*arguments, "--compare", str(trained.path)]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["format"] == "topklm.scores/1"
    assert content["revision"] == trained.revision
    task = content["tasks"]["stories_tense"]
    assert (task["n_items"], task["chance"]) == (4, 0.5)
    accuracy = task["metrics"]["acc"]
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    gap = content["compare"]["difference"]["stories_tense"]["acc"]
    assert gap == {"value": 0.0, "stderr": 0.0, "paired": True}


def test_tasks_are_written_for_plain_lm_eval(
    tmp_path: Path, text_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "--write-tasks", str(tmp_path / "tasks")]) == 0
    assert "stories_senses" in capsys.readouterr().out
    assert (tmp_path / "tasks" / "stories.yaml").is_file()
    assert len((tmp_path / "tasks" / "stories_tense.jsonl").read_text().splitlines()) == 500


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # lm-eval reads all of its thousands of task files to know what is near
        pytest.param(["--tasks", "stories_tens"], "nearest: stories_tense", marks=pytest.mark.slow),
        (["--tasks", "last_word"], "needs a text"),
        (["--tasks", ","], "names no task"),
        (["--tasks", "stories", "--limit", "0"], "--limit 0"),
        (["--tasks", "stories", "--data", "stories"], "last_word"),
        (["--limit", "3"], "--tasks"),
        (["--tasks", "stories_tense", "--compare", "twin"], "dense twin"),
        (["--write-tasks", "x"], "--write-tasks goes"),
    ],
)
def test_a_mistake_is_one_line(
    options: list[str], expected: str, trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", str(trained.path), *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    line = captured.err.splitlines()[-1]
    assert line.startswith("topklm: ")
    assert expected in line


def test_without_lm_eval_the_extra_is_named(
    trained: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    assert main(["eval", str(trained.path), "--tasks", "stories"]) == 2
    assert "pip install 'topklm[eval]'" in capsys.readouterr().err
