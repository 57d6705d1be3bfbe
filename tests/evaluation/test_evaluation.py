"""Held-out loss against a plain count; generation."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samples import SHAPE, sentences
from topklm.core.errors import InputError
from topklm.data import Corpus, Document, pack
from topklm.data.tokenizer import train_tokenizer
from topklm.evaluation.generation import write
from topklm.evaluation.heldout import document_likelihoods, held_out, token_nats
from topklm.model import TopKLMConfig, TopKLMForCausalLM
from topklm.training import Run, load

TOKENIZER = train_tokenizer(sentences(60), 300)


class Uniform:
    """A model that finds every one of 50 tokens equally likely."""

    device = torch.device("cpu")

    def __call__(self, input_ids: torch.Tensor, **_: object) -> object:
        return type("Output", (), {"logits": torch.zeros(*input_ids.shape, 50)})()


@given(st.integers(2, 60), st.integers(2, 9))
def test_every_token_but_the_first_is_predicted_once(count: int, context: int) -> None:
    nats = token_nats(Uniform(), np.arange(count, dtype=np.uint16) % 50, context=context)
    assert nats.shape == (count - 1,)
    assert np.allclose(nats, math.log(50))


def test_sums_equal_a_token_by_token_count(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = TopKLMForCausalLM(TopKLMConfig(**{**SHAPE, "vocab_size": len(TOKENIZER)}, topk_k=8)).eval()
    texts = sentences(4)
    corpus = Corpus(("test",), (lambda: (Document(text, {}) for text in texts),))
    packed = pack(corpus, TOKENIZER, tmp_path, "text")
    context = 16
    tokens = torch.from_numpy(packed.tokens.astype(np.int64))
    nats = []
    for position in range(1, len(tokens)):
        start = (position - 1) // context * context
        with torch.no_grad():
            logits = model(tokens[None, start:position]).logits[0, -1]
        nats.append(-float(logits.log_softmax(-1)[tokens[position]]))
    sums = document_likelihoods(model, packed, context=context)
    assert sums.nats.sum() == pytest.approx(sum(nats), rel=1e-5)
    ends = [int(start) - 1 for start in packed.documents[1:, 0]]
    text = sum(value for place, value in enumerate(nats) if place not in ends)
    assert sums.text_nats.sum() == pytest.approx(text, rel=1e-5)
    result = held_out(model, packed, context=context)
    assert result.loss.value == pytest.approx(np.mean(nats), rel=1e-5)
    assert result.perplexity.value == pytest.approx(math.exp(np.mean(nats)), rel=1e-5)
    size = sum(len(one.encode()) for one in texts)
    assert result.bits_per_byte.value == pytest.approx(text / math.log(2) / size, rel=1e-5)
    assert (result.n_tokens, result.n_documents, result.n_bytes) == (len(tokens) - 1, 4, size)
    assert result.loss.low <= result.loss.value <= result.loss.high


def test_writing_is_a_function_of_its_seed_and_leaves_the_global_one(trained: Run) -> None:
    model, tokenizer, _ = load(trained.path)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    texts = [write(model, tokenizer, "The cat", max_new_tokens=12, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert torch.equal(torch.rand(1), expected)
    greedy = [write(model, tokenizer, "The", max_new_tokens=5, temperature=0, seed=seed) for seed in (1, 2)]
    assert greedy[0] == greedy[1]


def test_writing_stops_where_the_context_is_full(trained: Run) -> None:
    model, tokenizer, _ = load(trained.path)
    text = write(model, tokenizer, "The cat", max_new_tokens=500)
    assert len(tokenizer("The cat" + text).input_ids) <= model.config.max_position_embeddings + 1


def test_a_prompt_longer_than_the_context_is_refused(trained: Run) -> None:
    model, tokenizer, _ = load(trained.path)
    with pytest.raises(InputError, match="context is 32"):
        write(model, tokenizer, "The cat went. " * 20)
    with pytest.raises(InputError, match="temperature"):
        write(model, tokenizer, "The", temperature=math.nan)
