"""A small index of the session's trained run, in many small parts, and the dense truth beside it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from samples import Truth
from topklm.data import Packed
from topklm.features import LayerNeurons, capture
from topklm.index import FeatureIndex, build_index
from topklm.training import Run, load

BATCH = 256
TOKENS = 2500


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make parts of one batch of 256 tokens."""
    monkeypatch.setattr("topklm.index.build.BATCH_TOKENS", BATCH)
    monkeypatch.setattr("topklm.index.parts.PART_FIRINGS", 1)


@pytest.fixture(scope="session")
def index(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureIndex:
    """An index of about 2,500 tokens in ten parts. Tests ask it and never write to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("topklm.index.build.BATCH_TOKENS", BATCH)
        patch.setattr("topklm.index.parts.PART_FIRINGS", 1)
        out = tmp_path_factory.mktemp("index") / "index"
        return build_index(trained, data=str(text_file), tokens=TOKENS, out=out)


@pytest.fixture(scope="session")
def truth(index: FeatureIndex, trained: Run) -> Truth:
    """Every activation, read again from the model in the same batches and laid out densely."""
    model, tokenizer, _ = load(trained.path)
    documents = np.stack([index.starts, np.zeros_like(index.starts)], axis=1)
    packed = Packed(index.tokens, documents, {})
    source = LayerNeurons(model, tokenizer)
    found: dict[int, list[torch.Tensor]] = {site: [] for site in source.sites}
    for batch in capture(source, packed, batch_tokens=BATCH):
        for site, codes in batch.codes.items():
            found[site].append(codes.to_dense())
    return Truth(index.tokens, index.starts, {site: torch.cat(rows).numpy() for site, rows in found.items()})
