"""The model: equal to Llama where it must be, sparse where it must be."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from samples import SHAPE
from topklm.features.hooks import CACHE, cached
from topklm.model import SparseCodes, TopKLMConfig, TopKLMForCausalLM, TopKLMModel


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE)).eval()


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("by", ["value", "magnitude"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_keeping_every_entry_equals_the_plain_llama(
    attention: str, by: str, dtype: torch.dtype, ids: torch.Tensor
) -> None:
    plain = llama().to(dtype)
    ours = TopKLMForCausalLM(TopKLMConfig(**SHAPE, topk_k=64, topk_by=by)).to(dtype).eval()
    ours.load_state_dict(plain.state_dict())
    for model in (plain, ours):
        model.set_attn_implementation(attention)
        model(ids, labels=ids).loss.backward()
    assert torch.equal(plain(ids).logits, ours(ids).logits)
    for (name, a), (_, b) in zip(plain.named_parameters(), ours.named_parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), name


def test_a_plain_llama_directory_loads_without_missing_or_unexpected_keys(
    tmp_path: Path, ids: torch.Tensor
) -> None:
    plain = llama()
    plain.save_pretrained(tmp_path)
    model, loading = TopKLMForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(loading[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert torch.equal(model.eval()(ids).logits, plain(ids).logits)
    sparse = TopKLMForCausalLM.from_pretrained(tmp_path, topk_k=4, n_nontopk=1)
    assert sparse.config.topk_layers == [0, 1, 2]


def test_the_twin_starts_with_the_same_weights() -> None:
    models = []
    for fields in ({"topk_k": 8}, {"topk_layers": []}):
        torch.manual_seed(0)
        models.append(TopKLMForCausalLM(TopKLMConfig(**SHAPE, **fields)))
    for a, b in zip(models[0].state_dict().values(), models[1].state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("by", ["value", "magnitude", "positive"])
def test_hidden_states_after_topk_have_at_most_k_entries(by: str, ids: torch.Tensor) -> None:
    model = TopKLMForCausalLM(TopKLMConfig(**SHAPE, topk_k=[8, 5], topk_by=by)).eval()
    states = model(ids, output_hidden_states=True).hidden_states
    entries = [(state != 0).sum(-1) for state in states]
    if by == "positive":
        assert (entries[1] <= 8).all()
        assert (entries[2] <= 5).all()
    else:
        assert (entries[1] == 8).all()
        assert (entries[2] == 5).all()
    assert (entries[3] > 60).all()


def test_codes_are_the_nonzero_entries_of_the_hidden_states(
    small_model: TopKLMForCausalLM, ids: torch.Tensor
) -> None:
    states = small_model(ids, output_hidden_states=True).hidden_states
    codes = small_model.codes(ids)
    assert list(codes) == [0, 1]
    for layer, code in codes.items():
        assert code == SparseCodes.from_dense(states[layer + 1])
        assert len(code) == ids.numel()


def test_codes_of_the_last_layer_come_before_the_final_norm(ids: torch.Tensor) -> None:
    model = TopKLMForCausalLM(TopKLMConfig(**SHAPE, topk_k=8, n_nontopk=0)).eval()
    code = model.codes(ids)[3]
    assert (code.counts == 8).all()
    normed = model.model.norm(code.to_dense())
    torch.testing.assert_close(model.lm_head(normed).view(2, 12, -1), model(ids).logits)


def test_codes_leave_no_hook_behind(small_model: TopKLMForCausalLM, ids: torch.Tensor) -> None:
    small_model.codes(ids)
    with pytest.raises(IndexError):
        small_model.codes(ids + 300)  # outside the vocabulary
    assert not any(module._forward_hooks for module in small_model.model.topk_modules().values())


def differing_tokens(a: SparseCodes, b: SparseCodes) -> torch.Tensor:
    return (a.to_dense() != 0).ne(b.to_dense() != 0).any(-1)


def test_cached_logits_equal_uncached_ones(small_model: TopKLMForCausalLM) -> None:
    ids = torch.randint(2, 300, (4, 40), generator=torch.Generator().manual_seed(2))
    whole = small_model(ids).logits
    cache, rows = {}, []
    for position in range(ids.shape[1]):
        output = small_model(ids[:, position : position + 1], use_cache=True, **cache)
        cache = {CACHE: cached(output)}
        rows.append(output.logits)
    torch.testing.assert_close(torch.cat(rows, 1), whole, atol=1e-4, rtol=0)


def test_left_padding_changes_nothing(small_model: TopKLMForCausalLM, ids: torch.Tensor) -> None:
    padded = torch.cat([torch.full((2, 5), 1), ids], 1)
    mask = (padded != 1).long()
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = small_model(padded, attention_mask=mask, position_ids=positions).logits[:, 5:]
    torch.testing.assert_close(logits, small_model(ids).logits, atol=1e-4, rtol=0)
    codes, alone = small_model.codes(padded, attention_mask=mask), small_model.codes(ids)
    for layer in codes:
        found = codes[layer].to_dense().view(2, 17, 64)[:, 5:].reshape(-1, 64)
        assert not differing_tokens(SparseCodes.from_dense(found), alone[layer]).any()


def test_generation_with_and_without_cache_and_padding_agrees(small_model: TopKLMForCausalLM) -> None:
    prompts = torch.tensor([[1, 1, 5, 6], [7, 8, 9, 10]])
    options = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 1, "eos_token_id": None}
    mask = (prompts != 1).long()
    cached = small_model.generate(prompts, attention_mask=mask, **options)
    assert torch.equal(cached, small_model.generate(prompts, attention_mask=mask, use_cache=False, **options))
    alone = small_model.generate(prompts[:1, 2:], attention_mask=mask[:1, 2:], **options)
    assert torch.equal(cached[:1, 2:], alone)


def test_gradient_checkpointing_gives_equal_gradients(ids: torch.Tensor) -> None:
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = TopKLMForCausalLM(TopKLMConfig(**SHAPE, topk_k=8)).train()
        if checkpointing:
            model.activation_checkpointing_enable()
        model(ids, labels=ids, use_cache=False).loss.backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_saving_and_loading_keeps_logits_and_codes(
    small_model: TopKLMForCausalLM, ids: torch.Tensor, tmp_path: Path
) -> None:
    small_model.save_pretrained(tmp_path)
    for loaded in (
        AutoModelForCausalLM.from_pretrained(tmp_path),
        TopKLMForCausalLM.from_pretrained(tmp_path),
    ):
        assert isinstance(loaded, TopKLMForCausalLM)
        assert torch.equal(loaded(ids).logits, small_model(ids).logits)
        assert loaded.codes(ids)[1] == small_model.codes(ids)[1]
    assert isinstance(AutoModel.from_pretrained(tmp_path), TopKLMModel)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), TopKLMConfig)


def test_an_annealing_checkpoint_reloads_as_it_was(
    small_model: TopKLMForCausalLM, ids: torch.Tensor, tmp_path: Path
) -> None:
    small_model.set_topk(k=20, blend=0.25)
    small_model.save_pretrained(tmp_path)
    loaded = TopKLMForCausalLM.from_pretrained(tmp_path)
    assert (loaded.config.topk_k, loaded.config.topk_blend) == (20, 0.25)
    assert torch.equal(loaded(ids).logits, small_model(ids).logits)


def test_setting_a_k_that_does_not_fit_changes_nothing(small_model: TopKLMForCausalLM) -> None:
    with pytest.raises(ValueError, match=r"choose 1\.\.64"):
        small_model.set_topk(k=65)
    assert small_model.config.topk_k == 8
    with pytest.raises(ValueError, match="no TopK layer"):
        TopKLMForCausalLM(TopKLMConfig(**SHAPE, topk_layers=[])).set_topk(k=4)
    assert {module.k for module in small_model.model.topk_modules().values()} == {8}


WITHOUT_TOPKLM = """
import sys
sys.modules["topklm"] = None  # any import of it fails
import torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
ids = torch.tensor([[5, 6, 7, 8]])
states = model(ids, output_hidden_states=True).hidden_states
assert ((states[1] != 0).sum(-1) == 8).all()
assert model.codes(ids)[0].counts.tolist() == [8] * 4
torch.save(model(ids).logits, sys.argv[2])
"""


def test_a_checkpoint_loads_where_topklm_is_missing(small_model: TopKLMForCausalLM, tmp_path: Path) -> None:
    small_model.save_pretrained(tmp_path / "model")
    environment = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "PATH": ""}
    logits = tmp_path / "logits.pt"
    subprocess.run(
        [sys.executable, "-c", WITHOUT_TOPKLM, str(tmp_path / "model"), str(logits)],
        env=environment,
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    ids = torch.tensor([[5, 6, 7, 8]])
    assert torch.equal(torch.load(logits, weights_only=True), small_model(ids).logits)


def test_the_modelling_files_import_only_each_other() -> None:
    import topklm.model

    for path in Path(topklm.model.__file__).parent.glob("*.py"):
        text = path.read_text()
        assert "from .." not in text
        assert "import topklm" not in text
        assert "from topklm" not in text


@pytest.mark.slow
def test_the_compiled_model_gives_the_same_logits(small_model: TopKLMForCausalLM, ids: torch.Tensor) -> None:
    torch.compiler.reset()
    compiled = torch.compile(small_model, fullgraph=True)
    torch.testing.assert_close(compiled(ids).logits, small_model(ids).logits, atol=1e-4, rtol=0)
