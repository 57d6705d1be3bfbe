"""A sweep trains ordinary runs, goes on where it was, and measures as the other verbs do."""

import json
import math
import runpy
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from samples import tiny_settings
from topklm.cli.main import main
from topklm.comparison import sweep as sweeping
from topklm.comparison.sweep import lines, read_sweep_result, run_sweep, write_report
from topklm.comparison.sweep_plan import Sweep
from topklm.core.errors import InputError, Interrupted, TrainingError
from topklm.core.stats import Estimate
from topklm.data import Packed
from topklm.evaluation.flops import forward_flops
from topklm.model import TopKLMConfig
from topklm.reports.sweep import Line, draw_table, markdown
from topklm.training import load


def asked(text_file: Path) -> Sweep:
    """Two variants and a twin, of eight steps each."""
    base = tiny_settings(text_file, tokens=8 * 256, evaluations=1, full_checkpoints=2, trace_checkpoints=1)
    return Sweep(base, {"base": {}, "k=4": {"k": 4}}, (0, 1), "base")


@pytest.fixture(scope="session")
def swept(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sweeps") / "first"
    result = run_sweep(asked(text_file), out)
    write_report(out, lines(result), failed=result.failed)
    return out


def test_numbers_are_those_of_ordinary_runs(swept: Path) -> None:
    result = read_sweep_result(swept)
    assert result.variants() == ["base", "base (dense twin)", "k=4"]
    assert result.failed == {}
    model, _, run = load(swept / "k=4" / "seed-1")
    assert run.settings.k == 4
    losses = result.by_seed("k=4", "loss")
    assert sorted(losses) == [0, 1]
    tokens = np.asarray(Packed.open(run.path / "data", "validation").tokens, np.int64)
    fired = torch.zeros(run.settings.width)
    for start in range(0, len(tokens), 32):
        codes = model.codes(torch.from_numpy(tokens[None, start : start + 32]))[1]
        fired += (codes.to_dense() != 0).sum(0)
    live = float((fired / len(tokens) > 1e-4).float().mean())
    assert result.by_seed("k=4", "live", site=1)[1] == Estimate.exact(live)
    assert result.sites("base") == [0, 1]
    assert result.sites("base (dense twin)") == []
    expected = losses[0].value - result.by_seed("base", "loss")[0].value
    expected += losses[1].value - result.by_seed("base", "loss")[1].value
    difference = result.difference("k=4", "base", "loss")
    assert difference is not None
    assert difference.value == pytest.approx(expected / 2)
    assert difference.low < difference.value < difference.high


def test_the_loss_is_that_of_eval(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(swept / "base" / "seed-0"), "--json"]) == 0
    loss = json.loads(capsys.readouterr().out)["loss"]
    found = read_sweep_result(swept).by_seed("base", "loss")[0]
    assert found.as_json() == pytest.approx(loss)


def test_files_hold_the_same_rows(swept: Path) -> None:
    result = read_sweep_result(swept)
    table = pq.read_table(swept / "sweep.parquet")
    assert table.column("variant").to_pylist() == [row.variant for row in result.rows]
    np.testing.assert_array_equal(table["value"].to_numpy(), [row.value for row in result.rows])
    text = (swept / "sweep.md").read_text()
    assert markdown(lines(result), failed={}) == text
    assert text.count("\n| ") == 4
    for name in ("loss.png", "loss.svg", "variants.png", "variants.svg"):
        assert (swept / name).stat().st_size > 5000


