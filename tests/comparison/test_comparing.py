"""A whole comparison of a tiny run: its stages, its files, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from samples import tiny_settings
from topklm import compare
from topklm.cli.main import main
from topklm.comparison import Budget, Settings, comparing, measure
from topklm.comparison.outcome import Comparison, read_comparison
from topklm.comparison.stages import costs, making, reading, table
from topklm.comparison.stages.work import Found, Work
from topklm.core.errors import DiskFullError, InputError, Interrupted, RunError
from topklm.core.files import PARTIAL
from topklm.sae.runs import train_run_saes
from topklm.training import Run, train

SMALL = {
    "tokens": 2500,
    "index_tokens": 3000,
    "sae_tokens": 8192,
    "sae_seeds": 1,
    "wide": 2,
    "wide_sites": 1,
    "task_items": 4,
    "steer_features": 1,
    "steer_texts": 4,
    "trace_tokens": 2000,
    "read_tokens": 1000,
}
QUICK_STAGES = ("codes", "loss", "cost")
SLOW_STAGES = tuple(name for name in table.NAMES if name not in QUICK_STAGES)


@pytest.fixture(scope="module")
def budget(text_file: Path, lexicon: Path) -> Budget:
    return Budget(data=(str(text_file),), lexicon=str(lexicon), **SMALL)


@pytest.fixture(scope="module")
def compared(trained: Run, quick: Settings, budget: Budget, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with metrics of quick settings, which the comparison takes up; then all stages."""
    path = tmp_path_factory.mktemp("comparison") / "Tiny run"
    shutil.copytree(trained.path, path)
    measure(path, quick, sources=["topk"])
    compare(path, budget=budget)
    return path


@pytest.fixture
def plain(trained: Run, tmp_path: Path) -> Path:
    """The bare run, in a place of its own."""
    path = tmp_path / "run"
    shutil.copytree(trained.path, path)
    return path


def replaced(monkeypatch: pytest.MonkeyPatch, **runs: Callable[[Work], Found]) -> None:
    """Let some stages do something else."""
    stages = tuple(one._replace(run=runs.get(one.name, one.run)) for one in table.STAGES)
    monkeypatch.setattr(comparing, "STAGES", stages)


@pytest.mark.slow
def test_all_stages_give_rows_of_all_sources(compared: Path) -> None:
    found = read_comparison(compared)
    assert [one["stage"] for one in found.stages] == [name for name in table.NAMES if name != "tasks"]
    assert "last_word" in found.left_out["tasks"] or "passage" in found.left_out["tasks"]
    sources = {row.source for row in found.rows if row.metric == "live_features"}
    assert sources == {"topk", "dense", "posthoc", "random", "shuffled", "sae_1x", "sae_2x"}
    assert {row.source for row in found.rows if row.metric == "loss"} == {"topk", "dense"}
    assert {row.source for row in found.rows if row.metric == "concepts_shown"} >= sources
    assert {row.metric for row in found.rows if row.source == "sae_1x"} >= {
        "explained_variance",
        "features_seconds",
        "reading_flops_per_million",
    }
    assert {one.claim: one.verdict for one in found.claims}["C1"] == "holds"
    assert all(one.verdict != "not measured" for one in found.claims)


@pytest.mark.slow
def test_rows_are_what_the_contract_says_and_the_table_holds_them(compared: Path) -> None:
    content = json.loads((compared / "comparison" / "results.json").read_text())
    assert content["format"] == "topklm.comparison/1"
    assert content["revision"] == Run(compared).revision
    assert content["seeds"] == [Run(compared).settings.seed]
    columns = {"source", "site", "metric", "value", "low", "high", "n_tokens", "seed"}
    assert all(columns <= row.keys() for row in content["rows"])
    finite = [row for row in content["rows"] if None not in (row["value"], row["low"], row["high"])]
    assert all(row["low"] <= row["value"] <= row["high"] for row in finite)
    assert len(finite) > len(content["rows"]) / 2
    rows = pq.read_table(compared / "comparison" / "results.parquet").to_pylist()
    assert len(rows) == len(content["rows"])
    assert [row["metric"] for row in rows] == [row["metric"] for row in content["rows"]]
    found = read_comparison(compared / "comparison")
    assert found.as_json() == content


