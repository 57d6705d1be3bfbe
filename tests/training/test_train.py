"""Training: what a run holds, that it repeats, that it survives being killed."""

import json
import math
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from samples import tiny_settings
from topklm.core.errors import CorpusError, InputError, RunError, StreamError, TrainingError
from topklm.core.files import damage, sha256_file
from topklm.data import load_corpus, load_tokenizer
from topklm.evaluation.generation import write
from topklm.model import TopKLMForCausalLM
from topklm.training import Interrupted, Run, load, preset, resume, train
from topklm.training.initial import new_model
from topklm.training.machine import Machine
from topklm.training.prepare import find_corpora, with_absolute_paths
from topklm.training.run import read_settings
from topklm.training.schedules import trace_steps
from topklm.training.trainer import Shuffled, TopKTrainer


def weights(run: Run) -> str:
    return sha256_file(run.path / "model.safetensors")


def test_a_run_holds_what_it_promises(trained: Run) -> None:
    assert trained.finished
    assert trained.about["format"] == "topklm.run/1"
    assert set(trained.about["versions"]) == {
        "topklm", "torch", "transformers", "accelerate", "tokenizers", "numpy",
    }  # fmt: skip
    assert set(trained.about["machine"]) == {"device", "precision", "attention", "threads", "processes"}
    assert (
        trained.about["corpus"]["train"]["documents"] + trained.about["corpus"]["validation"]["documents"]
        == 400
    )
    assert [step for step, _ in trained.checkpoints("trace")] == trace_steps(40, 4)
    assert trained.checkpoints("full") == []
    assert not list(trained.path.rglob(".partial*"))
    assert not list(trained.path.rglob("*.bin"))
    assert not list(trained.path.rglob("*.pt"))


def test_the_metrics_go_from_step_zero_to_the_end_and_the_loss_falls(trained: Run) -> None:
    rows = trained.metrics()
    evaluated = [row for row in rows if "eval_loss" in row]
    assert [row["step"] for row in evaluated] == [0, 20, 40]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 41))
    assert evaluated[0]["eval_loss"] == pytest.approx(math.log(320), rel=0.1)
    assert evaluated[-1]["eval_loss"] < evaluated[0]["eval_loss"] - 1
    assert all(set(row["live"]) == {"0", "1"} for row in evaluated)
    assert all(0 <= share <= 1 for row in evaluated for share in row["live"].values())
    assert all(isinstance(row["sample"], str) for row in evaluated)
    assert all(row["tokens_per_second"] > 0 for row in rows if "loss" in row)


def test_a_file_of_settings_that_names_a_preset_means_it(trained: Run, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"preset": "small", "data": ["books.parquet"], "k": 16}))
    assert read_settings(path) == preset("small", data=["books.parquet"], k=16)
    path.write_text(json.dumps({"preset": ["tiny"]}))
    with pytest.raises(InputError, match="preset"):
        read_settings(path)
    path.write_text(json.dumps(trained.settings.as_json()))  # all of them: nothing is filled in
    assert read_settings(path) == trained.settings


def test_the_trained_model_is_sparse_at_the_final_k(trained: Run) -> None:
    model, tokenizer, run = load(trained.path)
    assert isinstance(model, TopKLMForCausalLM)
    assert run.revision == weights(trained)
    assert run.parameters == sum(parameter.numel() for parameter in model.parameters())
    ids = tokenizer("The cat went to the barn.", return_tensors="pt").input_ids
    assert all((code.counts == 8).all() for code in model.codes(ids).values())


def test_the_same_settings_give_the_same_weights_and_the_twin_the_same_data(
    trained: Run, tmp_path: Path
) -> None:
    again = train(read_settings(trained.path), tmp_path / "again")
    assert weights(again) == weights(trained)
    twin = train(replace(trained.settings, dense=True), tmp_path / "twin")
    for name in ("train", "validation"):
        assert twin.about["corpus"][name] == trained.about["corpus"][name]
    assert twin.about["tokenizer_sha256"] == trained.about["tokenizer_sha256"]
    first = [load(run.path, step=0).model.state_dict() for run in (trained, twin)]
    assert all(torch.equal(first[0][name], first[1][name]) for name in first[0])
    assert load(twin.path).model.config.topk_layers == []
    assert weights(twin) != weights(trained)


