"""What all tests share: shape checks switched on, no network, one tiny trained run per session."""

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from jaxtyping import install_import_hook

install_import_hook("topklm.metrics", "beartype.beartype")

import pytest
import torch

from topklm.model import TopKLMConfig, TopKLMForCausalLM
from topklm.training import Run, TrainSettings, train

SHAPE = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 1,
}
"""A model of a few thousand weights, its heads narrower than its stream."""


@pytest.fixture
def small_model() -> TopKLMForCausalLM:
    """A random TopK model: 4 blocks, TopK with k 8 after the first two."""
    torch.manual_seed(0)
    return TopKLMForCausalLM(TopKLMConfig(**SHAPE, topk_k=8)).eval()


@pytest.fixture
def ids() -> torch.Tensor:
    """Two rows of twelve token ids, none of them special."""
    return torch.randint(2, 300, (2, 12), generator=torch.Generator().manual_seed(1))


ANIMALS = ("cat", "dog", "hen", "fox", "owl", "cow")
PLACES = ("barn", "wood", "house", "field")


def sentences(count: int) -> list[str]:
    """Small documents with some order in them, all different."""
    return [
        f"Day {number}. The {ANIMALS[number % 6]} went to the {PLACES[number % 4]}. There the "
        f"{ANIMALS[number % 6]} saw {number % 9} stones and the {ANIMALS[(number + 1) % 6]}."
        for number in range(count)
    ]


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of 400 small documents."""
    path = tmp_path_factory.mktemp("text") / "animals.txt"
    path.write_text("\n<|endoftext|>\n".join(sentences(400)), encoding="utf-8")
    return path


def tiny_settings(text_file: Path, **changes: object) -> TrainSettings:
    """Settings that train in a few seconds."""
    fields: dict[str, object] = {
        "data": [str(text_file)],
        "tokenizer": "bpe:320",
        "tokens": 40 * 256,
        "k": 8,
        "width": 32,
        "depth": 3,
        "n_nontopk": 1,
        "heads": 2,
        "head_dim": 8,
        "mlp": 48,
        "context": 32,
        "batch_tokens": 256,
        "lr": 1e-2,
        "evaluations": 2,
        "eval_tokens": 512,
        "full_checkpoints": 20,
        "trace_checkpoints": 4,
        "threads": 1,
        "precision": "fp32",
    }
    return TrainSettings(**{**fields, **changes})


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, text_file: Path) -> Run:
    """A finished run of 40 steps. Tests read it and never write to it."""
    return train(tiny_settings(text_file), tmp_path_factory.mktemp("runs") / "tiny")
