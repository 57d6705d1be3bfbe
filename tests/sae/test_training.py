"""SAEs are trained on a run's twin, together as alone, killed and continued as in one go."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from samples import tiny_settings
from topklm import FeatureIndex, InputError, Interrupted
from topklm.cli.main import main
from topklm.core.errors import RunError, TrainingError
from topklm.core.files import MANIFEST, damage, seal
from topklm.data import Packed
from topklm.features.replacing import replaced
from topklm.index import source_of
from topklm.sae import SAELatents, train_run_saes, train_saes
from topklm.sae import train as training
from topklm.sae.schedule import Schedule, last_tenth
from topklm.sae.settings import SAESettings, parse_widths
from topklm.sae.store import Origin, read_set
from topklm.sae.stream import Chunks, shuffled
from topklm.training import load
from topklm.training import train as train_run

SMALL: dict[str, Any] = {"tokens": 20_480, "batch_tokens": 64, "lr": 0.005, "threads": 1}


def weights(directory: Path) -> dict[str, dict[str, torch.Tensor]]:
    """All SAEs' weights below a directory."""
    return {
        str(path.relative_to(directory)): load_file(path)
        for path in sorted(directory.rglob("sae_weights.safetensors"))
    }


def same(first: Any, second: Any) -> bool:
    return first.keys() == second.keys() and all(
        one.keys() == second[key].keys() and all(torch.equal(one[name], second[key][name]) for name in one)
        for key, one in first.items()
    )


def copied(path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(path, tmp_path / "copy"))


def test_training_explains_more_and_says_what_it_cost(with_saes: Path) -> None:
    for name, width in (("sae_1x", 1), ("sae_2x", 2)):
        directory = with_saes / "sae" / name
        assert damage(directory) is None
        about = json.loads((directory / "sae.json").read_text())
        assert (about["format"], about["width"], about["seed"]) == ("topklm.sae/1", width, 0)
        assert about["settings"]["k"] == 8
        assert about["revision"] == load(with_saes / "twin").run.revision
        assert list(about["saes"]) == ["0", "1"]
        assert about["reading"]["shared_by"] == 4
        for one in about["saes"].values():
            curve = one["curve"]
            assert curve[-1]["tokens"] == one["tokens"] == 64 * one["steps"]
            assert curve[-1]["explained_variance"] > curve[0]["explained_variance"] + 0.01
            assert one["flops"] == 12 * 32 * 32 * width * one["tokens"]
            assert one["flat"] == (one["last_tenth"] < 0.01)
            assert one["seconds"] > 0
    assert not (with_saes / "sae" / ".work").exists()


