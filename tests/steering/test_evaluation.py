"""The evaluation: every arm runs, interrupted ones go on to the same result, numbers come from the texts."""

import json
import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topklm.core.errors import InputError, RunError
from topklm.core.site import Neuron
from topklm.steering.arms import Bench, check_arms, drawn
from topklm.steering.evaluation import evaluate
from topklm.steering.settings import Settings
from topklm.steering.success import Texts, choose, judged
from topklm.steering.survey import Survey, Surveyed
from topklm.training import load

SMALL = Settings(
    max_features=3, texts=8, strengths=(0.5, 2.0), new_tokens=10, prompt_tokens=4, label_tokens=3000, batch=5
)


@pytest.fixture(scope="module")
def result(
    steered: Path, lexicon: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """An evaluation with every arm."""
    out = tmp_path_factory.mktemp("evaluation") / "all"
    return out, evaluate(steered, SMALL, arms=["all"], lexicon=lexicon, out=out)


def test_every_arm_is_judged_by_the_same_code(result: tuple[Path, dict[str, Any]]) -> None:
    out, content = result
    assert content["format"] == "topklm.steering/1"
    assert content["left_out"] == {}
    arms = [
        "random_neurons",
        "found_neurons",
        "topk_direction",
        "dense_direction",
        "posthoc_neurons",
        "prompt",
    ]
    assert list(content["controls"]) == arms
    assert 1 <= content["n_features"] <= 3
    assert content["n_labelled"] <= content["n_live"] <= 64
    for arm in (content, *content["controls"].values()):
        assert arm["n_features"] >= 1
        rate = arm["success_rate"]
        assert 0 <= rate["low"] <= rate["value"] <= rate["high"] <= 1 or arm["n_features"] == 1
        assert sum(one["n_features"] for one in arm["by_layer"].values()) == arm["n_features"]
    assert list(content["by_strength"]) == ["0.5x", "2x"]
    assert list(content["controls"]["prompt"]["by_strength"]) == ["word"]
    assert (out / "success.png").stat().st_size > 10_000
    assert json.loads((out / "steering.json").read_text()) == json.loads(json.dumps(content))


def test_the_result_follows_from_the_texts_that_are_kept(result: tuple[Path, dict[str, Any]]) -> None:
    out, content = result
    for arm, rows in content["features"].items():
        twin = arm in ("dense_direction", "posthoc_neurons")
        plain = json.loads((out / "units" / f"unsteered--{'twin' if twin else 'run'}.json").read_text())
        files = [json.loads(path.read_text()) for path in sorted((out / "units").glob(f"{arm}--*.json"))]
        units = {(one["name"], one["concept"]): one for one in files}
        assert len(units) == len(rows) == len(files)
        for row in rows:
            unit = units[row["name"], row["concept"]]
            before = texts(plain, [row["concept"] in shown for shown in plain["concepts"]])
            steered = {name: texts(one, one["shown"]) for name, one in unit["strengths"].items()}
            assert row["chosen"] == choose(before, steered)
            assert row["success"] == judged(before, steered[row["chosen"]]).success


def texts(content: dict[str, Any], shown: list[Any]) -> Texts:
    distinct = [np.nan if one is None else one for one in content["distinct"]]
    return Texts(*(np.array(one, float) for one in (shown, content["nats"], content["tokens"], distinct)))


def test_random_neurons_are_of_the_same_layers_and_carry_another_label(
    result: tuple[Path, dict[str, Any]],
) -> None:
    _, content = result
    rows = content["features"]
    mine = {(row["layer"], row["concept"]) for row in rows["neurons"]}
    assert {(row["layer"], row["concept"]) for row in rows["random_neurons"]} <= mine
    same = {(row["name"], row["concept"]) for row in rows["neurons"]}
    assert not same & {(row["name"], row["concept"]) for row in rows["random_neurons"]}


def test_found_neurons_are_one_for_each_concept_and_raise_its_tokens(
    result: tuple[Path, dict[str, Any]],
) -> None:
    rows = result[1]["features"]
    found = [row["concept"] for row in rows["found_neurons"]]
    assert len(set(found)) == len(found) >= 1
    assert set(found) <= {row["concept"] for row in rows["neurons"]}
    drawn = {row["concept"]: row["mass_rise"]["2x"]["value"] for row in rows["random_neurons"]}
    assert all(row["mass_rise"]["2x"]["value"] >= drawn[row["concept"]] for row in rows["found_neurons"])


@pytest.fixture
def again(result: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    """A copy of the evaluation, to go on with."""
    return Path(shutil.copytree(result[0], tmp_path / "again"))


def test_killed_between_any_two_units_it_ends_with_the_same_result(
    result: tuple[Path, dict[str, Any]], again: Path, steered: Path, lexicon: Path
) -> None:
    out, content = again, result[1]
    (out / "steering.json").unlink()
    files = sorted((out / "units").glob("*.json"))
    for path in files[::2]:
        path.unlink()
    (out / "units" / ".partial-neurons--x.json").write_text("{")
    kept = {path: path.stat().st_mtime_ns for path in files[1::2]}
    assert evaluate(steered, SMALL, arms=["all"], lexicon=lexicon, out=out) == content
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not list((out / "units").glob(".partial*"))


def test_more_arms_use_what_is_there_and_other_settings_do_not(
    result: tuple[Path, dict[str, Any]], steered: Path, lexicon: Path
) -> None:
    out, content = result
    fewer = evaluate(steered, SMALL, arms=["unsteered"], lexicon=lexicon, out=out)
    assert fewer["controls"] == {}
    assert fewer["success_rate"] == content["success_rate"]
    other = Settings(**{**vars(SMALL), "texts": 10})
    with pytest.raises(
        InputError, match=r"holds an evaluation with another settings; choose another directory"
    ):
        evaluate(steered, other, arms=[], lexicon=lexicon, out=out)
    evaluate(steered, SMALL, arms=["all"], lexicon=lexicon, out=out)


def test_a_lexicon_that_changed_asks_for_another_directory(
    result: tuple[Path, dict[str, Any]], steered: Path, lexicon: Path, tmp_path: Path
) -> None:
    changed = tmp_path / lexicon.name
    changed.write_text(lexicon.read_text(encoding="utf-8") + "\n# one more line\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"holds an evaluation with another lexicon; choose another"):
        evaluate(steered, SMALL, arms=["all"], lexicon=changed, out=result[0])


def test_a_unit_of_another_source_is_made_anew(
    result: tuple[Path, dict[str, Any]], again: Path, steered: Path, lexicon: Path
) -> None:
    unit = next(path for path in sorted((again / "units").glob("*.json")) if "unsteered" not in path.name)
    stale = json.loads(unit.read_text(encoding="utf-8"))
    unit.write_text(json.dumps({**stale, "revision": "of an SAE before", "steered": []}), encoding="utf-8")
    assert evaluate(steered, SMALL, arms=["all"], lexicon=lexicon, out=again) == result[1]
    assert json.loads(unit.read_text(encoding="utf-8")) == stale


def test_without_a_twin_its_arms_are_named_as_left_out(steered: Path, lexicon: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(steered, path, ignore=shutil.ignore_patterns("twin", "checkpoints"))
    small = Settings(**{**vars(SMALL), "max_features": 1, "texts": 2, "strengths": (1.0,)})
    content = evaluate(path, small, arms=["dense_direction", "posthoc_neurons"], lexicon=lexicon)
    assert content["left_out"] == {
        "dense_direction": "there is no dense twin",
        "posthoc_neurons": "there is no dense twin",
    }
    assert content["fluency"] == "the unsteered model"
    assert (path / "steering" / "steering.json").is_file()


def surveyed(layer: int, index: int, *, f1: float = 0.9) -> Surveyed:
    return Surveyed(Neuron(layer, index), "animals", f1, 1.0, 0.1)


def test_features_are_drawn_evenly_from_the_layers_and_only_labelled_ones() -> None:
    sizes = {0: 40, 1: 2, 2: 10}
    found = [surveyed(layer, index) for layer, size in sizes.items() for index in range(size)]
    found += [surveyed(layer, 99, f1=0.49) for layer in sizes]
    for most, expected in ((12, [5, 2, 5]), (30, [18, 2, 10]), (None, [40, 2, 10]), (99, [40, 2, 10])):
        bench: Any = Bench(None, None, None, None, None, most, 0)  # type: ignore[arg-type]
        chosen = drawn(Survey(found, {}), bench)
        assert [sum(one.feature.layer == layer for one in chosen) for layer in sizes] == expected
        assert chosen == sorted(chosen, key=lambda one: one.feature)
        assert drawn(Survey(found, {}), bench) == chosen


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"texts": 1}, "texts=1 is not allowed; choose 2 or more"),
        ({"max_features": 0}, "max_features=0 is not allowed"),
        ({"strengths": ()}, "strengths none are not allowed"),
        ({"strengths": (1.0, float("nan"))}, "strengths 1, nan are not allowed"),
        ({"temperature": 0.0}, "temperature=0.0 is not allowed; texts must differ"),
        ({"temperature": 1e-4}, "temperature=0.0001 is not allowed"),
        ({"temperature": float("nan")}, "temperature=nan is not allowed"),
        ({"seed": 2**63}, "seed=9223372036854775808 is not allowed"),
        ({"strengths": (1.0, 1.0000001)}, "strengths are not allowed twice"),
        ({"action": "scale"}, "action='scale' is not allowed; choose set_to or add"),
        ({"seed": -1}, "seed=-1 is not allowed"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Settings(**change)


def test_bad_input_is_said_in_one_line(steered: Path, lexicon: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no arm 'luck'; choose among random_neurons"):
        check_arms(["luck"])
    assert check_arms(["unsteered", "prompt", "prompt"]) == ("prompt",)
    long = Settings(**{**vars(SMALL), "new_tokens": 60})
    with pytest.raises(InputError, match="new_tokens=60 do not fit the context; choose at most 27"):
        evaluate(steered, long, lexicon=lexicon, out=tmp_path / "a")
    begun = Settings(**{**vars(SMALL), "prompt_tokens": 5000})
    with pytest.raises(InputError, match=r"no document of .* has 5000 tokens; choose fewer prompt_tokens"):
        evaluate(steered, begun, lexicon=lexicon, out=tmp_path / "b")
    with pytest.raises(InputError, match="build one with: topklm index"):
        evaluate(steered, SMALL, index=tmp_path / "none", lexicon=lexicon)
    with pytest.raises(RunError, match="is no dense twin: it has TopK layers"):
        evaluate(steered, SMALL, twin=steered, lexicon=lexicon)
    nothing = tmp_path / "nothing.yaml"
    nothing.write_text("whales: [whale]")
    with pytest.raises(InputError, match=r"has a held-out F1 of 0\.5 for a concept of the lexicon"):
        evaluate(steered, SMALL, lexicon=nothing, out=tmp_path / "c")
    assert load(steered).run.finished


def test_the_report_replaces_the_measured_part_and_shows_every_arm(
    steered: Path, result: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, content = result
    report = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "steering_report.py"))
    run = tmp_path / "run"
    shutil.copytree(steered, run, ignore=shutil.ignore_patterns("checkpoints", "steering"))
    shutil.copytree(out, run / "steering")
    document = tmp_path / "results" / "steering.md"
    document.parent.mkdir()
    document.write_text("# Steering\n\nBefore.\n\n## Measured\n\nOld.\n")
    report["main"](str(document), str(run), str(run), "--and", str(run))
    text = document.read_text(encoding="utf-8")
    assert text.startswith("# Steering\n\nBefore.\n\n## Measured\n\n### ")
    assert "Old." not in text
    assert text.count("| arm |") == 2
    for arm in (content, *content["controls"].values()):
        cell = f"{100 * arm['success_rate']['value']:.0f} ["
        assert cell in text
    assert all(f"**{one['feature']}, {one['concept']}" in text for one in content["samples"])
    images = re.findall(r"\]\((\.\./images/[^)]+)\)", text)
    assert images
    assert all((document.parent / image).is_file() for image in images)
