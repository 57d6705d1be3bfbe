"""What is lost when features replace the stream: nothing for the state itself, all for nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from topklm import CorpusError, SparseCodes
from topklm.data import Packed
from topklm.features import LayerNeurons, PosthocNeurons
from topklm.features.replacing import replaced
from topklm.training import Run, load


@pytest.fixture(scope="module")
def packed(trained: Run) -> Packed:
    return Packed.open(trained.path / "data", "train")


def test_topk_neurons_lose_nothing(trained: Run, packed: Packed) -> None:
    model, tokenizer, _ = load(trained.path)
    for one in replaced(LayerNeurons(model, tokenizer), packed, tokens=2000):
        assert one.explained_variance == (1, 1, 1)
        assert one.ce_score == (1, 1, 1)
        assert one.loss == one.model_loss
        assert one.l0.value == 8
        assert one.n_tokens == 1984


def test_features_that_write_nothing_lose_everything(trained: Run, packed: Packed) -> None:
    model, tokenizer, _ = load(trained.path)

    class Nothing(LayerNeurons):
        def decode(self, site: int, codes: SparseCodes) -> torch.Tensor:
            return torch.zeros(len(codes), codes.width)

    one = replaced(Nothing(model, tokenizer), packed, tokens=200)[0]
    assert one.n_tokens == 192
    assert one.ce_score == (0, 0, 0)
    assert one.explained_variance.value < 0.05  # worse than the mean
    assert one.loss == one.zero_loss


def test_numbers_are_those_of_their_formulas(trained: Run, packed: Packed) -> None:
    model, tokenizer, _ = load(trained.path)
    source: Any = PosthocNeurons(model, tokenizer, sites=[1], k=3)
    one = replaced(source, packed, tokens=320)[0]
    ids = torch.from_numpy(packed.tokens[:320].astype("int64")).view(10, 32)
    block = model.model.layers[1]

    @torch.no_grad()
    def loss(change: Any) -> float:
        handle = block.register_forward_hook(lambda module, inputs, output: change(output))
        logits = model(ids).logits[:, :-1].flatten(0, 1)
        handle.remove()
        return float(cross_entropy(logits, ids[:, 1:].flatten()))

    def three(hidden: torch.Tensor) -> torch.Tensor:
        kept = hidden.topk(3, dim=-1)
        return torch.zeros_like(hidden).scatter(-1, kept.indices, kept.values)

    plain, changed, zeros = loss(lambda h: h), loss(three), loss(torch.zeros_like)
    assert one.model_loss.value == pytest.approx(plain, rel=1e-5)
    assert one.loss.value == pytest.approx(changed, rel=1e-5)
    assert one.ce_score.value == pytest.approx((zeros - changed) / (zeros - plain), rel=1e-4)
    with torch.no_grad():
        hidden = model(ids, output_hidden_states=True).hidden_states[2].flatten(0, 1)
    error = (three(hidden) - hidden).square().sum()
    spread = (hidden - hidden.mean(dim=0)).square().sum()
    assert one.explained_variance.value == pytest.approx(float(1 - error / spread), rel=1e-4)
    fired = (three(hidden) != 0).float().mean(dim=0)
    assert one.dead == pytest.approx(float((fired == 0).float().mean()))
    assert one.explained_variance.low <= one.explained_variance.value <= one.explained_variance.high


def test_a_text_shorter_than_a_block_is_refused(trained: Run, packed: Packed, tmp_path: Path) -> None:
    model, tokenizer, _ = load(trained.path)
    with pytest.raises(CorpusError, match="shorter than one block of 32"):
        replaced(LayerNeurons(model, tokenizer), packed, tokens=31)
