"""`topklm index` as a contract: exit codes, one line for a mistake, JSON, going on after Ctrl-C."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from topklm.cli.main import main
from topklm.index import FeatureIndex
from topklm.training import Run

COMMAND = [sys.executable, "-m", "topklm"]


def test_index_says_what_it_made_and_gives_it_as_json(
    trained: Run, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "an index"
    arguments = ["index", str(trained.path), "--data", str(text_file), "--tokens", "1_000", "--no-effects"]
    arguments += ["--sample", "0.5", "--out", str(out)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert f"{out}: 1,0" in shown
    assert "layer 1: 32 neurons, " in shown
    assert main([*arguments, "--json"]) == 0  # it is there already
    captured = capsys.readouterr()
    assert "nothing to do" in captured.err
    content = json.loads(captured.out)
    assert (content["format"], content["run"], content["seeds"]) == ("topklm.index/1", str(trained.path), [0])
    assert content["revision"] == trained.revision == FeatureIndex.open(out).revision
    assert 0 < content["sample"]["firings"] < content["firings"] == content["n_tokens"] * 16


def test_shares_of_an_index_are_made_apart_and_joined(
    trained: Run, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["index", str(trained.path), "--data", str(text_file), "--tokens", "500", "--no-effects"]
    arguments += ["--out", str(tmp_path / "index")]
    assert main([*arguments, "--shard", "1/2"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the same command without --shard joins them" in captured.err
    assert main(arguments) == 0
    assert FeatureIndex.open(tmp_path / "index").n_tokens >= 500


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tokens", "none"], "'none' is no whole number"),
        (["--sample", "2"], "sample=2.0 is not allowed"),
        (["--shard", "half"], "'half' is no share; write it as 1/4"),
        (["--shard", "3/2"], "shard 3/2 is not allowed"),
        (["--source", "gpt"], "there is no source 'gpt'; choose one of topk, dense"),
        (["--source", "dense"], "needs the dense twin"),
        (["--data", "nowhere.txt"], "there is no file or corpus 'nowhere.txt'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["index", str(trained.path), "--out", str(tmp_path / "index"), *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("topklm: ")
    assert message in captured.err.splitlines()[-1]
    assert not (tmp_path / "index").exists()


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(
    trained: Run, text_file: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained.path, tmp_path / "run")
    out = run / "index"
    arguments = ["index", str(run), "--data", *["stories:3"], "--tokens", "200000", "--no-effects"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # a shell's background jobs, and what they start, are made to ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not (out / ".work" / "plan.json").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert "goes on from there" in said
    assert "Traceback" not in said
    assert not (out / "index.json").exists()
    assert subprocess.run([*COMMAND, *arguments], env=environment, check=False).returncode == 0
    assert FeatureIndex.open(out, verify=True).n_tokens >= 200_000