@pytest.mark.slow
def test_what_is_done_is_not_done_again(
    compared: Path, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(work: Work) -> Found:
        raise AssertionError("a finished stage was run again")

    before = (compared / "comparison" / "results.json").read_text()
    done = [name for name in table.NAMES if name != "tasks"]
    replaced(monkeypatch, **dict.fromkeys(done, refuse))
    said: list[str] = []
    compare(compared, budget=budget, say=said.append)
    assert [one for one in said if "done already" in one] == [f"{name}: done already" for name in done]
    assert (compared / "comparison" / "results.json").read_text() == before
    with pytest.raises(AssertionError, match="again"):  # another budget is another comparison
        compare(compared, budget=Budget(**{**vars(budget), "read_tokens": 500}))


@pytest.mark.slow
def test_the_doubt_is_told_concept_by_concept(compared: Path) -> None:
    (notes,) = read_comparison(compared).notes("metrics")
    assert set(notes["doubt"]["sae_1x"]) == {"state", "single", "f1"}
    assert notes["settings"]["head_tokens"] == 1500  # as in the metrics that were there


def test_killed_in_a_stage_it_goes_on_and_leaves_nothing_half_written(
    plain: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"budget": Budget(data=(str(text_file),), tokens=2500), "without": SLOW_STAGES}

    def killed(work: Work) -> Found:
        (work.directory / "stages" / f"{PARTIAL}loss.json").write_text("{")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        replaced(patched, loss=killed)
        with pytest.raises(Interrupted, match="during loss"):
            compare(plain, **asked)
    directory = plain / "comparison"
    assert not (directory / "results.json").exists()
    assert {path.name for path in (directory / "stages").iterdir()} == {"codes.json", ".partial-loss.json"}
    said: list[str] = []
    found = compare(plain, **asked, say=said.append)
    assert "codes: done already" in said
    assert [one["stage"] for one in found.stages] == ["codes", "loss", "cost"]
    assert not list(directory.rglob(PARTIAL + "*"))
    assert found.left_out == {
        **dict.fromkeys(SLOW_STAGES, "not wanted"),
        "loss: held-out text": f"{plain} was trained on {text_file}",
        "loss: dense": f"there is no dense twin in {plain / 'twin'}",
        "cost: dense": f"there is no dense twin in {plain / 'twin'}",
    }
    assert {one.claim for one in found.claims if one.verdict == "not measured"} >= {"C2", "C3", "C4", "C5"}


def test_a_twin_without_its_text_leaves_its_own_neurons_unread_and_the_rest_is_counted(
    plain: Path, text_file: Path, tmp_path: Path
) -> None:
    run = plain
    train(tiny_settings(text_file, dense=True), run / "twin")
    shutil.rmtree(run / "twin" / "data")
    work = Work(Run(run), Budget(data=(str(text_file),), tokens=2500, read_tokens=500), tmp_path / "here")
    found = costs.cost(work)
    assert "sets its thresholds on the twin's training text" in found.left_out["dense"]
    read = {row.source for row in found.rows if row.metric == "reading_flops_per_million"}
    assert read == {"topk", "posthoc"}
    assert {row.source for row in found.rows if row.metric == "training_flops"} == {"topk", "dense"}


def test_saes_of_some_layers_do_not_stand_for_those_of_all(
    plain: Path, text_file: Path, tmp_path: Path
) -> None:
    run = plain
    train(tiny_settings(text_file, dense=True), run / "twin")
    train_run_saes(Run(run), widths=(1,), sites=(1,), tokens=2048, batch_tokens=64)
    work = Work(Run(run), Budget(data=(str(text_file),), tokens=2500, read_tokens=500), tmp_path / "here")
    found = costs.cost(work)
    assert "it has no SAE at L0" in found.left_out["sae_1x"]
    assert not [row for row in found.rows if row.source == "sae_1x"]


def test_stories_that_a_run_was_trained_on_are_not_held_out(plain: Path, tmp_path: Path) -> None:
    def held_out(*data: str) -> tuple[str, ...] | None:
        work = Work(Run(plain), Budget(), tmp_path)
        work.run.about["settings"]["data"] = list(data)
        return work.data

    assert held_out("stories") == held_out("stories:0") == ("stories:1",)
    assert held_out("stories:1") == held_out("stories:7", "stories:01") == ("stories:2",)


def test_text_that_a_run_was_trained_on_is_named(plain: Path, text_file: Path) -> None:
    said: list[str] = []
    budget = Budget(data=(str(text_file),), tokens=2500)
    without = [name for name in table.NAMES if name != "loss"]
    found = compare(plain, budget=budget, without=without, say=said.append)
    assert found.left_out["loss: held-out text"] == f"{plain} was trained on {text_file}"
    assert any("nothing measured there is held out" in one for one in said)


def test_a_part_that_may_be_had_by_now_is_tried_again_and_what_was_there_stays_where_that_fails(
    plain: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tiny_settings(text_file, dense=True), plain / "twin")
    (plain / "twin" / "data").rename(plain / "twin" / "away")
    without = [name for name in table.NAMES if name != "cost"]
    asked: dict[str, Any] = {"budget": Budget(data=(str(text_file),), tokens=2500), "without": without}
    first = compare(plain, **asked)
    assert "cost: dense" in first.left_out
    said: list[str] = []
    assert compare(plain, **asked, say=said.append).rows == first.rows  # it cannot be had yet
    assert "cost: done already" in said

    def fails(work: Work) -> Found:
        raise InputError("there is something wrong with it")

    (plain / "twin" / "away").rename(plain / "twin" / "data")
    with monkeypatch.context() as patched:
        replaced(patched, cost=fails)
        assert compare(plain, **asked, say=said.append).rows == first.rows
    assert said[-1] == "cost stays as it was: there is something wrong with it"
    assert "cost: dense" not in compare(plain, **asked).left_out


def test_a_disk_that_fills_up_ends_the_stage_saes(plain: Path, text_file: Path) -> None:
    train(tiny_settings(text_file, dense=True), plain / "twin")
    work = Work(Run(plain), Budget(sae_tokens=2048, sae_seeds=1, wide=1, sae_checkpoints=2), plain / "here")

    def full(*_: Any, **__: Any) -> None:
        raise DiskFullError("no space left")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(making, "train_checkpoint_saes", full)
        with pytest.raises(DiskFullError):
            making.saes(work)


def test_other_stories_than_the_usual_stand_in_the_key(plain: Path, tmp_path: Path) -> None:
    def key(*data: str) -> dict[str, Any]:
        work = Work(Run(plain), Budget(), tmp_path)
        work.run.about["settings"]["data"] = list(data)
        return comparing.key_of(work, next(one for one in table.STAGES if one.name == "loss"))

    assert key("stories") == key("stories:3")
    assert key("stories:1") == {**key("stories"), "text": ["stories:2"]}


def test_a_stage_that_cannot_be_run_is_named_and_the_others_go_on(
    plain: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(work: Work) -> Found:
        raise InputError("there is something wrong with it")

    replaced(monkeypatch, loss=fails)
    found = compare(plain, budget=Budget(data=(str(text_file),), tokens=2500), without=SLOW_STAGES)
    assert found.left_out["loss"] == "there is something wrong with it"
    assert [one["stage"] for one in found.stages] == ["codes", "cost"]


def test_several_seeds_stand_side_by_side(
    plain: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = train(tiny_settings(text_file, seed=1, tokens=10 * 256), tmp_path / "one")
    budget = Budget(data=(str(text_file),), tokens=2500)
    asked: dict[str, Any] = {"budget": budget, "without": SLOW_STAGES, "out": tmp_path / "both"}
    with pytest.raises(InputError, match="their tokens differ"):
        compare([plain, other], **asked)
    monkeypatch.setattr("topklm.comparison.comparisons.check_seeds", lambda runs: None)
    found: Comparison = compare([plain, other], **asked)
    assert found.seeds == [0, 1]
    assert {row.seed for row in found.rows} == {0, 1}
    assert read_comparison(tmp_path / "both").seeds == [0, 1]
    with pytest.raises(InputError, match="holds a comparison of other runs"):
        compare([other, plain], **asked)
    assert read_comparison(tmp_path / "both").seeds == [0, 1]
    assert read_comparison(plain).seeds == [0]


def test_bad_input_is_refused_before_anything_is_done(
    plain: Path, trained: Run, text_file: Path, tmp_path: Path
) -> None:
    (plain / "comparison").mkdir()
    plan = {"format": "topklm.comparison-plan/1", "run": "other", "revision": "0" * 64}
    (plain / "comparison" / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(InputError, match="holds a comparison of other weights, 000000000000 of other"):
        compare(plain)
    shutil.rmtree(plain / "comparison")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="is not empty and holds no comparison"):
        compare(plain, out=tmp_path / "full")
    with pytest.raises(InputError, match=r"no stage .sae.; choose among twin"):
        compare(plain, without=["sae"])
    with pytest.raises(InputError, match="a seed stands there twice: 0, 0"):
        compare([plain, trained])
    with pytest.raises(RunError, match="is no dense twin: it has TopK layers"):
        compare(plain, twin=trained.path)
    twin = train(tiny_settings(text_file, dense=True, tokens=4 * 256), tmp_path / "short")
    with pytest.raises(RunError, match=r"no twin of .*: its tokens differ"):
        compare(plain, twin=twin.path)
    with pytest.raises(RunError, match="there is no run"):
        compare(plain, dense_small=tmp_path / "typo")
    with pytest.raises(RunError, match="is no dense run; name a smaller dense model"):
        compare(plain, dense_small=trained.path)
    with pytest.raises(InputError, match="is a dense run"):
        compare(twin)
    (plain / "model.safetensors").unlink()
    with pytest.raises(RunError, match="not finished"):
        compare(plain)
    assert not (plain / "comparison").exists()


@pytest.mark.parametrize("wrong", [{"tokens": 1}, {"sae_checkpoints": 1}, {"steer_texts": 1}, {"wide": 0}])
def test_a_budget_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))}=. is not allowed"):
        Budget(**wrong)


