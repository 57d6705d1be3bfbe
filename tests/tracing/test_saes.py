"""SAEs of a twin's checkpoints are traced like neurons; warm ones begin as those before."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from topklm.core.errors import InputError
from topklm.reports.tracing import draw_trace
from topklm.sae import train_run_saes
from topklm.sae.checkpoints import checkpoint_saes_are_there, directory_of, train_checkpoint_saes
from topklm.sae.lens import load_sae
from topklm.sae.member import Member
from topklm.sae.settings import SAESettings
from topklm.sae.store import hook_name
from topklm.tracing import Trace, trace
from topklm.training import Run

SMALL: dict[str, Any] = {"tokens": 4096, "batch_tokens": 64, "lr": 0.005, "threads": 1, "k": 8}
TOKENS = 3000
STEPS = [20, 30, 40]


@pytest.fixture(scope="module")
def with_saes(twinned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run with SAEs of three checkpoints, and of two seeds at the end."""
    path = Path(shutil.copytree(twinned, tmp_path_factory.mktemp("saes") / "run"))
    train_checkpoint_saes(path, count=3, sites=(1,), **SMALL)
    train_run_saes(path, seeds=(0, 1), sites=(1,), **SMALL)
    return path


@pytest.fixture(scope="module")
def traced_saes(with_saes: Path, traced: Trace, text_file: Path) -> Trace:
    shutil.copytree(traced.path, with_saes / "trace")  # neurons and twin are traced already
    return trace(with_saes, data=str(text_file), tokens=TOKENS)


def saes_of(path: Path, start: str, step: int) -> dict[str, torch.Tensor]:
    directory = directory_of(Run(path), start, step) / "sae_1x" / hook_name(1)
    weights: dict[str, torch.Tensor] = load_sae(directory).state_dict()
    return weights


