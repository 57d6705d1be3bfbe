"""The command line as a contract: exit codes, one line for a mistake, JSON for results."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands import as_json, printed
from samples import sentences, tiny_settings
from topklm.cli.main import main
from topklm.core.errors import InputError
from topklm.data.corpus import is_held_out
from topklm.training import PRESETS, Run, TrainSettings
from topklm.training import train as train_run

COMMAND = [sys.executable, "-m", "topklm"]
VERBS = (
    "quickstart",
    "stories",
    "train",
    "generate",
    "eval",
    "index",
    "neurons",
    "neuron",
    "read",
    "export",
    "info",
)


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must end with exit code 2, nothing on standard output, and give its line."""
    capsys.readouterr()
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    line = captured.err.splitlines()[-1]
    assert line.startswith("topklm: ")
    assert "Traceback" not in captured.err
    return line


def test_help_names_every_verb_and_each_has_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for verb in VERBS:
        assert verb in text
        assert main([verb, "--help"]) == 0
        assert "--help" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    import topklm

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == topklm.__version__


def test_train_then_read_everything_as_json(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "settings.json"
    config.write_text(json.dumps(tiny_settings(text_file).as_json()))
    run = str(tmp_path / "run with spaces é")
    assert main(["train", "--config", str(config), "--out", run, "--tokens", "2560", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["format"], result["n_tokens"], result["seeds"]) == ("topklm.train/1", 2560, [0])
    assert Run(run).settings.tokens == 2560

    assert main(["info", run, "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["finished"], info["steps"], info["topk"]["layers"]) == (True, 10, [0, 1])

    assert main(["generate", run, "The cat", "--max-new-tokens", "5", "--seed", "3", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert (written["prompt"], written["seeds"], written["revision"]) == ("The cat", [3], info["revision"])
    assert main(["generate", run, "The cat", "--max-new-tokens", "5", "--seed", "3"]) == 0
    assert capsys.readouterr().out == "The cat" + written["text"] + "\n"

    assert main(["eval", run, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    for name in ("loss", "perplexity", "bits_per_byte"):
        assert result[name]["low"] <= result[name]["value"] <= result[name]["high"]
    assert result["n_tokens"] == Run(run).about["corpus"]["validation"]["tokens"] - 1

    assert main(["eval", run, "--data", str(text_file), "--compare", run, "--json"]) == 0
    same = json.loads(capsys.readouterr().out)
    assert same["compare"]["bits_per_byte_difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_loss_on_text_that_was_trained_on_is_not_called_held_out(
    trained: Run, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = str(trained.path), tmp_path / "other.txt"
    other.write_text("\n".join(sentences(3)))
    near = text_file.parent / ".." / text_file.parent.name / text_file.name  # the same file by another path
    for data, held_out in (
        ([], True),
        (["--data", str(other)], True),
        (["--data", str(text_file)], False),
        (["--data", str(near)], False),
    ):
        assert main(["eval", run, *data, "--json"]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["held_out"] is held_out
        assert ("was trained on" in said.err) is not held_out


def test_info_and_eval_read_well(trained: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(trained.path)]) == 0
    assert "k 8, by value, layers 0 1, width 32" in capsys.readouterr().out
    assert main(["eval", str(trained.path), "--compare", str(trained.path)]) == 0
    out = capsys.readouterr().out
    assert "bits per byte" in out
    assert "difference, first minus second: 0.0000" in out


def test_quickstart_ends_with_text_cards_and_what_to_try_next(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PRESETS, "tiny", lambda: tiny_settings(text_file))
    for _ in range(2):  # the second time it finds the run finished
        assert main(["quickstart", "--out", str(tmp_path / "run")]) == 0
        out = capsys.readouterr().out
        assert "What it writes" in out
        assert out.count("\nL1/N") == out.count("\nExamples, strongest first") == 3
        assert "Next: topklm neuron" in out
    assert main(["quickstart", "--out", str(tmp_path / "run"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["texts"]) == 2
    shares = [card["top_tokens"][0]["share"] for card in shown["cards"]]
    assert shares == sorted(shares, reverse=True)
    assert len({card["feature"] for card in shown["cards"]}) == 3


def test_quickstart_in_a_dense_run_says_so(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_run(tiny_settings(text_file, dense=True, tokens=1024), tmp_path / "run")
    assert "holds a dense run" in fails(["quickstart", "--out", str(tmp_path / "run")], capsys)


def test_without_a_verb_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "quickstart" in capsys.readouterr().out


def test_stories_are_told_shown_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stories", "--n", "2", "--seed", "5"]) == 0
    plain = capsys.readouterr().out
    assert main(["stories", "--n", "2", "--seed", "5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["stories"]
    assert plain == "\n\n".join(story["text"] for story in told) + "\n"
    span = told[0]["spans"][0]
    assert main(["stories", "--n", "1", "--seed", "5", "--show-labels"]) == 0
    shown = capsys.readouterr().out
    assert told[0]["text"] in shown
    assert f"{span['concept']}: " in shown
    path = tmp_path / "stories.parquet"
    assert main(["stories", "--n", "3", "--out", str(path)]) == 0
    assert pq.read_table(path).num_rows == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--n", "0"], "choose 1 or more"),
        (["--seed", "-1"], "choose 0 to 2**64 - 1"),
        (["--seed", str(10**23)], "choose 0 to 2**64 - 1"),
        (["--out", "a.txt"], "name a .parquet file"),
        (["--out", "/no/where/a.parquet"], "there is no directory /no/where"),
        (["--out", "a.parquet", "--json"], "leave out --json"),
        (["--out", "a.parquet", "--show-labels"], "leave out --json"),
    ],
)
def test_bad_story_options_are_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in fails(["stories", *options], capsys)


def train(*options: str, out: Path, data: Path) -> list[str]:
    return ["train", "--data", str(data), "--out", str(out / "run"), *options]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--k", "600"], "topk_k=600 does not fit width 512; choose 1..512"),
        (["--k", "0"], "k=0 is not allowed"),
        (["--topk-layers", "0,9"], "topk_layers=[0, 9] must be ascending, without repeats, within 0..3"),
        (["--topk-layers", "one"], "'one' is no list of layers"),
        (["--n-nontopk", "4"], "n_nontopk=4 leaves no TopK layer among 4"),
        (["--n-nontopk", "1", "--topk-layers", "0"], "not both"),
        (["--preset", "huge"], "unknown preset 'huge'; choose one of tiny, small, base, large"),
        (["--topk-by", "size"], "topk_by='size' is unknown"),
        (["--tokens", "many"], "'many' is no whole number"),
        (["--lr", "fast"], "'fast' is no number"),
        (["--tokenizer", "bpe:5"], "at least 300"),
        (["--tokenizer", "/nowhere"], "tokenizer '/nowhere' cannot be loaded"),
        (["--config", "/nowhere.json"], "/nowhere.json does not exist"),
        (["--config", "/nowhere.json", "--preset", "tiny"], "not both"),
        (["--validation", "missing.txt"], "'missing.txt'"),
        (["--batch-tokens", "100"], "no multiple of context"),
        (["--unknown"], "--unknown"),
        (["--aux-k", "4"], "--aux-k does nothing without --aux-loss"),
        (["--lift-fade", "0.5"], "--lift-fade does nothing without --lift"),
        (["--config", "demo", "--width", "3"], "width"),
        (["--dense", "--lift", "0.1"], "--lift is for TopK layers, which --dense has not"),
        (["--dead-after", "9"], "--dead-after does nothing without"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_nothing_behind(
    options: list[str], message: str, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in fails(train(*options, out=tmp_path, data=text_file), capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b"", "is empty"),
        ("blank.jsonl", b'{"text": "  "}\n', "is empty"),
        ("latin.txt", "café".encode("latin-1"), "is not UTF-8"),
        ("bad.jsonl", b'{"text": "a"}\n{', "line 2: not valid JSON"),
        ("short.txt", b"Too short.", "less than one block|too small"),
        ("missing.txt", None, "there is no file or corpus"),
        ("table.csv", b"text", "no known ending"),
    ],
)
def test_a_bad_corpus_is_one_line(
    name: str, content: bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    line = fails(train(out=tmp_path, data=tmp_path / name), capsys)
    assert any(part in line for part in message.split("|"))


def test_a_corpus_of_which_all_is_held_out_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = next(one for n in range(10_000) if is_held_out(one := f"Anna has {n} cats. " * 50))
    (tmp_path / "one.jsonl").write_text(json.dumps({"text": text}) + "\n")
    line = fails(train(out=tmp_path, data=tmp_path / "one.jsonl"), capsys)
    assert "every document fell into the 2 % held out" in line


def test_another_text_than_the_settings_file_names_has_its_own_held_out_part(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[TrainSettings] = []

    def taking(settings: TrainSettings, *_: object, **__: object) -> None:
        taken.append(settings)
        raise InputError("enough")

    monkeypatch.setattr("topklm.training.train", taking)
    config = tmp_path / "settings.json"
    config.write_text(json.dumps(tiny_settings(text_file, validation=["held.txt"]).as_json()))
    for given in ([], ["--data", "other.txt"], ["--data", "other.txt", "--validation", "its.txt"]):
        assert main(["train", "--config", str(config), "--out", str(tmp_path / "run"), *given]) == 2
    assert [one.validation for one in taken] == [["held.txt"], None, ["its.txt"]]


def test_a_link_of_a_cache_to_a_file_without_an_ending_is_text(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blob, link, config = tmp_path / "0a1b", tmp_path / "books.txt", tmp_path / "settings.json"
    shutil.copyfile(text_file, blob)
    link.symlink_to(blob)
    config.write_text(json.dumps(tiny_settings(link, tokens=256).as_json()))
    printed(capsys, "train", "--config", str(config), "--out", str(tmp_path / "run"))
    assert Run(tmp_path / "run").settings.data == [str(link)]


@pytest.mark.parametrize("spec", ["stories:99999999999999999999", "stories:" + "9" * 5000])
def test_a_seed_of_stories_out_of_range_is_one_line(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "stories:999" in fails(["train", "--data", spec, "--out", str(tmp_path / "run")], capsys)
    assert not (tmp_path / "run").exists()


def test_no_topk_layer_at_all_is_refused_before_training(text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leaves no TopK layer"):
        tiny_settings(text_file, topk_layers=[])


def test_parquet_without_text_says_its_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"body": ["x"], "title": ["y"]}), tmp_path / "a.parquet")
    assert "it has body, title" in fails(train(out=tmp_path, data=tmp_path / "a.parquet"), capsys)


def test_a_taken_or_missing_directory_is_one_line(
    trained: Run, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").touch()
    assert "exists already" in fails(train(out=tmp_path, data=text_file), capsys)
    arguments = ["train", "--data", str(text_file), "--out", str(trained.path)]
    assert "--resume" in fails(arguments, capsys)
    for verb in (
        ["generate", "{}", "x"],
        ["eval", "{}"],
        ["info", "{}"],
        ["train", "--resume", "--out", "{}"],
    ):
        for path, message in (("nowhere", "there is no run"), (str(tmp_path), "is no run")):
            assert message in fails([part.format(path) for part in verb], capsys)
    assert "leave out k" in fails(["train", "--resume", "--k", "4", "--out", str(trained.path)], capsys)


def test_a_bad_prompt_or_text_is_one_line(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(trained.path)
    line = fails(["generate", run, "The cat went. " * 30], capsys)
    assert "the model's context is 32" in line
    assert "temperature" in fails(["generate", run, "x", "--temperature", "nan"], capsys)
    assert "max_new_tokens=0" in fails(["generate", run, "x", "--max-new-tokens", "0"], capsys)
    (tmp_path / "empty.txt").touch()
    assert "is empty" in fails(["eval", run, "--data", str(tmp_path / "empty.txt")], capsys)
    assert "there is no run" in fails(["eval", run, "--compare", str(tmp_path / "no")], capsys)
    assert "not valid UTF-8" in fails(["generate", run, "caf\udce9"], capsys)


def test_a_place_that_cannot_be_written_is_one_line(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for out in (text_file / "below", tmp_path / "link", Path("/proc/none"), tmp_path / ("x" * 300)):
        fails(["train", "--data", str(text_file), "--out", str(out)], capsys)


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def running(text_file: Path, tmp_path: Path) -> "tuple[subprocess.Popen[str], Path]":
    """A training in another process that would take long, past its first steps."""
    config = tmp_path / "settings.json"
    config.write_text(json.dumps(tiny_settings(text_file, tokens=100_000 * 256).as_json()))
    path = tmp_path / "run"
    process = start("train", "--config", str(config), "--out", str(path))
    for _ in range(1200):
        if (path / "checkpoints" / "trace-2").exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    return process, path


def test_a_run_that_lacks_what_is_told_of_it_is_shown_all_the_same(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shutil.copytree(trained.path, tmp_path / "run")
    (path / "metrics.jsonl").unlink()
    assert "done: " in printed(capsys, "train", "--resume", "--out", str(path))
    (path / "train.json").write_text(json.dumps({**trained.about, "corpus": []}))
    assert as_json(capsys, "info", str(path))["packed_tokens"] == {}
    (path / "train.json").write_text(json.dumps({**trained.about, "corpus": {"train": {}, "validation": 3}}))
    assert as_json(capsys, "info", str(path))["packed_tokens"] == {"train": None}


def test_a_busy_run_is_refused_and_ctrl_c_says_how_to_resume(
    running: "tuple[subprocess.Popen[str], Path]", capsys: pytest.CaptureFixture[str]
) -> None:
    process, path = running
    assert "another process is writing" in fails(["train", "--resume", "--out", str(path)], capsys)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"go on with: topklm train --resume --out {path}" in errors
    assert "Traceback" not in errors
    assert Run(path).checkpoints("full")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_line_and_loses_nothing(text_file: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let us mount a small disk")
    config = tmp_path / "settings.json"
    config.write_text(json.dumps(tiny_settings(text_file, width=128).as_json()))
    try:
        process = start("train", "--config", str(config), "--out", str(disk / "run"))
        _, errors = process.communicate()
        assert process.returncode == 2, errors
        assert "no space left on the disk" in errors.splitlines()[-1]
        assert "Traceback" not in errors
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        ended = subprocess.run([*COMMAND, "train", "--resume", "--out", str(disk / "run")], check=False)
        assert ended.returncode == 0
        assert Run(disk / "run").finished
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_reader_that_stops_reading_is_no_error(trained: Run) -> None:
    command = [*COMMAND, "info", str(trained.path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_the_tests_text_is_different_each_time() -> None:
    assert len(set(sentences(400))) == 400
