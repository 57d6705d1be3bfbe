"""What all tests share: shape checks switched on, no network, one tiny trained run per session."""

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = "1"  # tiny models gain nothing from more, and lose much on a busy machine

from jaxtyping import install_import_hook

install_import_hook("topklm.metrics", "beartype.beartype")

import hypothesis
import pytest
import torch

from samples import SHAPE, sentences, tiny_settings
from topklm.model import TopKLMConfig, TopKLMForCausalLM
from topklm.training import Run, train

# No test is timed: the first call of a compiled kernel takes a second, and machines are shared. Examples are
# the same each time, but where somebody fuzzes.
hypothesis.settings.register_profile("untimed", deadline=None, derandomize="TOPKLM_FUZZ" not in os.environ)
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pictures", type=Path, help="Keep the pictures that browser tests take in this folder."
    )


@pytest.fixture
def small_model() -> TopKLMForCausalLM:
    """A random TopK model: 4 blocks, TopK with k 8 after the first two."""
    torch.manual_seed(0)
    return TopKLMForCausalLM(TopKLMConfig(**SHAPE, topk_k=8)).eval()


@pytest.fixture
def ids() -> torch.Tensor:
    """Two rows of twelve token ids, none of them special."""
    return torch.randint(2, 300, (2, 12), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of 400 small documents."""
    path = tmp_path_factory.mktemp("text") / "animals.txt"
    path.write_text("\n<|endoftext|>\n".join(sentences(400)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, text_file: Path) -> Run:
    """A finished run of 40 steps. Tests read it and never write to it."""
    return train(tiny_settings(text_file), tmp_path_factory.mktemp("runs") / "tiny")
