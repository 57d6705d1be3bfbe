"""Runs that keep neurons alive: that they do, that they resume, that the finished model forgets it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from samples import tiny_settings
from topklm.core.errors import InputError, RunError
from topklm.core.files import sha256_file
from topklm.data import Packed
from topklm.model import TopK, TopKLMForCausalLM
from topklm.model.topk import SELECTIONS
from topklm.training import Run, TrainSettings, load, preset, resume, train
from topklm.training.alive import Alive
from topklm.training.initial import new_model
from topklm.training.run import ALIVE
from topklm.training.schedules import fade_at, revival_steps
from topklm.training.trainer import TopKTrainer
from topklm.training.watched import WatchedTopK

EVERYTHING = {
    "lift": 0.05,
    "lift_below": 0.8,
    "aux_loss": 0.1,
    "revive": 3,
    "dead_after": 600,
    "embedding_scale": 4.0,
    "branch_scale": 0.5,
}
"""All options at once, strong enough to act within 40 steps."""


def strong_settings(text_file: Path, **changes: object) -> TrainSettings:
    return tiny_settings(text_file, **{"anneal": "k", "topk_by": "magnitude", **EVERYTHING, **changes})


def planted(settings: TrainSettings, tokenizer: object, *, attention: str) -> TopKLMForCausalLM:
    """A new model whose neurons 0 to 7 lie below the others at every TopK layer, and so stay dead."""
    model = new_model(settings, tokenizer, attention=attention)
    with torch.no_grad():
        model.model.embed_tokens.weight[:, :PLANTED] = -0.15
        for block in model.model.layers:
            block.self_attn.o_proj.weight[:PLANTED] = 0.0
            block.mlp.down_proj.weight[:PLANTED] = 0.0
    return model


PLANTED = 8


def planted_alive(run: Run) -> int:
    """How many of the planted neurons fire at all on the run's text, over its TopK layers."""
    model = load(run.path).model
    tokens = Packed.open(run.path / "data", "train").tokens[:4096]
    codes = model.codes(torch.from_numpy(tokens.astype("int64")).view(-1, 32))
    return sum(int((code.to_dense()[:, :PLANTED] != 0).any(0).sum()) for code in codes.values())


