"""Conversion: a pretrained Llama to a TopK model, exactly; what is refused; what is written down."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from samples import tiny_settings
from topklm.cli.main import main
from topklm.core.errors import InputError
from topklm.core.files import sha256_file
from topklm.training import Run, load, resume, train
from topklm.training.conversion import conversion_settings, write_conversion
from topklm.training.distillation import distilled_loss
from topklm.training.pretrained import load_pretrained, with_topk

SIZES = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory, text_file: Path) -> Run:
    """A finished dense run."""
    return train(tiny_settings(text_file, dense=True), tmp_path_factory.mktemp("runs") / "twin")


@pytest.fixture
def llama(tmp_path: Path, twin: Run) -> Path:
    """A random Llama with shared heads, untied weights and a strange rotary base, in four shards."""
    torch.manual_seed(0)
    rope = {"rope_type": "default", "rope_theta": 777.0}
    model = LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=rope, attention_bias=True))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(tmp_path / "llama", max_shard_size="60KB")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(twin.path / name, tmp_path / "llama")
    return tmp_path / "llama"


def settings_for(source: Path, text_file: Path, **changes: Any) -> Any:
    small = {"data": [str(text_file)], "tokens": 10 * 128, "context": 32, "evaluations": 2, "threads": 1}
    return conversion_settings(source, **{**small, "precision": "fp32", "full_checkpoints": 5, **changes})


def weights(run: Run) -> str:
    return sha256_file(run.path / "model.safetensors")


def test_keeping_every_entry_equals_the_original_bit_for_bit(
    llama: Path, text_file: Path, ids: torch.Tensor
) -> None:
    original = LlamaForCausalLM.from_pretrained(llama, dtype=torch.float32).eval()
    ids = ids % 320
    expected = original(ids).logits
    dense = load_pretrained(str(llama))
    assert torch.equal(dense(ids).logits, expected)
    whole = with_topk(dense, settings_for(llama, text_file, k=32))
    assert whole.config.topk_layers == [0]
    assert torch.equal(whole(ids).logits, expected)
    assert not torch.equal(with_topk(dense, settings_for(llama, text_file, k=16))(ids).logits, expected)


def test_a_llama_becomes_an_ordinary_run(llama: Path, text_file: Path, tmp_path: Path) -> None:
    run = train(settings_for(llama, text_file), tmp_path / "run")
    assert not (run.path / "source").exists()
    assert run.settings.k == 16
    model = load(run.path).model
    assert model.config.num_key_value_heads == 2
    assert model.config.rope_parameters["rope_theta"] == 777.0
    assert model.config.topk_blend == 1.0
    codes = model.codes(torch.arange(2, 12)[None])
    assert codes[0].width == 32
    assert len(run.checkpoints("trace")) > 3


def test_what_a_conversion_cost_and_what_came_back_is_written_down(
    twin: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand: the first evaluation is the original's, since k starts at the width."""
    out = tmp_path / "run"
    options = ["--tokens", "7680", "--k", "4", "--anneal", "k", "--evaluations", "3", "--recover", "9"]
    assert main(["convert", str(twin.path), "--out", str(out), *options, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content == json.loads((out / "conversion.json").read_text()) | {"revision": Run(out).revision}
    assert content["format"] == "topklm.conversion/1"
    curve = content["curve"]
    assert [row["n_tokens"] for row in curve] == [0, 2560, 5120, 7680]
    assert [row["k"] for row in curve] == [32, 8, 4, 4]
    assert curve[0]["loss"] == content["original"]
    last = [row["eval_loss"] for row in twin.metrics() if "eval_loss" in row][-1]
    assert content["original"] == pytest.approx(last, abs=1e-6)  # the same held-out text
    assert content["inserted"] > content["original"]
    gone = content["inserted"] - content["original"]
    assert content["recovered"] == pytest.approx((content["inserted"] - content["final"]) / gone)
    assert content["reached_after"] == 5120  # a loss of 9 is reached as soon as k is 4
    assert main(["convert", "--resume", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert f"held-out loss {content['original']:.3f}" in shown
    assert f"{content['final']:7.3f}  {content['recovered']:9.1%}" in shown


def test_a_conversion_reads_its_originals_text_and_is_compared_on_its_held_out_part(
    twin: Run, tmp_path: Path
) -> None:
    run = train(conversion_settings(twin.path, tokens=1024, distill=0.5), tmp_path / "run")
    for part in ("train", "validation"):
        assert run.about["corpus"][part]["tokens_sha256"] == twin.about["corpus"][part]["tokens_sha256"]
    assert run.about["tokenizer_sha256"] == twin.about["tokenizer_sha256"]


def test_a_shorter_conversion_on_endless_stories_is_held_out_on_the_same_stories(tmp_path: Path) -> None:
    fields = {"data": ["stories"], "dense": True, "tokens": 20_000, "batch_tokens": 2000, "context": 100}
    settings = tiny_settings(Path("stories"), **fields)
    twin = train(settings, tmp_path / "twin")
    run = train(conversion_settings(twin.path, tokens=4000), tmp_path / "run")
    for part in ("train", "validation"):
        assert run.about["corpus"][part]["tokens_sha256"] == twin.about["corpus"][part]["tokens_sha256"]


@pytest.mark.parametrize("distill", [0.0, 0.7])
def test_a_crashed_conversion_goes_on_to_the_same_weights_without_its_original(
    distill: float, llama: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(llama, text_file, distill=distill, temperature=2.0)
    untouched = train(settings, tmp_path / "untouched")

    class CrashError(Exception):
        pass

    def crash(trainer: Any, *arguments: Any) -> Any:
        if trainer.state.global_step == 7:
            raise CrashError
        return step(trainer, *arguments)

    from topklm.training.trainer import TopKTrainer

    step = TopKTrainer.training_step
    with monkeypatch.context() as patch, pytest.raises(CrashError):
        patch.setattr(TopKTrainer, "training_step", crash)
        train(settings, tmp_path / "run")
    llama.rename(tmp_path / "elsewhere")
    said: list[str] = []
    run = resume(tmp_path / "run", say=said.append)
    assert "resumed from step 6" in said
    assert weights(run) == weights(untouched)
    one, other = (json.loads((path.path / "conversion.json").read_text()) for path in (run, untouched))
    assert {**one, "run": ""} == {**other, "run": ""}


def test_the_control_without_topk_loses_nothing_when_it_starts(
    llama: Path, text_file: Path, tmp_path: Path
) -> None:
    run = train(settings_for(llama, text_file, dense=True), tmp_path / "run")
    content = write_conversion(run)
    assert content["original"] == content["inserted"] == content["curve"][0]["loss"]
    assert content["recovered"] is None
    assert content["curve"][0]["k"] == 32


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_distilled_loss_and_its_gradients_are_those_of_the_whole_matrices(
    alpha: float, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topklm.model.loss.LOGITS_AT_ONCE", 33)  # three rows at once
    generator = torch.Generator().manual_seed(0)
    states, told = (torch.randn(7, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    weight, told_weight = (torch.randn(11, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    targets = torch.randint(0, 11, (7,), generator=generator)
    targets[2] = -100
    whole, chunked = [(states.clone().requires_grad_(), weight.clone().requires_grad_()) for _ in range(2)]
    logits, others = whole[0] @ whole[1].T, told @ told_weight.T
    counts = targets != -100
    plain = cross_entropy(logits, targets)
    q = (logits / temperature).log_softmax(-1)[counts]
    p = (others / temperature).log_softmax(-1)[counts]
    apart = kl_div(q, p, log_target=True, reduction="batchmean")
    expected = (1 - alpha) * plain + alpha * temperature**2 * apart
    found = distilled_loss(*chunked, told, told_weight, targets, alpha=alpha, temperature=temperature)
    expected.backward()
    found.loss.backward()
    torch.testing.assert_close(found.loss, expected.float())
    torch.testing.assert_close(found.plain, plain.float())
    for a, b in zip(chunked, whole, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=1e-6)


def test_distillation_draws_the_model_to_its_teacher(twin: Run, tmp_path: Path) -> None:
    """Taught by the original alone, it ends nearer to it than by the text alone."""
    original = load(twin.path).model
    ids = torch.from_numpy(np.array(range(2, 202)).reshape(10, 20))
    apart = []
    for distill in (0.0, 1.0):
        settings = conversion_settings(twin.path, tokens=20 * 256, distill=distill, k=16)
        model = load(train(settings, tmp_path / str(distill)).path).model
        with torch.no_grad():
            p, q = (one(ids).logits.log_softmax(-1) for one in (original, model))
        apart.append(float((p.exp() * (p - q)).sum(-1).mean()))
    assert apart[1] < apart[0]


def refused(source: Path | str, text_file: Path, tmp_path: Path, capsys: Any, *options: str) -> str:
    """Return the one line that a conversion is refused with; nothing must be left behind."""
    capsys.readouterr()
    arguments = ["convert", str(source), "--out", str(tmp_path / "out"), "--data", str(text_file), *options]
    assert main(arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("topklm: ")]
    assert len(lines) == 1
    assert not (tmp_path / "out").exists()
    return str(lines[0])


def test_another_architecture_is_refused_with_the_reason(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = GPT2Config(vocab_size=100, n_embd=16, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    line = refused(tmp_path / "gpt2", text_file, tmp_path, capsys)
    assert "is a gpt2 model (learned positions" in line
    assert "takes model type llama" in line
    (tmp_path / "gpt2" / "config.json").write_text('{"model_type": "hypothetical"}')
    assert "is a hypothetical model; convert takes" in refused(tmp_path / "gpt2", text_file, tmp_path, capsys)


def test_a_topk_model_is_no_original(
    trained: Run, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "has TopK layers already" in refused(trained.path, text_file, tmp_path, capsys)


def test_missing_and_damaged_files_are_named(
    llama: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = sorted(llama.glob("*.safetensors"))
    assert len(shards) > 2
    shards[1].write_bytes(shards[1].read_bytes()[:-100])
    assert "cannot be read" in refused(llama, text_file, tmp_path, capsys)
    for shard in shards[:2]:
        shard.unlink()
    line = refused(llama, text_file, tmp_path, capsys)
    assert f"lacks 2 of its {len(shards)} shards: {shards[0].name}, {shards[1].name}" in line
    for content in ("{}", "[]", '{"weight_map": null}', '{"weight_map": {"a": 1}}'):
        (llama / "model.safetensors.index.json").write_text(content)
        assert "no weight_map of names" in refused(llama, text_file, tmp_path, capsys)
    (llama / "model.safetensors.index.json").unlink()
    assert "has no weights" in refused(llama, text_file, tmp_path, capsys)
    (llama / "pytorch_model.bin").write_bytes(b"anything")
    assert "pytorch_model.bin is a pickle, which is never loaded" in refused(
        llama, text_file, tmp_path, capsys
    )
    (llama / "config.json").unlink()
    assert "has no config.json" in refused(llama, text_file, tmp_path, capsys)
    (llama / "some.gguf").touch()
    assert "add --gguf-file some.gguf" in refused(llama, text_file, tmp_path, capsys)


def test_weights_that_lack_one_are_refused(
    llama: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = LlamaForCausalLM.from_pretrained(llama)
    for path in llama.glob("model*"):
        path.unlink()
    state = model.state_dict()
    del state["model.layers.1.mlp.up_proj.weight"]
    model.save_pretrained(llama, state_dict=state)
    line = refused(llama, text_file, tmp_path, capsys)
    assert "lacks 1 of its weights: model.layers.1.mlp.up_proj.weight" in line


def test_a_gguf_without_gguf_installed_names_the_extra(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gguf" else find(name))
    line = refused(tmp_path, text_file, tmp_path, capsys, "--gguf-file", "model.gguf")
    assert "pip install 'topklm[convert]'" in line


def permuted(weight: torch.Tensor, heads: int) -> np.ndarray:
    """Order rows as GGUF does: it pairs neighbours in rotary positions, transformers the two halves."""
    rows = weight.reshape(heads, 2, -1, weight.shape[1])
    return rows.swapaxes(1, 2).reshape(weight.shape).detach().numpy()


def write_gguf(path: Path, model: LlamaForCausalLM, architecture: str = "llama") -> None:
    import gguf

    config, writer = model.config, gguf.GGUFWriter(path, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, value in model.state_dict().items():
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        part = name.split(".")[-2]
        array = permuted(value, heads[part]) if part in heads else value.numpy()
        writer.add_tensor(names.get_name(name, (".weight",)), array.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_computes_what_it_was_written_from(
    twin: Run, text_file: Path, tmp_path: Path, ids: torch.Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZES)).eval()
    write_gguf(tmp_path / "model.gguf", model)
    source = str(tmp_path / "model.gguf")
    torch.testing.assert_close(load_pretrained(source)(ids).logits, model(ids).logits)
    settings = settings_for(Path(source), text_file, k=4, tokenizer=str(twin.path))
    assert train(settings, tmp_path / "run").finished
    write_gguf(tmp_path / "model.gguf", model, "bert")
    refused(tmp_path / "model.gguf", text_file, tmp_path, capsys)


def test_what_is_not_there_is_said_at_once(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], llama: Path
) -> None:
    assert "there is no checkpoint" in refused("/no/such/place", text_file, tmp_path, capsys)
    assert "hub cannot be reached" in refused("someone/something", text_file, tmp_path, capsys)
    assert "does not exist" in refused(tmp_path / "none.gguf", text_file, tmp_path, capsys)
    assert main(["convert", str(llama), "--out", str(tmp_path / "out")]) == 2
    assert "brings no text of its own" in capsys.readouterr().err
    assert main(["convert", "--out", str(tmp_path / "out")]) == 2
    assert "name a Llama checkpoint" in capsys.readouterr().err
    assert main(["convert", "--resume", str(llama), "--out", str(tmp_path / "out")]) == 2
    assert "leave out SOURCE" in capsys.readouterr().err


def test_what_is_no_conversion_is_not_gone_on_with_as_one(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    shutil.copytree(trained.path, path)
    (path / "model.safetensors").unlink()
    assert main(["convert", "--resume", "--out", str(path)]) == 2
    assert "is no conversion" in capsys.readouterr().err
    assert not (path / "model.safetensors").exists()


def test_sizes_that_do_not_fit_are_said(
    llama: Path, twin: Run, trained: Run, text_file: Path, tmp_path: Path, capsys: Any
) -> None:
    assert "topk_k=33 does not fit width 32" in refused(llama, text_file, tmp_path, capsys, "--k", "33")
    assert "n_nontopk=3" in refused(llama, text_file, tmp_path, capsys, "--n-nontopk", "3")
    assert "context=65 is longer" in refused(
        llama, text_file, tmp_path, capsys, "--context", "65", "--batch-tokens", "65"
    )
    with pytest.raises(InputError, match="width is the original's, 32"):
        conversion_settings(llama, data=[str(text_file)], width=64)
    with pytest.raises(InputError, match="width=64 does not fit"):
        train(tiny_settings(text_file, source=str(llama), width=64), tmp_path / "out")
    config = json.loads((llama / "config.json").read_text())
    (llama / "config.json").write_text(json.dumps(config | {"quantization_config": {}}))
    assert "is quantized" in refused(llama, text_file, tmp_path, capsys)
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
    (llama / "config.json").write_text(json.dumps(config | {"rope_parameters": rope}))
    assert "rotary positions of type dynamic" in refused(llama, text_file, tmp_path, capsys)


def test_a_tokenizer_larger_than_the_embedding_is_refused(
    text_file: Path, tmp_path: Path, twin: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    LlamaForCausalLM(LlamaConfig(**{**SIZES, "vocab_size": 100})).save_pretrained(tmp_path / "few")
    assert "tokenizer" in refused(tmp_path / "few", text_file, tmp_path, capsys)
    line = refused(tmp_path / "few", text_file, tmp_path, capsys, "--tokenizer", str(twin.path))
    assert "has 320 tokens" in line
    assert "knows 100" in line


def test_distillation_without_an_original_is_refused(text_file: Path) -> None:
    with pytest.raises(InputError, match="needs a source"):
        tiny_settings(text_file, distill=0.5)


def test_the_converted_run_is_read_by_plain_transformers(
    llama: Path, text_file: Path, tmp_path: Path
) -> None:
    run = train(settings_for(llama, text_file), tmp_path / "run")
    model = AutoModelForCausalLM.from_pretrained(run.path, trust_remote_code=True)
    assert type(model).__name__ == "TopKLMForCausalLM"
    assert model.config.topk_k == 16