def test_the_verb_prints_verdicts_or_all_of_it(
    plain: Path, text_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", str(plain), "--data", str(text_file), "--tokens", "2500"]
    arguments += ["--without", ",".join(SLOW_STAGES)]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert "C1  a hidden state is a TopK SAE's code: holds\n" in shown.out
    assert "left out: metrics: not wanted\n" in shown.out
    assert "stage 1 of 3, about " in shown.err
    assert main([*arguments, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content == json.loads((plain / "comparison" / "results.json").read_text())
    stored = plain / "comparison" / "results.json"
    assert main([*arguments, "--earlier", str(stored)]) == 0
    assert "0 of " in capsys.readouterr().out
    assert main([*arguments, "--earlier", str(plain / "none.json")]) == 2
    assert "none.json holds no comparison" in capsys.readouterr().err
    assert main(["compare", str(plain), "--without", "everything"]) == 2
    assert capsys.readouterr().err.startswith("topklm: there is no stage 'everything'")
    assert main(["compare", str(plain / "none")]) == 2


def test_a_stage_that_found_its_work_done_does_not_shorten_the_time_left() -> None:
    twin, saes, index, *_ = table.STAGES
    clock = comparing.Clock([twin, saes, index])
    assert clock.left(twin) == "stage 1 of 3, about 33 min left for all"
    clock.done(twin, seconds=0.2)
    assert clock.left(saes) == "stage 2 of 3, about 18 min left for all"
    clock.done(saes, seconds=2 * 15 * 60)
    assert clock.left(index) == "stage 3 of 3, about 6 min left for all"


def key(work: Work, name: str) -> dict[str, Any]:
    (stage,) = (one for one in table.STAGES if one.name == name)
    return comparing.key_of(work, stage)


def test_a_stage_is_not_taken_as_done_where_what_it_reads_has_changed(
    plain: Path, tmp_path: Path, lexicon: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("The cat went to the barn.\n" * 300)
    words = tmp_path / "words.yaml"
    words.write_text(lexicon.read_text())
    budget = Budget(data=(str(text),), lexicon=str(words), **SMALL)

    def keys() -> dict[str, dict[str, Any]]:
        work = Work(Run(plain), budget, tmp_path / "out")
        return {name: key(work, name) for name in table.NAMES}

    before = keys()
    assert keys() == before
    steps = plain / "sae" / "steps" / "scratch" / "000040" / "sae_1x"
    steps.mkdir(parents=True)
    (steps / "manifest.json").write_text("{}")
    after = keys()
    assert {name for name in before if after[name] != before[name]} == {"tracing"}
    (plain / "index").mkdir()
    (plain / "index" / "index.json").write_text("{}")
    before, after = after, keys()
    assert {name for name in before if after[name] != before[name]} == {"steering"}
    words.write_text("animals: [cat]\n")
    before, after = after, keys()
    with_words = {"codes", "loss", "cost", "metrics", "steering", "tracing", "index"}
    assert {name for name in before if after[name] != before[name]} == with_words
    first = Work(Run(plain), budget, tmp_path / "out").text.sha256
    text.write_text("The dog went to the barn.\n" * 300)
    assert Work(Run(plain), budget, tmp_path / "out").text.sha256 != first
    before, after = after, keys()
    assert {name for name in before if after[name] != before[name]} == with_words


def test_another_text_is_not_probed_for_the_labels_of_the_stories(
    plain: Path, tmp_path: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Work, "on_stories", True)
    labels = {
        data: reading.settings_of(Work(Run(plain), Budget(data=data), tmp_path / "out")).labels
        for data in (None, ("stories:7",), (str(text_file),))
    }
    assert labels == {None: ("topic",), ("stories:7",): ("topic",), (str(text_file),): None}


def test_labels_that_nobody_asked_for_are_left_out_where_the_text_is_too_short_for_them(
    plain: Path, tmp_path: Path
) -> None:
    budget = Budget(data=("stories:1",), tokens=1500)
    others = tuple(name for name in table.NAMES if name not in ("codes", "metrics"))
    said: list[str] = []
    found = compare(plain, budget=budget, without=others, out=tmp_path / "out", say=said.append)
    assert any("tells no documents apart: fewer than two" in one for one in said)
    assert found.notes("metrics")
    assert "metrics" not in found.left_out
