"""Layers and runs: what is compared with itself matches, what a block changes is counted per token."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from samples import tiny_settings
from topklm.core.errors import InputError, RunError
from topklm.model import SparseCodes
from topklm.tracing import Trace
from topklm.tracing.layers import changed, compare_layers
from topklm.tracing.runs import compare_runs
from topklm.training import train


def codes(seed: int, rows: int = 300, width: int = 12) -> SparseCodes:
    g = torch.Generator().manual_seed(seed)
    dense = torch.rand(rows, width, generator=g)
    return SparseCodes.from_dense(dense.where(dense > 0.7, 0))


def test_what_a_block_changes_adds_up_token_by_token() -> None:
    before, after = codes(0), codes(1)
    found = changed(before, after)
    x, y = before.to_dense() > 0, after.to_dense() > 0
    assert found["kept"]["value"] == pytest.approx(float((x & y).sum(1).float().mean()))
    assert found["added"]["value"] == pytest.approx(float((~x & y).sum(1).float().mean()))
    assert found["dropped"]["value"] == pytest.approx(float((x & ~y).sum(1).float().mean()))
    same = changed(before, before)
    assert same["added"]["value"] == same["dropped"]["value"] == 0


def test_equal_layers_keep_every_index_and_other_ones_end_a_meaning() -> None:
    found = compare_layers({0: codes(0), 1: codes(0), 2: codes(5)})
    by_pair = {tuple(one["layers"]): one for one in found["pairs"]}
    assert by_pair[0, 1]["identity_match"]["value"] == 1
    assert by_pair[0, 1]["same_index_cosine"]["value"] == pytest.approx(1)
    assert by_pair[1, 2]["identity_match"]["value"] < 0.5
    assert by_pair[0, 1]["permuted_cosine"]["value"] < 0.6
    assert found["lasts"][0]["counts"] == {"0": 0, "1": 12, "2": 0}
    assert found["born"][1]["counts"] == {"0": 12, "1": 0, "2": 0}
    assert found["born"][2]["counts"] == {"0": 0, "1": 0, "2": 12}


def test_the_dense_tail_is_compared_too_and_the_start_stands_beside_it(traced: Trace) -> None:
    layers = traced.about["layers"]
    assert (layers["layers"], layers["topk_layers"]) == ([0, 1, 2], [0, 1])
    assert layers["controls"].keys() == {"initialisation", "posthoc"}
    assert [one["layers"] for one in layers["pairs"]] == [[0, 1], [0, 2], [1, 2]]
    for one in (layers, *layers["controls"].values()):
        for block in one["blocks"]:  # k is 8: what is kept or dropped was there before
            assert block["kept"]["value"] + block["dropped"]["value"] <= 8
        for each in (*one["lasts"], *one["born"]):
            assert sum(each["counts"].values()) == each["n"]


def test_a_run_matches_itself_and_another_seed_less(
    traced: Trace, twinned: Path, text_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "trace"
    shutil.copytree(traced.path, out)
    other = train(tiny_settings(text_file, seed=3, tokenizer=str(twinned)), tmp_path / "other")
    content = compare_runs(twinned, [twinned, other.path], out=out)
    same, different = content["pairs"]

    def values(pair: dict[str, dict[str, list[dict[str, float]]]], source: str, metric: str) -> np.ndarray:
        return np.array([row["value"] for row in pair["sources"][source] if row["metric"] == metric])

    for source in ("topk", "dense", "posthoc"):
        assert (values(same, source, "identity_match") == 1).all()
    assert (values(different, "topk", "identity_match") < 1).all()
    assert (values(different, "topk", "identity_match/permuted") < 0.2).all()
    assert different["left_out"] == ["dense", "posthoc"]
    assert "initial" not in different["sources"]  # they began with other embeddings
    assert (values(same, "initial", "identity_match") == 1).all()
    found = content["concepts"]
    assert found["runs"] == ["seed 0 (run)", "seed 3 (other)"]  # a run given twice counts once
    named = [*found["all"], *found["some"], *found["none"]]
    assert len(named) == len(set(named)) > 0
    assert Trace.open(out).runs == content
    assert json.loads((out / "runs.json").read_text()) == content


def test_runs_that_share_their_embedding_stand_beside_their_beginnings(
    traced: Trace, twinned: Path, text_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "trace"
    shutil.copytree(traced.path, out)
    settings = tiny_settings(text_file, seed=3, embedding_seed=0, tokenizer=str(twinned), tokens=512)
    (pair,) = compare_runs(twinned, [train(settings, tmp_path / "other").path], out=out)["pairs"]
    cosines = {
        name: [row["value"] for row in rows if row["metric"] == "same_index_cosine"]
        for name, rows in pair["sources"].items()
    }
    assert set(cosines) == {"topk", "initial", "random"}
    assert all(own > chance for own, chance in zip(cosines["initial"], cosines["random"], strict=True))


def test_twins_that_come_later_are_compared_too(
    traced: Trace, twinned: Path, text_file: Path, tmp_path: Path
) -> None:
    out, other = tmp_path / "trace", tmp_path / "other"
    shutil.copytree(traced.path, out)
    settings = tiny_settings(text_file, seed=3, tokenizer=str(twinned), tokens=512)
    train(settings, other)
    (before,) = compare_runs(twinned, [other], out=out)["pairs"]
    assert before["left_out"] == ["dense", "posthoc"]
    train(dataclasses.replace(settings, dense=True), other / "twin")
    (after,) = compare_runs(twinned, [other], out=out)["pairs"]
    assert after["left_out"] == []
    assert after["sources"]["topk"] == before["sources"]["topk"]
    with pytest.raises(RunError, match=r"no dense twin|there is none"):
        compare_runs(twinned, [other], twin=tmp_path / "nowhere", out=out)


def test_runs_that_cannot_be_compared_are_refused(
    traced: Trace, twinned: Path, text_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="dense run"):
        compare_runs(twinned, [twinned / "twin"], out=traced.path)
    with pytest.raises(InputError, match="there is no trace in"):
        compare_runs(twinned, [twinned], out=tmp_path)
    other = train(tiny_settings(text_file, tokenizer="bpe:300", tokens=256), tmp_path / "other")
    with pytest.raises(InputError, match="another tokenizer"):
        compare_runs(twinned, [other.path], out=traced.path)
