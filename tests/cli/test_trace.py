"""The verb trace: what it prints parses and reads, mistakes are one line."""

import json
import shutil
from pathlib import Path

import pytest

from commands import as_json, printed
from topklm.cli.main import main
from topklm.training import Run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run without a twin, traced by the verb itself."""
    path = tmp_path_factory.mktemp("trace") / "Tiny run"
    shutil.copytree(trained.path, path)
    assert main(["trace", str(path), "--data", str(text_file), "--tokens", "2000"]) == 0
    return str(path)


def test_the_whole_trace_is_what_the_file_holds(run: str, capsys: Capture) -> None:
    found = as_json(capsys, "trace", run)
    assert found == json.loads((Path(run) / "trace" / "trace.json").read_text())
    assert found["checkpoints"] == [0, 1, 2, 4, 8, 10, 20, 30, 40]
    assert set(found["left_out"]) == {"dense", "posthoc"}
    out = printed(capsys, "trace", run)
    assert "initialisation (first against last)" in out
    assert out.count("left out:") == 2


def test_the_whole_trace_is_drawn_and_one_life_where_it_is_asked(
    run: str, capsys: Capture, tmp_path: Path
) -> None:
    printed(capsys, "trace", run)
    drawn = {path.name for path in (Path(run) / "trace").iterdir() if path.suffix in (".png", ".svg")}
    names = ("emergence", "stability", "layers", "concepts")
    assert drawn == {f"{name}.{ending}" for name in names for ending in ("png", "svg")}
    printed(capsys, "trace", run, "L1/N3", "--figure", str(tmp_path / "life.svg"))
    assert "L1/N3" in (tmp_path / "life.svg").read_text()


def test_one_life_and_the_carriers_of_a_concept(run: str, capsys: Capture) -> None:
    life = as_json(capsys, "trace", run, "L1/N3")
    assert (life["format"], life["feature"]) == ("topklm.life/1", "L1/N3")
    assert [one["step"] for one in life["moments"]] == life["checkpoints"]
    out = printed(capsys, "trace", run, "L1/N3").splitlines()
    assert out[0].startswith("L1/N3 of topk: ")
    assert len([line for line in out if line.split()[:1] and line.split()[0].isdigit()]) == 9
    carriers = as_json(capsys, "trace", run, "--concept", "capital")
    assert carriers["format"] == "topklm.carriers/1"
    assert all(row["best"] >= 0.5 for row in carriers["features"])
    assert printed(capsys, "trace", run, "--concept", "capital").startswith("capital: ")


def test_showing_one_life_changes_nothing(run: str, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(run, path)
    shutil.rmtree(path / "checkpoints")  # not needed any more
    before = (path / "trace" / "trace.json").read_bytes()
    assert as_json(capsys, "trace", str(path), "L1/N3")["feature"] == "L1/N3"
    assert as_json(capsys, "trace", str(path), "--concept", "capital")["concept"] == "capital"
    assert (path / "trace" / "trace.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["L1/N3", "--concept", "capital"], "not both"),
        (["L9/N3"], "there is no L9/N3"),
        (["banana"], "is no feature"),
        (["--concept", "wombat"], "there is no concept"),
        (["--tokens", "50"], "holds a trace with tokens=2000"),
        (["L1/N3", "--source", "dense"], "no source 'dense'"),
        (["--source", "dense"], "name a neuron, or --concept"),
        (["--twin", "nowhere"], "no dense twin in nowhere"),
        (["--figure", "life.png"], "name a neuron"),
        (["L1/N3", "--figure", "life.pdf"], ".png or .svg"),
        (["L1/N3", "--figure", "nowhere/life.png"], "make it first"),
        (["--other", "nowhere"], "there is no run nowhere"),
    ],
)
def test_mistakes_are_one_line(run: str, capsys: Capture, arguments: list[str], message: str) -> None:
    capsys.readouterr()
    assert main(["trace", run, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err.splitlines()[-1]