def test_tracing_checkpoints_load_and_the_last_is_the_final_model(trained: Run) -> None:
    last = load(trained.path, step=40).model
    final = load(trained.path).model
    for name, weight in final.state_dict().items():
        assert torch.equal(last.state_dict()[name], weight.to(torch.bfloat16).float()), name
    with pytest.raises(RunError, match="it has \\[0, 1, 2, 4"):
        load(trained.path, step=3)


@pytest.mark.parametrize("anneal", ["k", "blend"])
def test_an_annealed_run_stores_its_sparsity_and_ends_at_k(
    anneal: str, text_file: Path, tmp_path: Path
) -> None:
    run = train(
        tiny_settings(text_file, anneal=anneal, tokens=12 * 256, trace_checkpoints=6), tmp_path / "run"
    )
    configs = {
        step: json.loads((path / "config.json").read_text()) for step, path in run.checkpoints("trace")
    }
    first, last = configs[0], configs[12]
    assert (first["topk_k"], first["topk_blend"]) == ((32, 1.0) if anneal == "k" else (8, 0.0))
    assert (last["topk_k"], last["topk_blend"]) == (8, 1.0)
    between = configs[4]
    assert between["topk_k"] > 8 or 0 < between["topk_blend"] < 1
    assert load(run.path).model.config.topk_k == 8


def test_every_epoch_shows_every_block_once() -> None:
    class Numbers:
        def __len__(self) -> int:
            return 7

        def __getitem__(self, index: int) -> int:
            return index

    shown = Shuffled(Numbers(), length=21, seed=3)  # type: ignore[arg-type]
    order = [shown[index] for index in range(21)]
    assert [sorted(order[start : start + 7]) for start in (0, 7, 14)] == [list(range(7))] * 3
    assert order[:7] != order[7:14]
    assert [shown[index] for index in reversed(range(21))] == order[::-1]


def test_a_loss_that_is_not_finite_stops_training_and_names_the_step(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = TopKTrainer.compute_loss
    calls = 0

    def poisoned(self: TopKTrainer, model: object, *args: object, **kwargs: object) -> object:
        nonlocal calls
        loss = plain(self, model, *args, **kwargs)
        calls += 1
        return loss if isinstance(loss, tuple) or self.state.global_step < 3 else loss * math.nan

    monkeypatch.setattr(TopKTrainer, "compute_loss", poisoned)
    with pytest.raises(TrainingError, match="nan at step 4"):
        train(tiny_settings(text_file), tmp_path / "run")
    assert not Run(tmp_path / "run").finished


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch, act: object) -> None:
    """Do something at the start of a step of the next training."""
    plain = TopKTrainer.training_step

    def step_or_act(self: TopKTrainer, *args: object, **kwargs: object) -> object:
        if self.state.global_step == step:
            act()  # type: ignore[operator]
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(TopKTrainer, "training_step", step_or_act)


