"""Several processes: the same losses as one, every document once, and an end in words when one is lost."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import load_file

from jobs import job, torchrun
from samples import sentences, tiny_settings
from topklm.core.errors import InputError
from topklm.core.processes import Place, may_speak, place
from topklm.data import Blocks, Packed, load_corpus, pack
from topklm.training import Interrupted, Run, TrainSettings, load, resume, train
from topklm.training.callbacks import Pace

STEPS = 50
"""Steps of 8 blocks; the text has about 290, so that a second epoch begins."""


def losses(run: Run | Path) -> dict[int, float]:
    rows = (Run(run) if isinstance(run, Path) else run).metrics()
    found = [(row["step"], row["loss"]) for row in rows if "loss" in row]
    assert [step for step, _ in found] == list(range(1, STEPS + 1))  # one process writes, each line once
    return dict(found)


def assert_same_losses(found: Run | Path, expected: Run | Path, *, within: float = 1e-4) -> None:
    one, other = losses(found), losses(expected)
    assert max(abs(one[step] - other[step]) for step in one) <= within


@pytest.fixture(scope="module")
def settings(text_file: Path) -> TrainSettings:
    return tiny_settings(
        text_file, tokens=STEPS * 256, precision="fp32", threads=1, full_checkpoints=5, lr=1e-3
    )


@pytest.fixture(scope="module")
def asked(settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("asked") / "settings.json"
    path.write_text(json.dumps(settings.as_json()))
    return path


@pytest.fixture(scope="module")
def alone(settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One process, all blocks of a step at once."""
    return train(settings, tmp_path_factory.mktemp("alone") / "run")


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one_and_read_every_block_once(
    settings: TrainSettings, asked: Path, alone: Run, tmp_path: Path
) -> None:
    done = job(tmp_path, "train", "--config", str(asked), "--out", str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done: ") == 1
    assert done.stderr.count("steps of") == 1
    assert "Warning" not in done.stderr
    run = Run(tmp_path / "two")
    assert_same_losses(run, alone)
    assert run.about["machine"]["processes"] == 2
    evaluated = [[row["eval_loss"] for row in one.metrics() if "eval_loss" in row] for one in (run, alone)]
    assert evaluated[0] == pytest.approx(evaluated[1], abs=1e-4)

    # In turns, one process takes the same sums in the same order: then not a bit may differ.
    in_turns = train(replace(settings, device_tokens=settings.batch_tokens // 2), tmp_path / "in-turns")
    assert losses(in_turns) == losses(run)
    assert in_turns.revision == run.revision

    blocks = Blocks(Packed.open(run.path / "data", "train"), settings.context)
    seen = [Path(tmp_path, f"seen-{rank}.txt").read_text().splitlines() for rank in (0, 1)]
    assert [len(lines) for lines in seen] == [STEPS * 4, STEPS * 4]
    order = [
        line.split(" ", 1)[1]
        for step in range(STEPS)
        for lines in seen
        for line in lines
        if line.startswith(f"{step} ")
    ]
    written = [" ".join(map(str, blocks[index]["input_ids"].tolist())) for index in range(len(blocks))]
    assert len(written) < len(order) < 2 * len(written)
    assert sorted(order[: len(written)]) == sorted(written)
    assert set(order[len(written) :]) <= set(written)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_a_killed_process_ends_the_job_in_one_line_and_any_number_goes_on(
    lost: int, asked: Path, alone: Run, tmp_path: Path
) -> None:
    out, began = tmp_path / "run", time.monotonic()
    done = job(tmp_path, "train", "--config", str(asked), "--out", str(out), kill=[lost, 25], timeout=300)
    assert done.returncode == 1
    assert time.monotonic() - began < 200  # half of it is starting, on a slow machine
    said = [line for line in done.stderr.splitlines() if line.startswith("topklm: ")]
    assert said == [
        "topklm: another of the 2 processes ended or did not answer; go on with: "
        f"topklm train --resume --out {out}"
    ]
    assert [step for step, _ in Run(out).checkpoints("full")] == [10, 20]
    if lost:
        assert_same_losses(resume(out), alone)
        assert Run(out).about["machine"]["processes"] == 1
        return
    done = torchrun("-m", "topklm", "train", "--resume", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "resumed from step 20" in done.stderr
    assert_same_losses(out, alone)


@pytest.mark.slow
def test_a_process_that_hangs_ends_the_job_after_the_timeout(
    asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOPKLM_TIMEOUT", "40")
    out = tmp_path / "run"
    done = job(tmp_path, "train", "--config", str(asked), "--out", str(out), freeze=[1, 5], timeout=400)
    # Forty seconds, thirty that the launcher gives the frozen one, and some for a slow machine.
    assert time.time() - (out / "metrics.jsonl").stat().st_mtime < 40 + 30 + 60
    assert done.returncode == 1
    assert done.stderr.count("topklm: another of the 2 processes ended or did not answer") == 1


@pytest.mark.slow
def test_neurons_are_kept_alive_by_the_tokens_of_all_processes(
    settings: TrainSettings, tmp_path: Path
) -> None:
    changed = replace(
        settings, lift=0.01, aux_loss=0.03, revive=2, dead_after=500, device_tokens=settings.batch_tokens // 2
    )
    asked = tmp_path / "settings.json"
    asked.write_text(json.dumps(changed.as_json()))
    done = torchrun("-m", "topklm", "train", "--config", str(asked), "--out", str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    in_turns = train(changed, tmp_path / "one")
    assert_same_losses(tmp_path / "two", in_turns)
    one, two = (run.metrics()[-1]["stream"] for run in (in_turns, Run(tmp_path / "two")))
    for layer, numbers in one.items():
        assert two[layer] == pytest.approx(numbers, abs=1e-4)


@pytest.mark.slow
def test_a_split_model_has_the_same_losses_and_its_checkpoints_are_ordinary_ones(
    settings: TrainSettings, alone: Run, tmp_path: Path
) -> None:
    asked = tmp_path / "settings.json"
    asked.write_text(json.dumps(replace(settings, fsdp=True, embedding_lr=2e-3).as_json()))
    expected = train(replace(settings, embedding_lr=2e-3), tmp_path / "one")
    out = tmp_path / "run"
    done = job(tmp_path, "train", "--config", str(asked), "--out", str(out), stop=[1, 25])
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("topklm: ")]
    assert said == [f"topklm: interrupted at step 25 of 50; go on with: topklm train --resume --out {out}"]
    shutil.copytree(out, tmp_path / "copy")
    newest = out / "checkpoints" / "full-25"
    ordinary = load_file(alone.path / "model.safetensors")
    for directory in (newest, out / "checkpoints" / "trace-2"):
        shapes = {name: value.shape for name, value in load_file(directory / "model.safetensors").items()}
        assert shapes == {name: value.shape for name, value in ordinary.items()}
    moments = torch.load(newest / "optimizer.pt", weights_only=True)["state"]
    assert len(moments) == len(ordinary)
    assert_same_losses(resume(tmp_path / "copy"), expected)
    done = torchrun("-m", "topklm", "train", "--resume", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert_same_losses(out, expected)
    assert load(out).run.parameters == alone.parameters


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("fsdp", [False, True])
def test_turns_recomputing_bf16_and_compiling_go_with_several_processes(
    fsdp: bool, compiled: bool, settings: TrainSettings, tmp_path: Path
) -> None:
    plain = replace(settings, tokens=10 * 256, precision="bf16", device_tokens=64, full_checkpoints=1)
    expected = train(plain, tmp_path / "one")
    asked = tmp_path / "settings.json"
    changed = replace(plain, fsdp=fsdp, recompute=True, compile=compiled)
    asked.write_text(json.dumps(changed.as_json()))
    done = torchrun("-m", "topklm", "train", "--config", str(asked), "--out", str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    one, two = (
        [row["loss"] for row in run.metrics() if "loss" in row] for run in (expected, Run(tmp_path / "two"))
    )
    assert len(two) == 10
    assert two == pytest.approx(one, abs=0.02)  # bf16 has two to three digits


@pytest.mark.slow
def test_two_processes_go_on_with_what_one_began(
    settings: TrainSettings, alone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_of_step = Pace.on_step_end

    def stopping(self: Pace, arguments: object, state: object, *rest: object, **kwargs: object) -> None:
        self.stopping = state.global_step == 25  # type: ignore[attr-defined]
        end_of_step(self, arguments, state, *rest, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="step 25 of 50"):
        patch.setattr(Pace, "on_step_end", stopping)
        train(settings, tmp_path / "run")
    done = torchrun("-m", "topklm", "train", "--resume", "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert_same_losses(tmp_path / "run", alone)


@pytest.mark.slow
def test_two_processes_read_every_document_of_a_streamed_corpus_once(
    settings: TrainSettings, tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    texts = sentences(400)
    for number in range(5):
        table = pyarrow.table({"text": texts[number * 80 : (number + 1) * 80]})
        pyarrow.parquet.write_table(table, shards / f"train-{number:05d}-of-00005.parquet")
    asked, out = tmp_path / "settings.json", tmp_path / "run"
    changed = replace(settings, data=["somebody/animals"])
    asked.write_text(json.dumps(changed.as_json()))
    done = job(tmp_path, "train", "--config", str(asked), "--out", str(out), hub=str(shards))
    assert done.returncode == 0, done.stderr
    tokenizer = load(out).tokenizer
    training, held_out = (Packed.open(out / "data", name) for name in ("train", "validation"))
    assert len(training.documents) + len(held_out.documents) == len(texts)
    corpus, _ = load_corpus(str(shards)).split()
    read_here = pack(corpus, tokenizer, tmp_path / "packed", "train")
    assert training.about["tokens_sha256"] == read_here.about["tokens_sha256"]


def test_a_step_is_shared_out_evenly_or_refused(text_file: Path) -> None:
    settings = tiny_settings(text_file)
    assert settings.portion(1) == (8, 1)
    assert settings.portion(4) == (2, 1)
    assert replace(settings, device_tokens=64).portion(2) == (2, 2)
    with pytest.raises(InputError, match="8 blocks of context=32, which 3 processes cannot take evenly"):
        settings.portion(3)
    with pytest.raises(InputError, match="4 processes cannot take 8 at a time"):
        replace(settings, device_tokens=256).portion(4)


def test_a_process_knows_its_place_or_says_that_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert place() == Place(0, 1, 0, 1)
    for name, value in {"RANK": 5, "WORLD_SIZE": 8, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 4}.items():
        monkeypatch.setenv(name, str(value))
    assert place() == Place(5, 8, 1, 4)
    monkeypatch.delenv("LOCAL_RANK")
    with pytest.raises(InputError, match="torchrun"):
        place()
    assert may_speak()  # what is wrong with the place can still be told


def test_what_a_split_model_cannot_do_is_said_before_training(text_file: Path) -> None:
    with pytest.raises(InputError, match="whole weights"):
        tiny_settings(text_file, fsdp=True, revive=2)
    with pytest.raises(InputError, match="count firings twice"):
        tiny_settings(text_file, recompute=True, lift=0.01)
