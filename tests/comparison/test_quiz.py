"""The quiz is blind, its key is right, and answers are scored by it."""

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from commands import as_json, printed
from topklm.cli.main import main
from topklm.comparison.quiz import KINDS, make_quiz
from topklm.comparison.quiz_score import score_quiz
from topklm.comparison.result import Result
from topklm.core.errors import InputError
from topklm.index import FeatureIndex, build_index

ITEMS = 3


@pytest.fixture(scope="module")
def place(result: Result, run_path: Path, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A measured run with two indexes."""
    path = tmp_path_factory.mktemp("quiz") / "run"
    shutil.copytree(run_path, path)
    build_index(path, data=str(text_file), tokens=3000, source="random", effects=False)
    return path


@pytest.fixture(scope="module")
def made(place: Path) -> tuple[str, dict[str, Any]]:
    page, key = make_quiz(place, ("topk", "random"), items=ITEMS)
    return page.read_text(encoding="utf-8"), json.loads(key.read_text())


def test_the_page_is_blind_and_stands_alone(made: tuple[str, dict[str, Any]]) -> None:
    page, key = made
    for word in ("topk", "random_", "source", "L0/", "L1/", "answer&quot;"):
        assert word not in re.sub(r"topklm", "", page.split("<script>")[0].replace('class="topklm"', "")), (
            word
        )
    assert re.search(r"(src|href)=\"(?!data:|#)", page) is None
    assert page.count("<fieldset") == len(key["questions"])
    assert "script-src 'sha256-" in page


def test_the_script_is_the_one_that_the_page_allows(made: tuple[str, dict[str, Any]]) -> None:
    import base64
    import hashlib

    page, _ = made
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (allowed,) = re.findall(r"script-src 'sha256-([^']+)'", page)
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() == allowed


def test_features_fire_on_the_right_options_and_on_no_other(
    made: tuple[str, dict[str, Any]], place: Path
) -> None:
    page, key = made
    page = re.sub(r"<mark>(.*?)</mark>", r"«\1»", page, flags=re.DOTALL)
    fields = re.findall(r"<fieldset.*?</fieldset>", page, re.DOTALL)
    found = {(one["source"], one["kind"]) for one in key["questions"]}
    assert {(name, kind) for name in ("topk", "random") for kind in ("intruder", "card")} <= found
    asked = [(one["source"], one["feature"]) for one in key["questions"]]
    assert len(set(asked)) == len(asked)
    indexes = {
        name: FeatureIndex.open(place / path)
        for name, path in (("topk", "index"), ("random", "index-random"))
    }
    checked = 0
    for field, one in zip(fields, key["questions"], strict=True):
        index = indexes[one["source"]]
        options = [
            html.unescape(re.sub(r"<[^>]+>", "", option)).strip()
            for option in re.findall(r"<label>.*?</label>", field)
        ]
        passages = [
            option for option in options if "none of them" not in option and "few words" not in option
        ]
        feature = index.locate(one["feature"])
        fired = index.ask(
            "SELECT position FROM firings WHERE site = ? AND index = ?", [feature.layer, feature.index]
        )["position"].to_pylist()
        texts = {_text(index, position) for position in fired}
        for number, passage in enumerate(passages):
            should = (number in one["answer"]) != (one["kind"] == "intruder")
            assert (passage in texts) == should
            checked += 1
    assert checked > 0


def _text(index: FeatureIndex, position: int) -> str:
    from topklm.comparison.quiz import AFTER, BEFORE, passage_of
    from topklm.reports.text import visible

    one = passage_of(index.where(position, before=BEFORE, after=AFTER), {"<|endoftext|>"})
    parts = (visible(one.before, longest=400), f"«{visible(one.marked)}»", visible(one.after, longest=400))
    return "".join(parts).strip()


def answers(key: dict[str, Any], choose: Any) -> dict[str, Any]:
    given = {
        str(number): {"chosen": choose(one), "text": "animals"} for number, one in enumerate(key["questions"])
    }
    return {"format": "topklm.quiz-answers/1", "quiz": key["quiz"], "reader": "r", "answers": given}


def test_right_answers_score_one_and_wrong_ones_nothing(
    made: tuple[str, dict[str, Any]], place: Path, tmp_path: Path
) -> None:
    _, key = made
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(answers(key, lambda one: one["answer"])))
    result = score_quiz(path, place / "quiz")
    assert result["n_answered"] == result["n_questions"] == len(key["questions"])
    assert {row["value"] for row in result["rows"] if row["source"] != "difference"} == {1.0}
    assert {row["value"] for row in result["rows"] if row["source"] == "difference"} == {0.0}

    def wrong_about_random(one: dict[str, Any]) -> list[int]:
        if one["source"] == "topk":
            return list(one["answer"])
        return sorted(set(range(6)) - set(one["answer"]))[: len(one["answer"])]

    path.write_text(json.dumps(answers(key, wrong_about_random)))
    rows = {(row["metric"], row["source"]): row for row in score_quiz(path, place / "quiz")["rows"]}
    assert rows["intruder_by_reader", "random"]["value"] == 0
    assert rows["card_by_reader", "random"]["value"] == 0
    assert rows["named_by_reader", "topk"]["value"] == 1
    gap = rows["intruder_by_reader", "difference"]
    assert gap["value"] == gap["low"] == gap["high"] == 1


def test_marking_everything_is_chance(made: tuple[str, dict[str, Any]], place: Path, tmp_path: Path) -> None:
    _, key = made
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(answers(key, lambda one: list(range(6)))))
    rows = score_quiz(path, place / "quiz")["rows"]
    values = {row["value"] for row in rows if row["metric"] in ("card_by_reader", "name_by_reader")}
    assert values == {0.5, 0.0}  # 0: the differences
    assert all(
        row["value"] == 0 for row in rows if row["metric"] in ("named_by_reader", "intruder_by_reader")
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"format": "x"}, "is not of the format"),
        ({"format": "topklm.quiz-answers/1", "quiz": "0" * 16, "answers": {}}, "holds no key of the quiz"),
        ({"format": "topklm.quiz-answers/1", "quiz": "../key", "answers": {}}, "holds no key of the quiz"),
        ({"answers": {"999": {"chosen": [1]}}}, "the answer '999' does not fit"),
        ({"answers": {"00": {"chosen": [1]}}}, "the answer '00' does not fit"),
        ({"answers": {"0": {"chosen": [77]}}}, "the answer '0' does not fit"),
        ({"answers": {"0": {"chosen": "x"}}}, "the answer '0' does not fit"),
        ({"answers": [1]}, "answers is missing or no dict"),
    ],
)
def test_answers_that_do_not_fit_are_refused(
    made: tuple[str, dict[str, Any]], place: Path, tmp_path: Path, content: dict[str, Any], said: str
) -> None:
    path = tmp_path / "answers.json"
    whole = {"format": "topklm.quiz-answers/1", "quiz": made[1]["quiz"], **content}
    path.write_text(json.dumps(whole))
    with pytest.raises(InputError, match=said):
        score_quiz(path, place / "quiz")


def test_what_cannot_be_asked_is_said(place: Path) -> None:
    with pytest.raises(InputError, match=r"topklm index .* --source dense"):
        make_quiz(place, ("topk", "dense"))
    with pytest.raises(InputError, match="compares two different ones"):
        make_quiz(place, ("topk", "topk"))
    with pytest.raises(InputError, match=f"choose among {', '.join(KINDS)}"):
        make_quiz(place, ("topk", "random"), kinds=["riddle"])
    with pytest.raises(InputError, match="items=0"):
        make_quiz(place, ("topk", "random"), items=0)
    with pytest.raises(InputError, match="seed=-1"):
        make_quiz(place, ("topk", "random"), seed=-1)


def test_the_verb_writes_the_page_and_scores_answers(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "asked"
    told = as_json(
        capsys,
        "quiz",
        str(place),
        "--source-b",
        "random",
        "--items",
        "2",
        "--kind",
        "intruder",
        "--out",
        str(out),
    )
    assert Path(told["page"]).parent == Path(told["key"]).parent == out
    key = json.loads(Path(told["key"]).read_text())
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(answers(key, lambda one: one["answer"])))
    asked = ("quiz", str(place), "--out", str(out), "--score", str(path))
    lines = printed(capsys, *asked).splitlines()
    assert lines[0] == "4 of 4 questions answered"
    assert any(line.split()[:3] == ["intruder_by_reader", "random", "1.00"] for line in lines), lines
    assert as_json(capsys, *asked)["rows"] == score_quiz(path, out)["rows"]
    assert main(["quiz", str(tmp_path / "none")]) == 2
