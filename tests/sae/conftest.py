"""SAEs of SAELens's own classes with random weights, on small random models."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from samples import SHAPE, tiny_settings
from topklm.cli.main import main
from topklm.training import Run, train

WIDTH = SHAPE["hidden_size"]
BUDGET = ("--tokens", 20_480, "--batch-tokens", 64, "--lr", 0.005, "--threads", 1)
"""Ten chunks of 2,048 tokens."""


@pytest.fixture(scope="session")
def lens() -> Any:
    """SAELens itself."""
    from topklm.sae.lens import saelens

    return saelens()


@pytest.fixture
def llama() -> LlamaForCausalLM:
    """A random dense model of four blocks."""
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE)).eval()


@pytest.fixture
def gpt2() -> GPT2LMHeadModel:
    """A random model whose parts have other names than Llama's."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=300, n_positions=64, n_embd=WIDTH, n_layer=3, n_head=4)
    return GPT2LMHeadModel(config).eval()


@pytest.fixture
def make_sae(lens: Any) -> Callable[..., Any]:
    """Make an SAE with random weights, with fields of its configuration."""

    def make(kind: str = "TopK", *, hook_name: str = "blocks.1.hook_resid_post", **fields: Any) -> Any:
        fields = {"d_in": WIDTH, "d_sae": 2 * WIDTH, **fields}
        if "TopK" in kind:
            fields.setdefault("k", 8)
        sae = getattr(lens, f"{kind}SAE")(getattr(lens, f"{kind}SAEConfig")(**fields))
        sae.cfg.metadata.hook_name = hook_name
        generator = torch.Generator().manual_seed(1)
        for tensor in sae.state_dict().values():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) / 8)
        return sae

    return make


@pytest.fixture
def saved(make_sae: Callable[..., Any], tmp_path: Path) -> Callable[..., Path]:
    """Save an SAE as SAELens does, and give its directory."""

    def save(name: str = "one", **fields: Any) -> Path:
        path = tmp_path / "saes" / name
        make_sae(**fields).save_model(path)
        return path

    return save


@pytest.fixture(scope="session")
def paired(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's run with its dense twin. Tests read it and write elsewhere."""
    path = tmp_path_factory.mktemp("paired") / "run"
    shutil.copytree(trained.path, path, ignore=shutil.ignore_patterns("checkpoints"))
    train(tiny_settings(text_file, dense=True), path / "twin")
    return path


@pytest.fixture(scope="session")
def with_saes(paired: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with SAEs of two widths, trained together by the command line."""
    path = tmp_path_factory.mktemp("with_saes") / "run"
    shutil.copytree(paired, path)
    command = ["sae", "train", str(path), "--width", "1x", "--width", "2x", *map(str, BUDGET)]
    assert main(command) == 0
    return path