def test_what_is_done_is_not_done_again(
    swept: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "copy"
    shutil.copytree(swept, out)
    before = (out / "sweep.json").read_bytes()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained or measured again")

    for name in ("train", "resume", "numbers"):
        monkeypatch.setattr(sweeping, name, never)
    run_sweep(asked(text_file), out)
    assert (out / "sweep.json").read_bytes() == before


def test_interrupted_it_goes_on_to_the_same_numbers(
    swept: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "interrupted"
    shutil.copytree(swept, out)
    shutil.rmtree(out / "k=4" / "seed-0")
    shutil.rmtree(out / "base" / "seed-1" / "twin")

    def stop(*_: object, **__: object) -> None:
        raise Interrupted("interrupted")

    with monkeypatch.context() as patched:
        patched.setattr(sweeping, "train", stop)
        with pytest.raises(Interrupted):
            run_sweep(asked(text_file), out)
    run_sweep(asked(text_file), out)
    timeless = [
        [row for row in read_sweep_result(one).rows if not row.metric.endswith(("seconds", "second"))]
        for one in (swept, out)
    ]
    assert timeless[0] == timeless[1]


def test_a_run_that_diverges_is_named_and_the_others_go_on(
    swept: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "diverged"
    shutil.copytree(swept, out)
    shutil.rmtree(out / "base" / "seed-0" / "twin")

    def diverge(*_: object, **__: object) -> None:
        raise TrainingError("the loss is nan at step 3")

    monkeypatch.setattr(sweeping, "train", diverge)
    result = run_sweep(asked(text_file), out)
    assert result.failed == {"base/seed-0/twin": "the loss is nan at step 3"}
    assert sorted(result.by_seed("base (dense twin)", "loss")) == [1]
    assert sorted(result.by_seed("k=4", "loss")) == [0, 1]
    assert "the loss is nan" in markdown(lines(result), failed=result.failed)


def test_stopped_early_it_keeps_the_rows_that_were_there(
    swept: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "stopped"
    shutil.copytree(swept, out)
    before = read_sweep_result(out)

    def broken(*_: object, **__: object) -> None:
        raise InputError("no room")

    monkeypatch.setattr(sweeping, "measured", broken)
    with pytest.raises(InputError, match="no room"):
        run_sweep(asked(text_file), out)
    assert read_sweep_result(out).rows == before.rows


@pytest.mark.parametrize("rows", [[{}], [{"value": 1, "low": 0, "high": 2}], [3], 3])
def test_a_damaged_result_is_said_and_made_anew(
    swept: Path, text_file: Path, tmp_path: Path, rows: object
) -> None:
    out = tmp_path / "damaged"
    shutil.copytree(swept, out)
    before = read_sweep_result(out)
    content = json.loads((out / "sweep.json").read_text())
    (out / "sweep.json").write_text(json.dumps({**content, "rows": rows}))
    with pytest.raises(InputError, match=r"sweep\.json is damaged"):
        read_sweep_result(out)
    run_sweep(asked(text_file), out)
    assert [row[:3] for row in read_sweep_result(out).rows] == [row[:3] for row in before.rows]


def test_another_sweeps_run_is_refused_before_anything_is_trained(
    swept: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(swept.rglob("*"))
    file = tmp_path / "sweep.yaml"
    base = {
        name: value
        for name, value in asked(text_file).base.as_json().items()
        if name not in ("seed", "preset")
    }
    changes = {"new": {"k": 2}, "k=4": {"k": 4, "lr": 0.5}}
    file.write_text(json.dumps({"base": base, "list": changes}))
    assert main(["sweep", str(file), "--out", str(swept)]) == 2
    assert "holds a run with another lr" in capsys.readouterr().err
    assert sorted(swept.rglob("*")) == before


def test_the_verb_prints_the_table(
    swept: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "sweep", tmp_path / "sweep.json"
    shutil.copytree(swept, out)
    base = asked(text_file).base.as_json()
    del base["seed"]
    file.write_text(json.dumps({"base": base, "seeds": [0, 1], "vary": {"k": [4]}, "twins": "base"}))
    assert main(["sweep", str(file), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert shown.strip() == draw_table(lines(read_sweep_result(swept))).plain.strip()
    assert main(["sweep", str(file), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "sweep.json").read_text())


def test_operations_by_hand() -> None:
    config = TopKLMConfig(
        vocab_size=10,
        hidden_size=4,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=6,
        intermediate_size=5,
        topk_k=2,
        n_nontopk=1,
        max_position_embeddings=8,
    )
    # q and o 4 x 12, k and v 4 x 6; attention to 4 tokens, 12 numbers, twice; MLP 3 x 4 x 5; head 4 x 10
    block = 2 * 4 * 12 + 2 * 4 * 6 + 2 * 4 * 12 + 3 * 4 * 5
    assert forward_flops(config) == 2 * (2 * block + 40)
    assert forward_flops(config, context=4) == forward_flops(config) - 2 * 2 * 2 * 2 * 12


def test_a_single_seed_has_no_interval() -> None:
    line = Line(
        "k=4", {0: 1.0}, Estimate(0.25, -math.inf, math.inf), 1.5, [0.5], [math.nan], 1e6, 2e6, 1e9, 60
    )
    text = markdown([line], failed={})
    assert "| +0.250 |" in text
    assert "| 1.000 |" in text
    assert "| 50 | - |" in text


def test_a_sweep_goes_to_its_mark_in_the_document(swept: Path, tmp_path: Path) -> None:
    script = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "defaults_report.py"))
    page = tmp_path / "results" / "defaults.md"
    page.parent.mkdir()
    marks = "# Defaults\n\nWhy.\n\n<!-- first -->\nold\n<!-- end -->\n\n<!-- other -->\nkept\n<!-- end -->\n"
    page.write_text(marks, encoding="utf-8")
    assert script["main"](str(page), str(swept)) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Defaults\n\nWhy.\n\n<!-- first -->\n| variant |")
    assert text.count("| k=4 |") == 1
    assert text.endswith("<!-- other -->\nkept\n<!-- end -->\n")
    assert (tmp_path / "images" / "defaults_first.png").is_file()
    script["main"](str(page), str(swept))
    assert page.read_text(encoding="utf-8") == text
    page.write_text("# Defaults\n", encoding="utf-8")
    with pytest.raises(InputError, match="no single part <!-- first -->"):
        script["main"](str(page), str(swept))
