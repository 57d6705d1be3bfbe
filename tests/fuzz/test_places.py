"""Odd places and hostile disks: names, symlinks, read-only and full disks, two writers, a wrong clock."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from samples import tiny_settings
from topklm.cli.main import main
from topklm.core.files import locked
from topklm.training import Run

ODD = "a 'place' with spaces, ü, 🐕, $(x) & [b]*"
ROOT = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting a disk needs root")
LEXICON = "animals: [cat, dog, hen, fox, owl, cow]\n"


def writers(text: str) -> dict[str, list[str]]:
    """The verbs that write into a run, by what they make there."""
    words = str(Path(text).parent / "words.yaml")
    about = ["--data", text, "--tokens", "1500"]
    return {
        "index": ["index", "run", *about],
        "trace": ["trace", "run", *about],
        "metrics": ["metrics", "run", *about, "--lexicon", words],
        "comparison": ["compare", "run", *about, "--without", "saes,tasks,metrics,steering,tracing,twin"],
    }


READERS = (
    ["info", "run"],
    ["neurons", "run", "--limit", "2"],
    ["neuron", "run", "L0/N3"],
    ["read", "run", "The cat went."],
    ["generate", "run", "The cat", "--max-new-tokens", "2"],
)


@pytest.fixture
def text(text_file: Path, tmp_path: Path) -> str:
    """A text with a lexicon beside it."""
    shutil.copyfile(text_file, tmp_path / "text.txt")
    (tmp_path / "words.yaml").write_text(LEXICON)
    return str(tmp_path / "text.txt")


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What a verb said at last, on standard error."""
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.rstrip().rpartition("\n")[2]


@pytest.mark.slow
def test_the_whole_way_works_under_odd_names_and_through_a_symlink(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / ODD
    (place / "real").mkdir(parents=True)
    text = place / "ein Text.txt"
    shutil.copyfile(text_file, text)
    (place / "words.yaml").write_text(LEXICON)
    (place / "run").symlink_to(place / "real", target_is_directory=True)
    settings = {**tiny_settings(text).as_json(), "tokens": 2560}
    (place / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    monkeypatch.chdir(place)
    assert main(["train", "--config", "settings.json", "--out", "run"]) == 0, said(capsys)
    for command in [*writers(str(text)).values(), *READERS]:
        assert main(command) == 0, said(capsys)
    assert main(["export", "run", "--to", "neuronpedia", "--out", "neuron pedia"]) == 0, said(capsys)
    assert (place / "run").is_symlink()
    assert (place / "real" / "comparison" / "results.json").is_file()
    assert sorted(path.name for path in place.iterdir()) == sorted(
        ["ein Text.txt", "neuron pedia", "real", "run", "settings.json", "words.yaml"]
    )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A small disk of its own; called with mount options, it is mounted or mounted anew."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def mount(options: str) -> Path:
        nonlocal mounted
        how = f"remount,{options}" if mounted else options
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(place)], check=False)
        if done.returncode:
            pytest.skip("this machine does not let us mount a disk")
        mounted = True
        return place

    yield mount
    if mounted:
        os.chdir(tmp_path)
        subprocess.run(["umount", str(place)], check=True)


def on_it(disk: Callable[[str], Path], run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a copy of a run on a disk with room, and go there."""
    place = disk("size=200m")
    shutil.copytree(run.path, place / "run")
    monkeypatch.chdir(place)
    return place


@pytest.mark.slow
@ROOT
def test_on_a_read_only_disk_readers_read_and_writers_say_so(
    trained: Run,
    text: str,
    disk: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    on_it(disk, trained, monkeypatch)
    assert main(writers(text)["index"]) == 0
    disk("ro")
    for command in READERS:
        assert main(command) == 0, said(capsys)
    capsys.readouterr()
    for command in [*writers(text).values(), ["train", "--data", text, "--out", "new"]]:
        assert main(command) == 2, command
        assert "read-only file system" in said(capsys).lower()


@pytest.mark.slow
@ROOT
@pytest.mark.parametrize("name", ["index", "trace", "metrics", "comparison"])
def test_a_disk_that_fills_up_is_one_line_and_the_same_command_goes_on(
    name: str,
    trained: Run,
    text: str,
    disk: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = on_it(disk, trained, monkeypatch)
    filled = os.statvfs(place)
    disk(f"size={(filled.f_blocks - filled.f_bfree) * filled.f_frsize // 1024 + 24}k")
    code = main(writers(text)[name])
    assert code == 2
    assert "no space left" in said(capsys).lower()
    disk("size=200m")
    assert main(writers(text)[name]) == 0, said(capsys)
    left = [path for path in (place / "run").rglob("*") if path.name.startswith(".partial")]
    assert left == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["index", "trace", "metrics", "comparison"])
def test_a_second_writer_is_refused_at_once(
    name: str,
    trained: Run,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(trained.path, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "topklm", *writers(text)[name]]
    place = tmp_path / "run" / name
    place.mkdir()
    with locked(place):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert "another" in done.stderr.splitlines()[-1]


def test_a_clock_that_jumps_makes_no_index_stale(
    trained: Run,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(trained.path, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert main(writers(text)["index"]) == 0
    for when in (0.0, time.time() + 10**7):
        for file in (tmp_path / "run" / "model.safetensors", tmp_path / "run" / "index" / "index.json"):
            os.utime(file, (when, when))
            assert main(["neurons", "run", "--limit", "1"]) == 0, said(capsys)