def comparable(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [
        {name: value for name, value in row.items() if name not in ("seconds", "tokens_per_second")}
        for row in rows
    ]


class Crash(Exception):
    pass


def crash() -> None:
    raise Crash


def crashed_run(step: int, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with monkeypatch.context() as patch, pytest.raises(Crash):
        stop_at(step, patch, crash)
        train(tiny_settings(text_file), tmp_path / "run")
    return tmp_path / "run"


def test_a_crashed_run_goes_on_to_the_same_weights_and_metrics(
    trained: Run, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = crashed_run(23, text_file, tmp_path, monkeypatch)
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 24, "lo')
    said: list[str] = []
    run = resume(path, say=said.append)
    assert "resumed from step 22" in said
    assert weights(run) == weights(trained)

    assert comparable(run.metrics()) == comparable(trained.metrics())
    assert [step for step, _ in run.checkpoints("trace")] == trace_steps(40, 4)


def test_a_damaged_checkpoint_is_named_and_skipped_for_the_one_before(
    trained: Run, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = crashed_run(23, text_file, tmp_path, monkeypatch)
    newest = path / "checkpoints" / "full-22" / "optimizer.pt"
    newest.write_bytes(newest.read_bytes()[:-100])
    said: list[str] = []
    run = resume(path, say=said.append)
    assert "checkpoint full-22 is damaged (optimizer.pt is damaged): skipped" in said
    assert "resumed from step 20" in said
    assert weights(run) == weights(trained)


@pytest.mark.parametrize("lost", ["damaged", "garbled", "gone"])
def test_a_packed_part_that_is_lost_is_packed_again_from_the_same_text(
    trained: Run,
    text_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(text_file.read_bytes())
    path = crashed_run(23, text, tmp_path, monkeypatch)
    tokens = path / "data" / "train.tokens"
    if lost == "damaged":
        tokens.write_bytes(tokens.read_bytes()[:-2])
    elif lost == "garbled":
        (path / "data" / "train.json").write_text("{ not json")
    else:
        shutil.rmtree(path / "data")
    kept = text.read_bytes()
    text.write_bytes(kept.replace(b"cat", b"dog"))
    for _ in range(2):  # the changed text is not taken the second time either
        with pytest.raises(CorpusError, match=r"train part was lost, and .* no longer gives the same text"):
            resume(path)
    text.unlink()
    with pytest.raises(CorpusError, match="its text is not here"):
        resume(path)
    text.write_bytes(kept)
    said: list[str] = []
    run = resume(path, say=said.append)
    assert any("packing it again" in one for one in said)
    assert "resumed from step 22" in said
    assert weights(run) == weights(trained)


def test_without_a_sound_checkpoint_training_starts_over(
    trained: Run, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = crashed_run(1, text_file, tmp_path, monkeypatch)
    said: list[str] = []
    run = resume(path, say=said.append)
    assert "no full checkpoint yet: starting from step 0" in said
    assert weights(run) == weights(trained)
    assert comparable(run.metrics()) == comparable(trained.metrics())


def test_resuming_a_finished_run_changes_nothing(trained: Run) -> None:
    said: list[str] = []
    before = weights(trained)
    assert resume(trained.path, say=said.append).finished
    assert "finished already" in said[0]
    assert weights(trained) == before


def test_killed_between_the_last_step_and_the_final_weights_it_still_ends_well(
    trained: Run, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr("topklm.training.loop.finish", lambda *_: crash())
        train(tiny_settings(text_file), tmp_path / "run")
    run = resume(tmp_path / "run")
    assert weights(run) == weights(trained)


def test_ctrl_c_saves_a_checkpoint_and_says_how_to_go_on(
    trained: Run, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="--resume --out") as caught:
        stop_at(10, patch, lambda: signal.raise_signal(signal.SIGINT))
        train(tiny_settings(text_file), tmp_path / "run")
    assert "interrupted at step 11 of 40" in str(caught.value)
    assert Run(tmp_path / "run").metrics()[-1]["step"] == 11
    assert [step for step, _ in Run(tmp_path / "run").checkpoints("full")][-1] == 11
    assert weights(resume(tmp_path / "run")) == weights(trained)


def test_a_directory_in_use_is_refused(trained: Run, text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds a run already"):
        train(tiny_settings(text_file), trained.path)
    (tmp_path / "file").touch()
    for taken in (tmp_path, tmp_path / "file"):
        with pytest.raises(RunError, match="exists already"):
            train(tiny_settings(text_file), taken)


def test_too_little_text_is_said_before_training(text_file: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("Only a few words here.")
    with pytest.raises(CorpusError, match="too small; give more text, or held-out text"):
        train(tiny_settings(short), tmp_path / "a")
    with pytest.raises(CorpusError, match="less than one block of 32"):
        train(tiny_settings(text_file, data=[str(short)], validation=[str(text_file)]), tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["short.txt"]


def test_what_came_of_a_stream_that_broke_off_is_kept(
    trained: Run, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [document.text for document in load_corpus(str(text_file)).documents()]
    breaks = True

    def load_dataset(*_: object, **__: object) -> Iterator[dict[str, str]]:
        for place, text in enumerate(texts):
            if breaks and place == 4:
                raise ConnectionError("gone")
            yield {"text": text}

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    monkeypatch.setattr("topklm.data.packing.BATCH_DOCUMENTS", 2)
    changes = {"data": ["owner/name"], "validation": [str(text_file)], "tokenizer": str(trained.path)}
    with pytest.raises(StreamError, match=r"broke off after 4 documents \(gone\); .* go on with --resume"):
        train(tiny_settings(text_file, **changes), tmp_path / "run")
    assert any((tmp_path / "run" / "data").iterdir())
    breaks = False
    assert resume(tmp_path / "run").finished


def test_a_file_named_as_a_built_in_corpus_does_not_stand_in_for_it(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stories").mkdir()
    (Path("stories") / "a.txt").write_text("not a story", encoding="utf-8")
    found = with_absolute_paths(tiny_settings(text_file, data=["stories", "stories:2"]))
    assert found.data == ["stories", "stories:2"]


def test_weights_that_blow_up_at_an_evaluation_are_said_to(text_file: Path, tmp_path: Path) -> None:
    settings = tiny_settings(text_file, lr=1e20, embedding_lr=0.0, evaluations=40)
    with pytest.raises(TrainingError, match=r"loss is (nan|inf) at step \d+; try a smaller --lr"):
        train(settings, tmp_path / "run")
    for line in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        assert "NaN" not in line
        assert "Infinity" not in line


def test_what_a_kill_at_the_very_start_leaves_is_no_obstacle(
    trained: Run, text_file: Path, tmp_path: Path
) -> None:
    for name in (".lock", ".partial-train.json"):
        (tmp_path / name).touch()
    assert weights(train(tiny_settings(text_file), tmp_path)) == weights(trained)


def test_a_packed_run_needs_neither_its_corpus_nor_its_place(
    trained: Run, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.txt"
    copy.write_bytes(text_file.read_bytes())
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(Crash):
        stop_at(23, patch, crash)
        train(tiny_settings(Path("copy.txt")), "run")
    assert Run("run").settings.data == [str(copy)]
    copy.unlink()
    monkeypatch.chdir("/")
    assert weights(resume(tmp_path / "run")) == weights(trained)


def test_a_finished_run_is_tidied_where_the_end_was_cut_short(trained: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained.path, copy)
    (copy / "checkpoints" / "full-40").mkdir()
    (copy / ".partial-final").mkdir()
    (copy / ".partial-np-1").mkdir()  # an export under way
    resume(copy)
    assert not (copy / "checkpoints" / "full-40").exists()
    assert not (copy / ".partial-final").exists()
    assert (copy / ".partial-np-1").exists()


def test_a_boundary_that_also_pads_starts_as_any_token(text_file: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer("bpe:320", corpus=load_corpus(str(text_file)))
    tokenizer.pad_token = tokenizer.eos_token
    model = new_model(tiny_settings(text_file), tokenizer, attention="eager")
    assert model.get_input_embeddings().weight[0].norm() > 0


def test_accumulating_gradients_trains_the_same(trained: Run, text_file: Path, tmp_path: Path) -> None:
    run = train(tiny_settings(text_file, device_tokens=64), tmp_path / "run")
    pairs = zip(run.metrics(), trained.metrics(), strict=True)
    assert all(abs(a["loss"] - b["loss"]) < 1e-3 for a, b in pairs if "loss" in a and a["step"] <= 20)


@pytest.mark.slow
def test_a_compiled_run_trains_too(text_file: Path, tmp_path: Path) -> None:
    torch.compiler.reset()
    run = train(tiny_settings(text_file, tokens=5 * 256, compile=True), tmp_path / "run")
    assert run.finished


def test_validation_text_comes_from_where_it_is_given(text_file: Path, tmp_path: Path) -> None:
    given = find_corpora(tiny_settings(text_file, validation=[str(text_file)]))
    assert given[1].spec == (str(text_file),)
    assert len(list(given[1].documents())) == 400
    for name in ("train", "validation"):
        (tmp_path / f"{name}.txt").write_text(name)
    own = find_corpora(tiny_settings(tmp_path))
    assert [[document.text for document in part.documents()] for part in own] == [["train"], ["validation"]]


def test_what_is_no_run_or_a_damaged_one_is_refused(trained: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run"):
        load(tmp_path / "none")
    with pytest.raises(RunError, match=r"no train\.json"):
        load(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(trained.path, copy)
    (copy / "model.safetensors").write_bytes(b"12345678")
    with pytest.raises(RunError, match="cannot be read"):
        load(copy)
    (copy / "model.safetensors").unlink()
    with pytest.raises(RunError, match="not finished"):
        load(copy)
    (copy / "train.json").write_text('{"format": "other/1"}')
    with pytest.raises(RunError, match=r"topklm\.run/1"):
        load(copy)


def test_a_replaced_tokenizer_is_noticed(trained: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained.path, copy)
    content = json.loads((copy / "tokenizer.json").read_text())
    content["model"]["merges"].pop()
    (copy / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match="does not match the run"):
        load(copy)


@pytest.mark.parametrize("damage", ["{}", "[]", '{"format": "topklm.run/1"}', "no json"])
def test_a_damaged_train_json_is_one_line(damage: str, tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(damage)
    with pytest.raises(InputError) as caught:
        Run(tmp_path)
    assert "\n" not in str(caught.value)


def test_damaged_metrics_lines_are_left_out(trained: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained.path, copy)
    with (copy / "metrics.jsonl").open("ab") as file:
        file.write(b'5\n[1]\n{"loss": 1}\n{"step": "x"}\n\xff\n{"step": 41')
    assert Run(copy).metrics() == trained.metrics()


def test_a_run_without_its_configuration_is_refused(trained: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained.path, copy)
    (copy / "config.json").unlink()
    with pytest.raises(RunError, match="no config"):
        load(copy)


def test_an_edited_generation_config_changes_nothing_that_is_written(trained: Run, tmp_path: Path) -> None:
    path = Path(shutil.copytree(trained.path, tmp_path / "run"))
    file = path / "generation_config.json"
    edited = {"output_hidden_states": "x", "repetition_penalty": 9.0, "suppress_tokens": [5, 6, 7]}
    file.write_text(json.dumps({**json.loads(file.read_text()), **edited}))
    first, second = load(trained.path), load(path)
    assert write(first.model, first.tokenizer, "The cat") == write(second.model, second.tokenizer, "The cat")


def test_tracing_checkpoints_hold_each_weight_once_in_bf16(trained: Run) -> None:
    _, path = trained.checkpoints("trace")[0]
    assert "lm_head.weight" not in load_file(path / "model.safetensors")
    assert json.loads((path / "config.json").read_text())["dtype"] == "bfloat16"
    assert json.loads((trained.path / "config.json").read_text())["dtype"] == "float32"


def test_a_damaged_tracing_checkpoint_is_named(trained: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained.path, copy)
    (copy / "checkpoints" / "trace-4" / "model.safetensors").write_bytes(b"1")
    with pytest.raises(RunError, match=r"trace-4 cannot be used: model\.safetensors is damaged"):
        load(copy, step=4)


def test_trackers_are_passed_on_or_named_as_missing(text_file: Path, tmp_path: Path) -> None:
    run = train(tiny_settings(text_file, tokens=1024, report_to=["tensorboard"]), tmp_path / "run")
    assert list((run.path / "tensorboard").iterdir())
    with pytest.raises(InputError, match="unknown tracker 'paper'"):
        train(tiny_settings(text_file, report_to=["paper"]), tmp_path / "other")
    with pytest.raises(InputError, match="pip install neptune"):
        train(tiny_settings(text_file, report_to=["neptune"]), tmp_path / "other")
    assert not (tmp_path / "other").exists()


KILLS = 10


@pytest.mark.slow
def test_killed_at_ten_random_instants_it_ends_with_the_same_weights(text_file: Path, tmp_path: Path) -> None:
    """kill -9, between 5 and 95 % of the run, then `train --resume`, ten times over."""
    settings = tiny_settings(text_file, tokens=240 * 256, evaluations=3)
    config = tmp_path / "settings.json"
    config.write_text(json.dumps(settings.as_json()))
    command = [sys.executable, "-m", "topklm", "train"]
    untouched = train(settings, tmp_path / "untouched")
    generator = random.Random(0)
    resumed = 0
    for kill in range(KILLS):
        path = tmp_path / f"killed-{kill}"
        process = subprocess.Popen(
            [*command, "--config", str(config), "--out", str(path)], stderr=subprocess.DEVNULL
        )
        share = generator.uniform(0.05, 0.95)
        while last_step(path) < share * settings.steps and process.poll() is None:
            time.sleep(0.005)
        time.sleep(generator.uniform(0, 0.05))
        process.kill()
        process.wait()
        for checkpoint in (path / "checkpoints").glob("[!.]*"):
            assert damage(checkpoint) is None, checkpoint
        ended = subprocess.run(
            [*command, "--resume", "--out", str(path)], capture_output=True, text=True, check=True
        )
        resumed += any(f"resumed from step {step}" in ended.stderr for step in range(1, settings.steps + 1))
        assert weights(Run(path)) == weights(untouched), f"kill {kill} at {share:.0%}"
    assert resumed >= KILLS - 2


def last_step(path: Path) -> int:
    try:
        lines = (path / "metrics.jsonl").read_text().splitlines()
        return max((json.loads(line)["step"] for line in lines), default=0)
    except (OSError, json.JSONDecodeError):
        return 0


def test_an_embedding_may_start_larger_with_logits_as_before(text_file: Path) -> None:
    tokenizer = load_tokenizer("bpe:320", corpus=load_corpus(str(text_file)))
    plain, scaled = (
        new_model(tiny_settings(text_file, embedding_scale=scale), tokenizer, attention="eager").eval()
        for scale in (1.0, 4.0)
    )
    assert torch.equal(scaled.model.embed_tokens.weight, 4 * plain.model.embed_tokens.weight)
    ids = torch.arange(2, 20)[None]
    spread = [float(model(ids).logits.detach().std()) for model in (plain, scaled)]
    assert spread[0] / 2 < spread[1] < 2 * spread[0]


def test_two_seeds_may_share_their_initial_embedding(text_file: Path) -> None:
    tokenizer = load_tokenizer("bpe:320", corpus=load_corpus(str(text_file)))
    seeds = ({"seed": 0}, {"seed": 1, "embedding_seed": 0}, {"seed": 1})
    first, shared, other = (
        dict(new_model(tiny_settings(text_file, **some), tokenizer, attention="eager").named_parameters())
        for some in seeds
    )
    name, block = "model.embed_tokens.weight", "model.layers.0.mlp.down_proj.weight"
    assert torch.equal(shared[name], first[name])
    assert not torch.equal(shared[name], other[name])
    assert all(torch.equal(shared[one], other[one]) for one in shared if one != name)
    assert not torch.equal(shared[block], first[block])


def test_an_embedding_may_learn_at_its_own_rate(tmp_path: Path, text_file: Path) -> None:
    run = train(tiny_settings(text_file, embedding_lr=1e-9, tokens=512), tmp_path / "run")
    before, after = (
        TopKLMForCausalLM.from_pretrained(path, dtype=torch.float32)
        for path in (run.path / "checkpoints" / "trace-0", run.path)
    )
    moved = {
        name: float((value - before.get_parameter(name)).detach().abs().max())
        for name, value in after.named_parameters()
    }
    assert moved["model.embed_tokens.weight"] < 1e-3  # the rounding of a bf16 trace alone
    assert moved["model.layers.0.mlp.down_proj.weight"] > 1e-3


def test_the_compiled_kernel_changes_no_weight(
    tmp_path: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_settings(text_file, tokens=2560, precision="bf16", topk_by="magnitude")
    fast = train(settings, tmp_path / "fast")
    monkeypatch.setattr(sys.modules["topklm.model.topk"], "HAS_NUMBA", False)
    plain = train(settings, tmp_path / "plain")
    assert sha256_file(fast.path / "model.safetensors") == sha256_file(plain.path / "model.safetensors")


def test_threads_may_load_at_the_same_time(trained: Run) -> None:
    with ThreadPoolExecutor(4) as pool:
        loaded = [one.result() for one in [pool.submit(load, trained.path) for _ in range(8)]]
    weights = [torch.cat([p.detach().flatten() for p in one.model.parameters()]) for one in loaded]
    assert all(torch.equal(one, weights[0]) for one in weights)
    # transformers is as it was: a new model ties its embedding and has real weights
    again = TopKLMForCausalLM(loaded[0].model.config)
    assert again.lm_head.weight is again.model.embed_tokens.weight
    assert again.lm_head.weight.device.type == "cpu"


def test_a_device_without_float64_is_not_chosen(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert Machine.for_settings(tiny_settings(text_file)).device == "cpu"
