"""The verbs that ask an index, and the one that reads a text: what they print parses, mistakes are a line."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest

from commands import printed
from topklm.cli.export import default_name
from topklm.cli.main import main
from topklm.core.errors import InputError, RunError
from topklm.core.files import damage
from topklm.explorer.workspace import Missing, Workspace
from topklm.export.tools import new_directory
from topklm.index import FeatureIndex, build_index
from topklm.index.notes import Notes
from topklm.training import Run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run with an index."""
    path = tmp_path_factory.mktemp("indexed") / "Tiny run"
    shutil.copytree(trained.path, path)
    build_index(path)
    return str(path)


@pytest.fixture(scope="module")
def index(run: str) -> FeatureIndex:
    return FeatureIndex.open(Path(run) / "index")


def fails(capsys: Capture, *arguments: str) -> str:
    """The one line of a command that must fail for bad input."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1]


def from_csv(text: str) -> list[dict[str, object]]:
    """Read rows as a CSV holds them, numbers as numbers, nothing as None."""
    rows: list[dict[str, object]] = []
    for row in csv.DictReader(io.StringIO(text, newline="")):
        rows.append({})
        for name, value in row.items():
            if name in ("neuron", "status", "top_token"):
                rows[-1][name] = value or None
            else:
                rows[-1][name] = json.loads(value) if value else None
    return rows


def test_json_and_csv_hold_the_same_rows_all_of_them(run: str, index: FeatureIndex, capsys: Capture) -> None:
    result = json.loads(printed(capsys, "neurons", run, "--json"))
    assert (result["format"], result["revision"]) == ("topklm.neurons/1", index.revision)
    assert len(result["neurons"]) == index.count() == 64
    assert from_csv(printed(capsys, "neurons", run, "--csv")) == result["neurons"]
    by_name = {row["feature"]: row for row in index.features()}
    for row in result["neurons"]:
        expected = by_name[row["neuron"]]
        assert (row["density"], row["firings"], row["maximum"]) == tuple(
            expected[name] for name in ("density", "firings", "maximum")
        )
        assert sum(one["share"] for one in row["top_tokens"]) <= 1 + 1e-9


def test_rows_are_sorted_and_chosen_as_asked(run: str, index: FeatureIndex, capsys: Capture) -> None:
    def rows(*options: str) -> list[dict[str, float]]:
        found: list[dict[str, float]] = json.loads(printed(capsys, "neurons", run, "--json", *options))[
            "neurons"
        ]
        return found

    densities = [row["density"] for row in rows()]
    assert densities == sorted(densities, reverse=True)
    assert [row["index"] for row in rows("--sort", "index", "--layer", "1")] == list(range(32))
    assert {row["layer"] for row in rows("--layer", "0", "--layer", "1")} == {0, 1}
    either = rows("--where", "density > 0.5 or density < 0.01", "--layer", "0")
    assert either
    assert all(row["layer"] == 0 and not 0.01 <= row["density"] <= 0.5 for row in either)
    assert len(rows("--limit", "3")) == 3
    found = rows("--search", "fox")
    scores = [row["score"] for row in found]
    assert scores == sorted(scores, reverse=True)
    assert found[0]["neuron"] == index.search("fox").hits[0].feature
    assert rows("--search", "fox", "--where", "density > 2") == []


def test_the_table_says_how_many_there_are(run: str, capsys: Capture) -> None:
    lines = printed(capsys, "neurons", run).splitlines()
    assert len(lines) == 21
    assert lines[0].startswith("feature")
    assert main(["neurons", run, "--search", "stones", "--limit", "1"]) == 0
    captured = capsys.readouterr()
    assert "on words" in captured.out
    assert "'stones' occurs" in captured.err
    assert "--limit N shows more" in captured.err
    assert main(["neurons", run, "--where", "density > 2"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "no neuron meets all of that\n")


def test_a_card_is_shown_written_and_given_as_json(
    run: str, index: FeatureIndex, tmp_path: Path, capsys: Capture
) -> None:
    name = index.features(sort="-firings", limit=1)[0]["feature"]
    shown = printed(capsys, "neuron", run, name)
    assert shown.startswith(f"{name}   live")
    assert "[" in shown.split("Examples")[1]
    short = printed(capsys, "neuron", run, name, "--examples", "0")
    assert "Examples" not in short
    page = tmp_path / "card.html"
    assert printed(capsys, "neuron", run, name, "--html", str(page)) == ""
    assert printed(capsys, "neuron", run, name, "--html", str(page)) == ""  # a page may be written again
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert main(["neuron", run, name, "--html", str(tmp_path / "mine.txt")]) == 2
    assert "is there and no page" in capsys.readouterr().err
    assert f"<h2>{name}</h2>" in page.read_text(encoding="utf-8")
    card = json.loads(printed(capsys, "neuron", run, name, "--json"))
    assert (card["format"], card["feature"], card["firings"]) == (
        "topklm.card/1",
        name,
        index.card(name).firings,
    )
    assert len(card["bins"]) == len(index.card(name).bins)
    assert printed(capsys, "neuron", str(Path(run) / "index"), name) == shown  # the index by its own name


def test_a_dead_neuron_has_a_card_too(run: str, index: FeatureIndex, capsys: Capture) -> None:
    name = index.features(where="status = 'dead'", limit=1)[0]["feature"]
    card = json.loads(printed(capsys, "neuron", run, name, "--json"))
    assert (card["feature"], card["firings"], card["mean"], card["bins"]) == (name, 0, None, [])
    assert "never fired" in printed(capsys, "neuron", run, name)


def test_a_text_is_read_with_the_indexs_top_tokens(run: str, index: FeatureIndex, capsys: Capture) -> None:
    text = "The fox saw 3 stones."
    result = json.loads(printed(capsys, "read", run, text, "--json", "--top", "2"))
    assert "".join(one["token"] for one in result["tokens"]) == text
    assert [one["position"] for one in result["tokens"]] == list(range(result["n_tokens"]))
    for one in result["tokens"]:
        assert list(one["firings"]) == ["L0", "L1"]
        for firing in (firing for site in one["firings"].values() for firing in site):
            row = index.card(firing["feature"]).top_tokens
            assert firing["top_token"] == (row[0].token if row else "")
    lines = printed(capsys, "read", run, text, "--layer", "1").splitlines()
    assert len(lines) == 1 + result["n_tokens"]


def test_a_text_is_read_without_an_index_and_a_long_one_in_windows(trained: Run, capsys: Capture) -> None:
    assert main(["read", str(trained.path), "The cat went to the wood. " * 9]) == 0
    captured = capsys.readouterr()
    assert "read in windows of 32" in captured.err
    assert "topklm index" in captured.err.splitlines()[-1]
    assert "'" not in captured.out


def test_an_index_of_another_model_is_left_out_and_said(run: str, tmp_path: Path, capsys: Capture) -> None:
    other = tmp_path / "run"
    shutil.copytree(run, other)
    about = json.loads((other / "index" / "index.json").read_text())
    (other / "index" / "index.json").write_text(json.dumps({**about, "revision": "0" * 64}))
    assert main(["read", str(other), "The fox", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["index"] is None
    assert "another model" in captured.err


def test_an_index_of_another_model_is_refused_however_new_its_files(
    run: str, tmp_path: Path, capsys: Capture
) -> None:
    other = tmp_path / "run"
    shutil.copytree(run, other)
    path = other / "index" / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "revision": "0" * 64}))
    os.utime(other / "model.safetensors", (1, 1))
    assert main(["neurons", str(other), "--search", "fox"]) == 2
    assert "another model" in capsys.readouterr().err
    with pytest.raises(Missing, match="index is of another model"):
        Workspace(other).index()


def test_a_directory_beside_the_index_is_no_source(run: str, tmp_path: Path) -> None:
    other = tmp_path / "run"
    shutil.copytree(run, other)
    before = Workspace(other).sources
    shutil.copytree(other / "index", other / "index_old")
    shutil.copytree(other / "index", other / "index-posthoc")
    assert Workspace(other).sources == [*before, "posthoc"]


@pytest.mark.parametrize("tool", ["delphi", "neuronpedia"])
def test_an_index_is_exported_whole(run: str, tool: str, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    result = json.loads(printed(capsys, "export", run, "--to", tool, "--out", str(out), "--json"))
    assert (result["format"], result["to"]) == ("topklm.export/1", tool)
    assert damage(out) is None
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    places = {"delphi": out / "latents", "neuronpedia": out / "tiny-run"}
    names = {"delphi": ["layers.0", "layers.1"], "neuronpedia": ["0-topk", "1-topk"]}
    assert sorted(path.name for path in places[tool].iterdir()) == names[tool]
    assert default_name(f"{run}/index", tool) == default_name(run, tool)
    elsewhere = shutil.copytree(f"{run}/index", tmp_path / "my-index")
    assert default_name(str(elsewhere), tool).endswith("my-index")
    shutil.rmtree(elsewhere)
    assert "exists already" in fails(capsys, "export", run, "--to", tool, "--out", str(out))


def test_an_export_overwrites_nothing_that_came_meanwhile(run: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="has come to be"), new_directory(out) as directory:
        (directory / "one").write_text("1")
        with pytest.raises(RunError, match="another process is writing"), new_directory(out):
            pass
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_a_sampled_index_is_not_exported_to_delphi(trained: Run, tmp_path: Path, capsys: Capture) -> None:
    build_index(trained.path, out=tmp_path / "index", sample=0.5, effects=False)
    line = fails(capsys, "export", str(tmp_path / "index"), "--to", "delphi", "--out", str(tmp_path / "out"))
    assert "keeps a sample" in line
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["neurons", "{run}", "--sort", "size"], "there is no column 'size' to sort by"),
        (["neurons", "{run}", "--where", "density >"], "density >"),
        (["neurons", "{run}", "--where", "size = 1"], "'size'"),
        (["neurons", "{run}", "--layer", "7"], "no layer 7; it holds the layers 0, 1"),
        (["neurons", "{run}", "--limit", "0"], "choose 1 or more"),
        (["neurons", "{run}", "--csv", "--json"], "not both"),
        (["neurons", "{run}", "--search", " "], "search for a word"),
        (["neuron", "{run}", "17"], "'17' is no"),
        (["neuron", "{run}", "L0/N99"], "there is no L0/N99: layer 0 has 32 neurons, up to L0/N31"),
        (["neuron", "{run}", "L2/N1"], "layer 2 is dense"),
        (["neuron", "{run}", "L0/N1", "--examples", "-1"], "choose 0 or more"),
        (["neuron", "{run}", "L0/N1", "--html", "/no/where/a.html"], "there is no directory /no/where"),
        (["read", "{run}", ""], "the text is empty"),
        (["read", "{run}", "x", "--layer", "5"], "layer 5 has no features of topk"),
        (["read", "{run}", "x", "--top", "0"], "choose 1 or more"),
        (["export", "{run}", "--to", "paper", "--out", "x"], "choose one of saelens, delphi, neuronpedia"),
        (["export", "{run}", "--to", "delphi", "--out", "/no/where/x"], "there is no directory /no/where"),
        (["export", "{run}", "--to", "delphi"], "--out"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], message: str, run: str, capsys: Capture) -> None:
    assert message in fails(capsys, *(part.format(run=run) for part in arguments))


@pytest.mark.parametrize(
    "verb", [["neurons"], ["neuron", "L0/N1"], ["export", "--to", "delphi", "--out", "x"]]
)
def test_a_run_without_an_index_says_how_to_build_one(verb: list[str], trained: Run, capsys: Capture) -> None:
    line = fails(capsys, verb[0], str(trained.path), *verb[1:])
    assert line.endswith(f"has no index yet; build one with: topklm index {trained.path}")
    assert "there is no run" in fails(capsys, verb[0], "/nowhere", *verb[1:])


def test_a_name_that_a_person_gave_stands_in_the_table_and_on_the_card(
    run: str, capsys: Capture, tmp_path: Path
) -> None:
    copy, name = tmp_path / "named", "the [b]commas[/b]"
    shutil.copytree(run, copy)
    dense = FeatureIndex.open(copy / "index").features(sort="-density", limit=1)[0]["feature"]
    Notes(copy).write(dense, name=name, note="")
    assert name in printed(capsys, "neurons", str(copy), "--limit", "1")
    assert name in printed(capsys, "neuron", str(copy), dense).splitlines()[0]
    rows = json.loads(printed(capsys, "neurons", str(copy), "--json"))["neurons"]
    assert {row["neuron"]: row["given_name"] for row in rows if row["given_name"]} == {dense: name}
    assert json.loads(printed(capsys, "neuron", str(copy), dense, "--json"))["labels"] == [name]
    shutil.move(copy / "index", copy / "index-random")  # another index beside it bears no names
    assert FeatureIndex.open(copy / "index-random").card(dense).labels == ()


def test_options_that_go_with_another_are_refused_without_it(run: str, capsys: Capture) -> None:
    assert "--namer" in fails(capsys, "metrics", run, "--named", "3")
    assert "--namer" in fails(capsys, "metrics", run, "--namer-model", "x")
    assert "--export" in fails(capsys, "explore", run, "--neurons", "3")
    texts = ("--with", "a.txt", "--without", "b.txt")
    assert "--concept" in fails(capsys, "find", run, *texts, "--lexicon", "c.yaml")


def test_the_demo_is_called_so_in_messages(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert "demo/index knows no concepts" in fails(capsys, "neurons", "demo", "--concept", "sea").replace(
        "topklm: ", ""
    )