def test_warm_ones_begin_as_the_ones_before(with_saes: Path) -> None:
    def moved(start: str, step: int, since: int) -> float:
        first, second = saes_of(with_saes, start, since)["W_dec"], saes_of(with_saes, start, step)["W_dec"]
        return float(torch.cosine_similarity(first, second, dim=1).mean())

    first, second = (saes_of(with_saes, start, STEPS[0]) for start in ("scratch", "warm"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert moved("warm", 30, 20) > 0.8 > moved("scratch", 30, 20) - 0.1
    assert not torch.equal(saes_of(with_saes, "warm", 30)["W_dec"], saes_of(with_saes, "warm", 20)["W_dec"])


def test_what_is_taken_over_gives_the_same_codes(with_saes: Path) -> None:
    directory = directory_of(Run(with_saes), "scratch", 20) / "sae_1x" / hook_name(1)
    old = load_sae(directory)
    hidden = torch.randn(200, old.cfg.d_in, generator=torch.Generator().manual_seed(0)) + 0.3
    settings = SAESettings(sites=(1,), k=8)
    member = Member(settings, site=1, width=1, seed=5, stream=old.cfg.d_in, begin=directory)
    member.start(hidden)
    scaler = member.trainer.activation_scaler
    with torch.no_grad():
        told = scaler.unscale(member.sae.decode(member.sae.encode(scaler.scale(hidden))))
        torch.testing.assert_close(told, old.decode(old.encode(hidden)), rtol=1e-4, atol=1e-4)


def test_an_sae_of_another_shape_is_refused(with_saes: Path) -> None:
    directory = directory_of(Run(with_saes), "scratch", 20) / "sae_1x" / hook_name(1)
    member = Member(SAESettings(sites=(1,), k=8), site=1, width=2, seed=0, stream=32, begin=directory)
    with pytest.raises(InputError, match="another shape"):
        member.start(torch.randn(100, 32))


def test_their_latents_are_traced_beside_the_neurons(traced_saes: Trace) -> None:
    about = traced_saes.about
    assert about["sources"]["sae_1x"] == about["sources"]["sae_1x_warm"] == STEPS
    scratch, warm = (about["identity_match"]["controls"][name] for name in ("sae_1x", "sae_1x_warm"))
    assert warm["n_pairs"] == scratch["n_pairs"] == 2
    assert warm["value"] > scratch["value"]
    assert warm["same_index_cosine"]["value"] > scratch["same_index_cosine"]["value"]
    assert scratch["assigned_match"]["value"] > scratch["value"]  # the index alone says nothing
    assert 0 <= scratch["assigned_match"]["low"] <= scratch["assigned_match"]["high"] <= 1
    neurons = about["identity_match"]  # most similar under its own index: its partner, more often than not
    assert neurons["assigned_match"]["value"] == pytest.approx(neurons["value"], abs=0.3)
    life = traced_saes.life("L1/F3", source="sae_1x_warm")
    assert [one.step for one in life.moments] == STEPS


def test_costs_and_seeds_stand_beside_them(traced_saes: Trace) -> None:
    saes = traced_saes.about["saes"]
    assert saes["checkpoints"].keys() == {"sae_1x", "sae_1x_warm"}
    for one in saes["checkpoints"].values():
        assert one["seconds"] > 0
        assert one["checkpoints"] == 3
        assert 0 < one["tokens"] <= 4096
    rows = {(row["site"], row["metric"]): row["value"] for row in saes["seeds"]}
    assert {(row["first"], row["second"]) for row in saes["seeds"]} == {("sae_1x", "sae_1x_seed1")}
    assert rows[1, "assigned_cosine"] > rows[1, "same_index_cosine"]
    drawn = draw_trace(traced_saes.about).plain
    assert "s to train at 3 checkpoints" in drawn
    assert "SAEs of the same weights, of several seeds" in drawn


def test_a_twin_that_lies_elsewhere_serves_the_seeds_too(
    with_saes: Path, traced_saes: Trace, text_file: Path, tmp_path: Path
) -> None:
    run, twin = tmp_path / "run", tmp_path / "elsewhere"
    shutil.copytree(with_saes, run)
    (run / "twin").rename(twin)
    (run / "trace" / "trace.json").unlink()
    for kept in (run / "trace" / "units").glob("seeds-*.json"):
        kept.unlink()
    found = trace(run, data=str(text_file), tokens=TOKENS, twin=twin)
    assert found.about["saes"]["seeds"] == traced_saes.about["saes"]["seeds"]


def test_what_is_there_is_kept_and_a_finished_trace_only_read(with_saes: Path, text_file: Path) -> None:
    said: list[str] = []
    train_checkpoint_saes(with_saes, count=3, sites=(1,), say=said.append, **SMALL)
    assert sum("nothing to do" in one for one in said) == 5  # the first warm one is a copy
    trace(with_saes, data=str(text_file), tokens=TOKENS)
    before = (with_saes / "trace" / "trace.json").read_bytes()
    trace(with_saes, data=str(text_file), tokens=TOKENS)
    assert (with_saes / "trace" / "trace.json").read_bytes() == before


def test_further_checkpoints_after_warm_ones_are_refused_before_any_training(
    with_saes: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(with_saes, tmp_path / "run"))
    assert checkpoint_saes_are_there(Run(path), "sae_1x", count=3)
    assert checkpoint_saes_are_there(Run(path), "sae_1x", count=2)
    assert not checkpoint_saes_are_there(Run(path), "sae_1x", count=4)
    before = set((path / "sae").rglob("*"))
    with pytest.raises(InputError, match=r"fewer checkpoints were asked for then; .* delete .*warm"):
        train_checkpoint_saes(path, count=4, sites=(1,), **SMALL)
    assert set((path / "sae").rglob("*")) == before
    shutil.rmtree(path / "sae" / "steps" / "warm" / f"{STEPS[2]:06d}")
    assert not checkpoint_saes_are_there(Run(path), "sae_1x", count=3)  # both ways are wanted
    train_checkpoint_saes(path, count=3, sites=(1,), **SMALL)
    assert checkpoint_saes_are_there(Run(path), "sae_1x", count=3)


def test_a_damaged_set_is_named_and_skipped(
    traced_saes: Trace, with_saes: Path, text_file: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(with_saes, tmp_path / "run"))
    (directory_of(Run(path), "warm", 30) / "sae_1x" / "sae.json").unlink()
    (directory_of(Run(path), "scratch", 30) / "sae_1x" / hook_name(1) / "cfg.json").write_text("{}")
    said: list[str] = []
    about = trace(path, data=str(text_file), tokens=TOKENS, say=said.append).about
    assert about["sources"]["sae_1x"] == about["sources"]["sae_1x_warm"] == [20, 40]
    assert [(one["source"], one["step"]) for one in about["skipped"]] == [("sae_1x", 30)]
    assert any("checkpoint 30 of sae_1x is skipped" in one and "cfg.json is damaged" in one for one in said)


def test_a_further_seed_enters_a_trace_that_is_finished(
    traced_saes: Trace, with_saes: Path, text_file: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(with_saes, tmp_path / "run"))
    train_run_saes(path, seeds=(2,), sites=(1,), **SMALL)
    seeds = trace(path, data=str(text_file), tokens=TOKENS).about["saes"]["seeds"]
    others = {row["second"] for row in seeds if row["first"] == "sae_1x"}
    assert others == {"sae_1x_seed1", "sae_1x_seed2"}


def test_saes_of_too_few_checkpoints_are_left_out_by_name(
    traced_saes: Trace, with_saes: Path, text_file: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(with_saes, tmp_path / "run"))
    for step in STEPS[:2]:
        (directory_of(Run(path), "warm", step) / "sae_1x" / "sae.json").write_text("{}")
    about = trace(path, data=str(text_file), tokens=TOKENS).about
    assert "sae_1x_warm" not in about["sources"]
    assert "needs at least two" in about["left_out"]["sae_1x_warm"]
    assert about["sources"]["sae_1x"] == STEPS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 1}, "too few"),
        ({"count": 99}, "whole tracing checkpoints, not 99"),
        ({"architecture": "jumprelu"}, "architecture=jumprelu is not allowed here"),
    ],
)
def test_bad_input_is_one_line(twinned: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_checkpoint_saes(twinned, **{**SMALL, **options})
    assert not (twinned / "sae").exists()
