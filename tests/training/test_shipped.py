"""The demo's name stands for the model that ships, in a copy of each user's own."""

import json
import os
import shutil
from pathlib import Path

import pytest

from topklm import load
from topklm.cli.main import main
from topklm.core.errors import RunError
from topklm.explorer import Workspace
from topklm.index import build_index
from topklm.training import Run, shipped


@pytest.fixture(scope="module")
def packed(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an index and without code, as the demo is packed."""
    path = tmp_path_factory.mktemp("package") / "demo"
    ignored = shutil.ignore_patterns("*.py", "checkpoints", "data", "twin")
    shutil.copytree(trained.path, path, ignore=ignored)
    build_index(path, data=str(text_file), tokens=1000)
    return path


@pytest.fixture
def installed(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That run in the place of the demo, an empty cache, and an empty working directory."""
    monkeypatch.setattr(shipped, "PACKED", packed)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "cache" / "topklm"


def test_the_demo_loads_from_a_copy_that_is_made_once(installed: Path, packed: Path) -> None:
    before = sorted(path.name for path in packed.iterdir())
    model, _, run = load("demo")
    assert run.path.parent.parent == installed
    assert run.path.name == "demo"
    assert model.config.topk_layers
    (run.path / "notes.json").write_text("{}", encoding="utf-8")
    assert Run("demo").path == run.path
    assert (run.path / "notes.json").is_file()
    assert list(installed.iterdir()) == [run.path.parent]
    assert sorted(path.name for path in packed.iterdir()) == before


def test_the_copy_carries_the_code_that_a_run_carries(installed: Path, trained: Run) -> None:
    copy = Run("demo").path
    for source in trained.path.glob("*.py"):
        assert (copy / source.name).read_bytes() == source.read_bytes()


def test_a_new_demo_gets_a_copy_of_its_own(
    installed: Path, packed: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Run("demo").path
    shutil.copytree(packed, tmp_path / "newer")
    shutil.rmtree(tmp_path / "newer" / "index")
    build_index(tmp_path / "newer", data=str(text_file), tokens=500)
    monkeypatch.setattr(shipped, "PACKED", tmp_path / "newer")
    assert Run("demo").path != first
    assert len(list(installed.iterdir())) == 2


def test_what_lies_here_under_that_name_comes_first(installed: Path) -> None:
    Path("demo").mkdir()
    with pytest.raises(RunError, match=r"demo is no run"):
        Run("demo")
    assert not installed.exists()


def test_where_nothing_can_be_written_the_shipped_directory_is_read(
    installed: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert Run("demo").path == packed


def test_a_user_without_a_home_reads_the_shipped_directory(
    installed: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert Run("demo").path == packed


def test_a_copy_that_breaks_off_leaves_nothing(
    installed: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(shutil, "copyfile", full)
    assert Run("demo").path == packed
    assert list(installed.iterdir()) == []


def test_verbs_and_the_explorer_take_it_by_name(
    installed: Path, packed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["info", "demo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revision"] == Run(packed).revision
    assert main(["neurons", "demo", "--limit", "2"]) == 0
    capsys.readouterr()
    served: list[str] = []
    monkeypatch.setattr(
        "topklm.explorer.serve.serve", lambda workspace, **_: served.append(str(workspace.run.path))
    )
    assert main(["demo", "--no-browser"]) == 0
    assert served == [str(Run("demo").path)]
    assert Workspace("demo").sources == ["topk"]


def test_what_needs_a_text_asks_for_one(
    trained: Run,
    packed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A shipped run names the text that it learnt from by its last part alone."""
    path = tmp_path / "elsewhere"
    shutil.copytree(packed, path)
    about = json.loads((path / "train.json").read_text(encoding="utf-8"))
    about["settings"]["data"] = ["animals.txt"]
    (path / "train.json").write_text(json.dumps(about), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for verb in ("eval", "trace", "metrics"):
        assert main([verb, str(path)]) in (1, 2)
        last = capsys.readouterr().err.rstrip().rpartition("\n")[2]
        assert "name a text with --data" in last or "tracing checkpoints" in last, last
    shutil.rmtree(path / "index")
    assert main(["index", str(path)]) == 2
    assert "name a text with --data" in capsys.readouterr().err


def test_an_installation_without_it_says_so(
    installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "PACKED", tmp_path / "nothing")
    with pytest.raises(RunError, match="the demo is not in this installation"):
        load("demo")
    for command in (["info", "demo"], ["neurons", "demo"], ["demo", "--no-browser"]):
        assert main(command) in (1, 2)
        assert "the demo is not in this installation" in capsys.readouterr().err
