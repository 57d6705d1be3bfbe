"""The verbs steer, find and evaluate-steering: what they print parses and reads, mistakes are one line."""

import json
import shutil
from pathlib import Path

import pytest

from commands import as_json, printed
from samples import tiny_settings
from topklm.cli.main import main
from topklm.index import build_index
from topklm.training import Run, train

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run with an index and a twin, and a lexicon beside it."""
    path = tmp_path_factory.mktemp("steer") / "Tiny run"
    shutil.copytree(trained.path, path)
    build_index(path, data=str(text_file), tokens=4000)
    train(tiny_settings(text_file, dense=True, tokens=10 * 256), path / "twin")
    (path.parent / "words.yaml").write_text(
        "animals: [cat, dog, hen, fox, owl, cow]\nplaces: [barn, wood, house]"
    )
    return str(path)


def test_texts_stand_side_by_side_with_their_numbers(run: str, capsys: Capture) -> None:
    out = printed(capsys, "steer", run, "Day 3.", "--set", "L1/N3=2x", "--max-new-tokens", "20")
    lines = out.splitlines()
    assert lines[0].split() == ["unsteered", "L1/N3=2x"]
    assert lines[1].count("Day 3.") == 2
    assert any(line.split()[:1] == ["L1/N3=2x"] for line in lines[2:])
    assert lines[-1] == f"perplexity under the dense twin ({run}/twin)"
    assert max(map(len, lines[:-1])) <= 110


def test_the_json_holds_the_edits_as_given_and_in_plain_units(run: str, capsys: Capture) -> None:
    edits = ("--set", "L1/N3=2x", "--add", "L0/N5=1.5", "--ablate", "L1/N9", "--positions", "generated")
    found = as_json(capsys, "steer", run, "Day 3.", *edits, "--texts", "2", "--max-new-tokens", "9")
    (steered,) = found["steered"]
    assert found["format"] == "topklm.steered/1"
    assert [one["feature"] for one in steered["edits"]] == ["L1/N3", "L0/N5", "L1/N9"]
    assert steered["edits"][0]["set_to"] == "2x"
    assert isinstance(steered["resolved"][0]["set_to"], float)
    assert all(one["positions"] == "generated" for one in steered["edits"])
    assert len(found["unsteered"]["texts"]) == len(steered["texts"]) == 2
    assert steered["perplexity"] > 1


def test_scale_one_writes_the_same_text_and_a_saved_edit_too(
    run: str, capsys: Capture, tmp_path: Path
) -> None:
    same = as_json(capsys, "steer", run, "Day 3.", "--scale", "L1/N3=1")
    assert same["steered"][0]["texts"] == same["unsteered"]["texts"]
    first = as_json(capsys, "steer", run, "Day 3.", "--set", "L1/N3=3x", "--save", str(tmp_path))
    again = as_json(capsys, "steer", run, "Day 3.", "--edits", str(tmp_path))
    assert again["steered"] == first["steered"]
    assert first["steered"][0]["texts"] != first["unsteered"]["texts"]


def test_plain_strengths_need_no_index(run: str, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(run, path)
    (path / "index" / "index.json").unlink()  # as while it is built
    command = ("steer", str(path), "Day 3.", "--max-new-tokens", "4", "--json", "--set")
    assert main([*command, "L1/N3=4.0"]) == 0
    said = capsys.readouterr()
    assert "without the index: " in said.err
    assert json.loads(said.out)["steered"][0]["resolved"][0]["set_to"] == 4.0
    assert main([*command, "L1/N3=2x"]) == 2
    assert "has no index.json" in capsys.readouterr().err


def test_a_sweep_goes_up_the_ladder(run: str, capsys: Capture) -> None:
    found = as_json(capsys, "steer", run, "Day 3.", "--set", "L1/N3=1x", "--sweep", "--max-new-tokens", "5")
    strengths = [one["edits"][0]["set_to"] for one in found["steered"]]
    assert strengths == ["0.25x", "0.5x", "0.75x", "1x", "1.5x", "2x", "4x"]
    values = [one["resolved"][0]["set_to"] for one in found["steered"]]
    assert values == sorted(values)
    out = printed(capsys, "steer", run, "Day 3.", "--set", "L1/N3=1x", "--sweep", "--max-new-tokens", "5")
    assert out.count("Day 3.") == 7


def test_a_concept_or_word_picks_the_neuron_that_find_ranks_first(run: str, capsys: Capture) -> None:
    found = as_json(capsys, "find", run, "stones")
    assert found["format"] == "topklm.find/1"
    steered = as_json(capsys, "steer", run, "Day 3.", "--concept", "stones", "--max-new-tokens", "5")
    assert steered["steered"][0]["edits"] == [{"feature": found["features"][0]["feature"], "set_to": "1x"}]
    table = printed(capsys, "find", run, "stones", "--limit", "2").splitlines()
    head = next(place for place, line in enumerate(table) if line.startswith("feature"))
    assert table[head].split()[:3] == ["feature", "fires", "causes"]
    assert [line.split()[0] for line in table[head + 1 : head + 3]] == [
        one["feature"] for one in found["features"][:2]
    ]
    assert len(table[head + 3 :]) == len(found["references"])


def test_concepts_and_texts_can_be_looked_for(run: str, capsys: Capture, tmp_path: Path) -> None:
    lexicon = str(Path(run).parent / "words.yaml")
    found = as_json(capsys, "find", run, "--concept", "animals", "--lexicon", lexicon)
    assert found["asked"] == "animals"
    (tmp_path / "a.txt").write_text("The cat went to the barn.\nThe fox went to the wood.\n")
    (tmp_path / "b.txt").write_text("There were 3 stones.\nThere were 5 stones.\n")
    both = ("--with", str(tmp_path / "a.txt"), "--without", str(tmp_path / "b.txt"))
    found = as_json(capsys, "find", run, *both)
    assert found["asked"] == "2 texts with it, 2 without"
    assert all(one["causes"].keys() == {"value", "low", "high"} for one in found["features"])


def test_evaluate_steering_prints_and_stores_its_result(run: str, capsys: Capture, tmp_path: Path) -> None:
    options = ("--lexicon", str(Path(run).parent / "words.yaml"), "--max-features", "2", "--texts", "4")
    options += (
        "--strengths",
        "0.5,1x",
        "--max-new-tokens",
        "6",
        "--prompt-tokens",
        "4",
        "--out",
        str(tmp_path),
    )
    found = as_json(capsys, "evaluate-steering", run, *options)
    assert found["format"] == "topklm.steering/1"
    assert {"success_rate", "n_features", "by_layer", "controls"} <= set(found)
    assert found["controls"]["random_neurons"]["success_rate"].keys() == {"value", "low", "high"}
    out = printed(capsys, "evaluate-steering", run, *options)
    assert f"{found['n_labelled']} of {found['n_live']} live neurons are labelled" in out
    assert "random_neurons" in out
    assert (tmp_path / "success.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["steer", "{run}", "x"], "nothing is steered; give --set L3/N17=2x"),
        (["steer", "{run}", "x", "--set", "L1/N3"], "'L1/N3' is no edit"),
        (["steer", "{run}", "x", "--set", "L1/N99=1"], "there is no L1/N99: layer 1 has 32 neurons"),
        (["steer", "{run}", "x", "--set", "L2/N1=1"], "layer 2 is dense; the TopK layers are 0, 1"),
        (["steer", "{run}", "x", "--set", "L1/N3=nan"], "set_to='nan' is no strength"),
        (["steer", "{run}", "x", "--set", "L1/N3=1", "--add", "L1/N3=1"], "contradict each other"),
        (["steer", "{run}", "x", "--concept", "whale"], "'whale' does not occur in the indexed text"),
        (
            ["steer", "{run}", "x", "--concept", "cat", "--set", "L1/N3=1"],
            "choose one of --concept and edits",
        ),
        (["steer", "{run}", "x", "--ablate", "L1/N3", "--sweep"], "a sweep goes over the strengths of one"),
        (["steer", "{run}", "x", "--set", "L1/N3=1", "--texts", "0"], "texts=0 is not allowed"),
        (["steer", "{run}", "x", "--set", "L1/N3=1", "--edits", "{run}"], "edits.json does not exist"),
        (["steer", "{run}/twin", "x", "--set", "L1/N3=1"], "is a dense run"),
        (["find", "{run}"], "give one of: words, --concept NAME, or --with FILE"),
        (["find", "{run}", "x", "--concept", "y"], "give one of: words"),
        (["find", "{run}", "--with", "a.txt"], "give both --with FILE and --without FILE"),
        (["find", "{run}", "cat", "--strength", "nan"], "strength=nan is not allowed"),
        (["find", "{run}", "cat", "--limit", "0"], "limit=0 is not allowed"),
        (["find", "{run}/twin", "cat"], "has no index yet; build one with: topklm index"),
        (["find", "{run}", "--concept", "animalz"], "there is no concept 'animalz'; did you mean animals"),
        (["evaluate-steering", "{run}", "--arms", "luck"], "there is no arm 'luck'"),
        (["evaluate-steering", "{run}", "--strengths", "1,two"], "--strengths: 'two' is no number"),
        (["evaluate-steering", "{run}", "--texts", "1"], "texts=1 is not allowed"),
    ],
)
def test_mistakes_are_one_line(run: str, capsys: Capture, arguments: list[str], said: str) -> None:
    capsys.readouterr()
    assert main([one.replace("{run}", run) for one in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err.splitlines()[-1]