def test_the_saved_saes_do_what_was_measured_while_training(with_saes: Path) -> None:
    loaded = load(with_saes)
    source: Any = source_of(loaded, "sae_2x")
    assert source.sites == (0, 1)
    assert source.width(0) == 64
    about = json.loads((with_saes / "sae" / "sae_2x" / "sae.json").read_text())
    chunks = Chunks(
        source.model, Packed.open(with_saes / "twin" / "data", "validation"), context=32, batch_tokens=64
    )
    rows = min(-(-training.HELD_OUT_TOKENS // 32), chunks.blocks, chunks.rows)
    hidden = training.streams(source.model, chunks.token_ids(0)[:rows], source.sites)
    for site, streams in hidden.items():
        codes = source.encode(site, streams)
        assert int(codes.counts.max()) <= 8
        error = (source.decode(site, codes) - streams).square().sum()
        variance = 1 - error / (streams - streams.mean(dim=0)).square().sum()
        point = about["saes"][str(site)]["curve"][-1]
        assert float(variance) == pytest.approx(point["explained_variance"], abs=1e-4)
        fired = np.unique(codes.indices.numpy())
        assert 1 - len(fired) / 64 == pytest.approx(point["dead"])


def test_an_sae_is_the_same_whoever_is_trained_beside_it(
    paired: Path, with_saes: Path, tmp_path: Path
) -> None:
    path = copied(paired, tmp_path)
    train_run_saes(path, widths=(2,), sites=(1,), **SMALL)
    alone, together = path / "sae" / "sae_2x", with_saes / "sae" / "sae_2x"
    name = "blocks.1.hook_resid_post/sae_weights.safetensors"
    assert same({name: load_file(alone / name)}, {name: load_file(together / name)})


@pytest.mark.parametrize("architecture", ["topk", pytest.param("batchtopk", marks=pytest.mark.slow)])
def test_killed_and_continued_it_ends_with_the_same_weights(
    architecture: str, paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {
        **SMALL,
        "widths": (1,),
        "sites": (1,),
        "architecture": architecture,
        "lr": 0.001,
    }
    whole, path = copied(paired, tmp_path / "a"), copied(paired, tmp_path / "b")
    train_run_saes(whole, **options)
    monkeypatch.setattr(training, "SECONDS", -1.0)
    real, calls = training.Member.train, 0

    def killed(self: Any, *rest: Any) -> None:
        nonlocal calls
        calls += 1
        if calls in (3, 5):
            raise KeyboardInterrupt
        real(self, *rest)

    monkeypatch.setattr(training.Member, "train", killed)
    for _ in range(2):
        with pytest.raises(Interrupted, match="the same command goes on"):
            train_run_saes(path, **options)
        assert not list((path / "sae").glob("sae_*"))
    said: list[str] = []
    train_run_saes(path, say=said.append, **options)
    assert said[0] == f"going on after {3 * 2048:,} tokens"
    assert same(weights(path / "sae"), weights(whole / "sae"))
    abouts = [json.loads(next(one.rglob("sae.json")).read_text()) for one in (path, whole)]
    curves = [next(iter(about["saes"].values()))["curve"] for about in abouts]
    assert curves[0] == curves[1]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["batchtopk", "jumprelu", "standard"])
def test_other_architectures_are_read_like_topk(architecture: str, paired: Path, tmp_path: Path) -> None:
    path = copied(paired, tmp_path)
    made = train_run_saes(path, sites=(1,), architecture=architecture, **{**SMALL, "tokens": 8192})
    assert made == [path / "sae" / f"sae_1x_{architecture}"]
    source: Any = source_of(path, made[0].name)
    measured = replaced(source, Packed.open(path / "data", "validation"))[0]
    assert 0 < measured.l0.value < 32
    assert measured.explained_variance.value > 0.1


def test_what_is_there_is_kept_and_other_settings_are_refused(with_saes: Path) -> None:
    options: dict[str, Any] = {**SMALL, "widths": (1, 2)}
    said: list[str] = []
    before = weights(with_saes / "sae")
    train_run_saes(with_saes, say=said.append, **options)
    assert "nothing to do" in said[0]
    for change, message in (
        ({"lr": 0.001}, "made with lr=0.005, not 0.001"),
        ({"k": 4}, "made with k=8, not 4"),
        ({"sites": (1,)}, r"made with sites=\[0, 1\], not \[1\]"),
        ({"widths": (1, 4)}, "holds sae_1x already"),
    ):
        with pytest.raises(InputError, match=message):
            train_run_saes(with_saes, **{**options, **change})
    assert same(weights(with_saes / "sae"), before)


def test_a_checkpoint_with_one_sum_of_reading_is_gone_on_with(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls = copied(paired, tmp_path), []

    def killed(self: Any, active: Any) -> None:
        chunk(self, active)
        calls.append(1)
        if len(calls) == 1:
            self._save()
            raise KeyboardInterrupt

    chunk = training._Training._chunk
    monkeypatch.setattr(training._Training, "_chunk", killed)
    with pytest.raises(Interrupted):
        train_run_saes(path, sites=(1,), **SMALL)
    (state_file,) = (path / "sae" / ".work").glob("chunk-*/state.json")
    state = json.loads(state_file.read_text())
    state["reading"] = state["reading"]["sae_1x"]
    state_file.write_text(json.dumps(state))
    opened = state_file.parent.rename(state_file.parent.with_name("opened"))
    (opened / MANIFEST).unlink()
    seal(opened, state_file.parent)
    train_run_saes(path, sites=(1,), **SMALL)
    about = read_set(path / "sae" / "sae_1x")
    assert about["reading"]["tokens"] >= about["saes"]["1"]["tokens"]


def test_reading_counts_until_the_last_sae_of_a_set_is_done(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ended = copied(paired, tmp_path), training.Member.ended
    early = property(lambda one: ended.fget(one) or (one.width == 1 and one.tokens >= 2048))  # type: ignore[attr-defined]
    monkeypatch.setattr(training.Member, "ended", early)
    train_run_saes(path, widths=(1, 2), sites=(1,), **SMALL)
    first, second = (read_set(path / "sae" / name)["reading"] for name in ("sae_1x", "sae_2x"))
    assert 2048 <= first["tokens"] < second["tokens"]
    assert first["seconds"] < second["seconds"]
    assert first["flops"] / first["tokens"] == second["flops"] / second["tokens"]


def test_an_unfinished_training_is_not_mixed_with_another(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copied(paired, tmp_path)

    def killed(self: Any, *rest: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training.Member, "train", killed)
    with pytest.raises(Interrupted):
        train_run_saes(path, sites=(1,), **SMALL)
    with pytest.raises(InputError, match="unfinished training of SAEs with other settings"):
        train_run_saes(path, sites=(0,), **SMALL)
    moved = path.rename(path.with_name("moved"))
    with pytest.raises(Interrupted):  # it goes on, and is killed again
        train_run_saes(moved, sites=(1,), **SMALL)
    next(moved.rglob("plan.json")).write_text("3")
    with pytest.raises(InputError, match="unfinished training of SAEs with other settings"):
        train_run_saes(moved, sites=(1,), **SMALL)


def test_a_loss_that_is_not_finite_is_said(paired: Path, tmp_path: Path) -> None:
    path = copied(paired, tmp_path)
    with pytest.raises(TrainingError, match=r"sae_1x-L1 is not finite .* smaller --lr"):
        train_run_saes(path, sites=(1,), **{**SMALL, "lr": 1e30})
    assert len(train_run_saes(path, sites=(1,), **SMALL)) == 1  # another rate needs nothing deleted


def test_no_sae_trains_past_its_tokens(paired: Path, tmp_path: Path) -> None:
    path = copied(paired, tmp_path)  # a chunk has 32 batches
    (made,) = train_run_saes(path, sites=(1,), **{**SMALL, "tokens": 33 * 64})
    assert read_set(made)["saes"]["1"]["tokens"] == 33 * 64


def test_a_twin_with_another_tokenizer_or_text_is_refused(
    paired: Path, text_file: Path, tmp_path: Path
) -> None:
    path = copied(paired, tmp_path)
    shutil.rmtree(path / "twin")
    with pytest.raises(RunError, match="needs the dense twin"):
        train_run_saes(path, **SMALL)
    other = tmp_path / "other.txt"
    other.write_text(text_file.read_text().replace("barn", "shed"))
    changes: dict[str, Any] = {"dense": True, "tokens": 256}
    train_run(tiny_settings(text_file, tokenizer="bpe:300", **changes), tmp_path / "tokens")
    train_run(tiny_settings(other, tokenizer=str(path), **changes), tmp_path / "text")
    for twin, message in (("tokens", "its tokenizer is another"), ("text", "trained on another text")):
        with pytest.raises(RunError, match=message):
            train_run_saes(path, twin=tmp_path / twin, **SMALL)
    assert not (path / "sae").exists()


def test_saes_of_other_weights_or_damaged_ones_are_refused(with_saes: Path, tmp_path: Path) -> None:
    path = copied(with_saes, tmp_path)
    with pytest.raises(InputError, match=r"has no SAEs 'sae_9x', it has sae_1x, sae_2x"):
        source_of(path, "sae_9x")
    about = path / "sae" / "sae_2x" / "sae.json"
    about.write_text(about.read_text().replace("topklm.sae/1", "topklm.sae/9"))
    with pytest.raises(InputError, match=r"sae.json is damaged; delete it and train them anew"):
        source_of(path, "sae_2x")
    model = load(path / "twin").model
    model.model.norm.weight.data += 1
    model.save_pretrained(path / "twin")
    with pytest.raises(RunError, match="were trained on weights"):
        source_of(path, "sae_1x")


def test_latents_are_indexed_by_name(
    with_saes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied(with_saes, tmp_path)
    assert main(["index", str(path), "--source", "sae_2x", "--no-effects"]) == 0
    index = FeatureIndex.open(path / "index-sae_2x")
    assert index.source == "sae_2x"
    assert index.layout.widths == (64, 64)
    assert "layer 1: 64 latents" in capsys.readouterr().out
    assert main(["neurons", str(path / "index-sae_2x"), "--layer", "1", "--limit", "2"]) == 0
    assert "L1/F" in capsys.readouterr().out
    assert main(["index", str(path), "--source", "nonsense"]) == 2
    assert "there is no source 'nonsense'" in capsys.readouterr().err


def test_quality_stands_beside_posthoc_topk_and_the_neurons(
    with_saes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sae", "eval", str(with_saes), "--tokens", "300", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["format"] == "topklm.sae-quality/1"
    rows = {(row["source"], row["site"], row["metric"]): row for row in content["rows"]}
    assert {key[0] for key in rows} == {"sae_1x", "sae_2x", "posthoc", "topk"}
    for row in content["rows"]:
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"]
    for site in (0, 1):
        assert rows["topk", site, "ce_score"]["value"] == pytest.approx(1)
        assert rows["topk", site, "explained_variance"]["value"] == 1
        assert rows["posthoc", site, "l0"]["value"] == pytest.approx(8)
        assert rows["sae_1x", site, "model_loss"] | {"source": ""} == rows["posthoc", site, "model_loss"] | {
            "source": ""
        }
        assert rows["sae_2x", site, "train_flops"]["value"] > 0
    assert main(["sae", "eval", str(with_saes), "--tokens", "300", "--source", "sae_1x"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[:3] == ["source", "layer", "features"]
    assert [line.split()[0] for line in table[1:-1]] == ["sae_1x"] * 2 + ["posthoc"] * 2 + ["topk"] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--width", "big"], "width 'big' is none; write 1x, 4x, 8x or 16x"),
        (["--width", "0x"], "widths=0 is not allowed"),
        (["--sites", "1,x"], "--sites '1,x' is no list of layers"),
        (["--sites", "7"], "sites=7 is not allowed; the model has the layers 0..2"),
        (["--architecture", "gated"], "architecture=gated is not allowed; choose one of topk"),
        (["--k", "33"], "k=33 exceeds the 32 latents"),
        (["--tokens", "10"], "tokens=10 is not allowed"),
        (["--lr", "0"], "lr=0.0 is not allowed"),
        (["--threads", "-1"], "threads=-1 is not allowed"),
        (["--sparsity", "1"], "--sparsity is for jumprelu and standard"),
    ],
)
def test_bad_options_are_said_before_anything_is_written(
    arguments: list[str], message: str, paired: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sae", "train", str(paired), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (paired / "sae").exists()
    assert main(["sae", "eval", str(paired)]) == 2
    assert "has no SAEs" in capsys.readouterr().err


def test_chunks_read_every_block_once_before_any_again(paired: Path) -> None:
    packed = Packed.open(paired / "twin" / "data", "validation")
    chunks = Chunks(None, packed, context=8, batch_tokens=8)
    blocks = chunks.blocks
    firsts = [tuple(row.tolist()) for number in range(blocks) for row in chunks.token_ids(number)]
    expected = sorted(tuple(packed.tokens[start : start + 8].tolist()) for start in range(0, blocks * 8, 8))
    for epoch in range(2):
        assert sorted(firsts[epoch * blocks : (epoch + 1) * blocks]) == expected
    assert firsts[:blocks] != firsts[blocks : 2 * blocks]
    order = shuffled(100, seed=1, number=3)
    assert sorted(order.tolist()) == list(range(100))
    assert order.tolist() != shuffled(100, seed=2, number=3).tolist()


@given(
    budget=st.integers(1000, 10**7),
    cool=st.floats(0, 1),
    done=st.floats(0, 1.2),
)
def test_the_rate_rises_stays_and_falls_to_zero(budget: int, cool: float, done: float) -> None:
    schedule = Schedule(budget, 0.5)
    assert budget - 1 <= schedule.end <= budget
    schedule.cool(round(cool * budget))
    assert schedule.end <= budget
    assert 0 <= schedule.rate(round(done * budget)) <= 0.5
    assert schedule.rate(schedule.end) == 0
    if 0.02 * budget + 1 < schedule.cooled_from:
        assert schedule.rate(schedule.cooled_from) == 0.5


def test_the_gain_of_a_curve_is_that_of_its_last_tenth() -> None:
    rising = [(tokens, tokens / 100) for tokens in range(10, 101, 10)]
    assert last_tenth(rising) == pytest.approx(0.1)
    assert last_tenth([*rising, (110, 1.0), (120, 1.005)]) == pytest.approx(0.005)
    assert last_tenth([(10, 0.5)]) is None


def test_a_flat_curve_ends_the_training_early_and_one_that_rises_does_not(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copied(paired, tmp_path)
    values = iter([0.1, 0.2, 0.3, 0.305] + [0.306] * 20)
    real = training.Member.measure

    def told(self: Any, held_out: Any) -> None:
        before = self.schedule.cooled_from
        real(self, held_out)
        self.schedule.cooled_from = before
        self.curve[-1] = self.curve[-1]._replace(explained_variance=next(values))
        if self.flat:
            self.schedule.cool(self.tokens)

    monkeypatch.setattr(training.Member, "measure", told)
    said: list[str] = []
    train_run_saes(path, sites=(1,), say=said.append, **SMALL)
    assert said == [f"sae_1x-L1: flat after {4 * 2048:,} tokens, so it ends after {5 * 2048:,}"]
    about = json.loads((path / "sae" / "sae_1x" / "sae.json").read_text())["saes"]["1"]
    assert (about["tokens"], about["flat"]) == (5 * 2048, True)


def test_settings_say_what_is_called_how() -> None:
    settings = SAESettings(sites=(2, 1, 2), k=4, widths=parse_widths(["8x", "1"]), seeds=(1, 0))
    assert (settings.sites, settings.widths, settings.seeds) == ((1, 2), (1, 8), (0, 1))
    assert settings.name_of(8, 0) == "sae_8x"
    other = SAESettings(sites=(0,), k=4, architecture="jumprelu")
    assert other.name_of(4, 2) == "sae_4x_jumprelu_seed2"


def test_any_causal_language_model_is_read(gpt2: Any, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    tokens = generator.integers(2, 300, 4096).astype(np.uint16)
    packed = Packed(tokens, np.array([[0, 4096]]), {"tokens_sha256": "none"})
    settings = SAESettings(sites=(0, 2), k=4, widths=(2,), tokens=4096, batch_tokens=64, lr=0.003)
    origin = Origin("gpt2", "none", "none", "none")
    made = train_saes(gpt2, packed, packed, settings, tmp_path / "saes", origin=origin, threads=1)
    source = SAELatents.load(gpt2, None, *made)
    assert source.sites == (0, 2)
    about = read_set(made[0])
    ids = torch.from_numpy(tokens[:128].astype(np.int64)).view(2, 64)
    for site, codes in source.codes(ids).items():
        assert int(codes.counts.max()) <= 4
        assert about["saes"][str(site)]["curve"][-1]["explained_variance"] > 0.1
    with pytest.raises(InputError, match=r"made with context=\d+, not 32"):
        train_saes(gpt2, packed, packed, settings, tmp_path / "saes", origin=origin, context=32)