def test_planted_dead_neurons_come_alive(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topklm.training.loop.new_model", planted)
    settings = tiny_settings(
        text_file, lr=3e-3, tokens=60 * 256, trace_checkpoints=1, evaluations=1, full_checkpoints=1
    )
    alive = {}
    for name, changes in {
        "plain": {},
        "lifted": {"lift": 0.05, "lift_fade": 0.2},
        "drawn": {"revive": 2, "dead_after": 1000, "revive_share": 0.5},
    }.items():
        alive[name] = sum(
            planted_alive(train(replace(settings, seed=seed, **changes), tmp_path / f"{name}-{seed}"))
            for seed in (0, 1)
        )
    # Of 32 (two layers, two seeds). Some wake without help, and how many depends on how a processor rounds.
    assert alive["plain"] <= 20, alive
    assert alive["lifted"] >= alive["plain"] + 4, alive
    assert alive["drawn"] >= alive["plain"] + 8, alive


@pytest.fixture(scope="module")
def kept_alive(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(strong_settings(text_file), tmp_path_factory.mktemp("alive") / "run")


def test_the_finished_model_is_plain_topk_and_knows_nothing_of_it(kept_alive: Run, trained: Run) -> None:
    names = [set(load_file(run.path / "model.safetensors")) for run in (kept_alive, trained)]
    assert names[0] == names[1]
    configs = [json.loads((run.path / "config.json").read_text()) for run in (kept_alive, trained)]
    assert configs[0] == {**configs[1], "topk_by": "magnitude"}
    for step in (8, None):
        model = load(kept_alive.path, step=step).model
        assert all(type(module) is TopK for module in model.model.topk_modules().values())
    assert kept_alive.about["settings"]["lift"] == 0.05
    assert not list(kept_alive.path.rglob(ALIVE))


def test_evaluations_hold_the_stream_in_numbers(kept_alive: Run) -> None:
    row = [row for row in kept_alive.metrics() if "eval_loss" in row][-1]
    assert set(row["stream"]) == set(row["live"]) == {"0", "1"}
    for numbers in row["stream"].values():
        always = {"dead", "top", "rms", "kept", "gain", "silent", "lifted"}
        assert set(numbers) == (always | {"gain_dead"} if numbers["dead"] else always)


class Crash(Exception):
    pass


def crashed(settings: TrainSettings, out: Path, monkeypatch: pytest.MonkeyPatch, *, at: int) -> Run:
    """Train until just before a step's weights change, and no further."""
    plain = TopKTrainer.training_step

    def step_or_crash(self: TopKTrainer, *args: object, **kwargs: object) -> Tensor:
        loss = plain(self, *args, **kwargs)
        if self.state.global_step == at:
            raise Crash
        return loss

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(TopKTrainer, "training_step", step_or_crash)
        train(settings, out)
    return Run(out)


def test_a_crashed_run_goes_on_to_the_same_weights_with_its_bias(
    kept_alive: Run, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = crashed(strong_settings(text_file), tmp_path / "cut", monkeypatch, at=31)
    full = cut.checkpoints("full")[-1][1]
    assert full.name == "full-30"
    state = load_file(full / ALIVE)
    assert set(state) == {"bias.0", "bias.1", "silent.0", "silent.1"}
    assert bool((state["bias.0"] > 0).any() or (state["bias.1"] > 0).any())
    run = resume(cut.path)
    assert sha256_file(run.path / "model.safetensors") == sha256_file(kept_alive.path / "model.safetensors")


def test_a_full_checkpoint_without_the_bias_is_not_whole(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = strong_settings(text_file)
    run = crashed(settings, tmp_path / "run", monkeypatch, at=5)
    newest = run.checkpoints("full")[-1][1]
    assert [problem for _, _, problem in run.checked_checkpoints()] == [None, None]
    (newest / ALIVE).unlink()
    assert [problem is None for _, _, problem in run.checked_checkpoints()] == [False, True]
    model = TopKLMForCausalLM(settings.model_config(vocab_size=320))
    with pytest.raises(RunError, match=r"alive\.safetensors cannot be used"):
        Alive(model, settings).restore(newest)


def test_leaving_gives_the_model_back_as_it_was(small_model: TopKLMForCausalLM) -> None:
    before = small_model.model.topk_modules()
    alive = Alive(small_model, preset("tiny", width=64, k=8, lift=0.01))
    assert all(isinstance(module, WatchedTopK) for module in small_model.model.topk_modules().values())
    assert set(small_model.state_dict()) == set(TopKLMForCausalLM(small_model.config).state_dict())
    small_model.set_topk(k=5)
    alive.leave()
    assert small_model.model.topk_modules() == before
    assert all(module.k == 5 for module in before.values())


def test_the_reported_loss_is_the_language_models_and_accumulation_changes_little(
    text_file: Path, tmp_path: Path
) -> None:
    settings = tiny_settings(text_file, tokens=12 * 256, dead_after=256, trace_checkpoints=1, evaluations=1)
    losses = {}
    for name, changes in {
        "heard": {"aux_loss": 50.0},
        "parts": {"aux_loss": 0.1, "device_tokens": 64},
        "whole": {"aux_loss": 0.1},
    }.items():
        rows = train(replace(settings, **changes), tmp_path / name).metrics()
        losses[name] = [row["loss"] for row in rows if "loss" in row]
    assert max(losses["heard"]) < 8  # fifty times a share of about one would show
    assert losses["heard"] != losses["whole"]
    # A share of sums over quarters of a batch is not quite that over the whole.
    assert losses["parts"] == pytest.approx(losses["whole"], rel=0.02)


def test_a_dense_twin_ignores_what_keeps_neurons_alive(text_file: Path) -> None:
    assert tiny_settings(text_file, **EVERYTHING).watches_neurons
    assert not tiny_settings(text_file, dense=True, **EVERYTHING).watches_neurons
    assert not tiny_settings(text_file, branch_scale=0.5).watches_neurons


def test_branches_begin_scaled_and_nothing_else(trained: Run) -> None:
    settings, tokenizer = trained.settings, load(trained.path).tokenizer
    one, other = (
        new_model(replace(settings, branch_scale=scale), tokenizer, attention="eager").state_dict()
        for scale in (1.0, 0.25)
    )
    for name, weight in one.items():
        scale = 0.25 if "o_proj" in name or "down_proj" in name else 1.0
        assert torch.equal(other[name], weight * scale), name


@given(st.integers(1, 400), st.floats(0, 1))
def test_the_lift_fades_in_one_direction_and_is_gone_at_the_end(steps: int, share: float) -> None:
    path = [fade_at(step, steps=steps, share=share) for step in range(steps + 1)]
    assert path == sorted(path, reverse=True)
    assert path[0] == 1.0
    assert path[-1] == 0.0
    assert all(0 < one <= 1 for one in path[:-1])


@given(st.integers(1, 400), st.integers(0, 20), st.floats(0, 1))
def test_revivals_are_even_within_their_share(steps: int, count: int, share: float) -> None:
    found = revival_steps(steps, count=count, share=share)
    assert len(found) == min(count, int(share * steps))
    assert all(1 <= step <= share * steps for step in found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lift": -0.1}, "^lift=-0.1 is not allowed; choose 0 or a positive number$"),
        ({"lift": float("inf")}, "lift=inf"),
        ({"aux_loss": float("nan")}, "aux_loss=nan"),
        ({"aux_k": 513}, r"aux_k=513 is not allowed; choose 0\.\.512"),
        ({"lift_below": 1.5}, "a share in 0..1"),
        ({"lift_fade": -0.1}, "a share in 0..1"),
        ({"revive": -1}, "revive=-1 is not allowed; choose 0 or more"),
        ({"revive_share": 2.0}, "a share in 0..1"),
        ({"dead_after": 0}, "1 or more"),
        ({"branch_scale": 0.0}, "branch_scale=0.0 is not allowed; choose a positive number"),
        ({"revive": "often"}, "revive='often' should be int"),
    ],
)
def test_a_bad_setting_is_one_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        preset("tiny", **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("by", SELECTIONS)
def test_every_way_of_ranking_and_annealing_goes_with_everything(
    by: str, text_file: Path, tmp_path: Path
) -> None:
    for anneal in ("none", "k", "blend"):
        settings = tiny_settings(text_file, topk_by=by, anneal=anneal, n_nontopk=0, **EVERYTHING)
        run = train(settings, tmp_path / anneal)
        assert load(run.path).model.config.topk_k == 8
        assert run.metrics()[-1]["eval_loss"] < 4.5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch's own, at a graph break
def test_a_compiled_run_trains_with_everything(text_file: Path, tmp_path: Path) -> None:
    changes = {**EVERYTHING, "compile": True, "tokens": 6 * 256, "dead_after": 256}
    losses = []
    for name, compiled in (("plain", False), ("compiled", True)):
        run = train(tiny_settings(text_file, **{**changes, "compile": compiled}), tmp_path / name)
        losses.append([row["loss"] for row in run.metrics() if "loss" in row])
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
