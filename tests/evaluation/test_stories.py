"""Bits per word against the generator's own, and what the judge says of whole and broken texts."""

import math

import numpy as np
import pytest
import torch

from samples import SHAPE
from topklm.data.tokenizer import encode_prompt, train_tokenizer
from topklm.evaluation.stories import halves, kept, story_gap, text_bits
from topklm.model import TopKLMConfig, TopKLMForCausalLM
from topklm.stories import Stories

TRUE = [story.text for story in Stories(2).take(60)]
TOKENIZER = train_tokenizer(TRUE, 400)


@pytest.fixture(scope="module")
def model() -> TopKLMForCausalLM:
    torch.manual_seed(0)
    return TopKLMForCausalLM(TopKLMConfig(**{**SHAPE, "vocab_size": len(TOKENIZER)}, topk_k=8)).eval()


def test_bits_equal_a_token_by_token_count_and_do_not_depend_on_the_batch(model: TopKLMForCausalLM) -> None:
    texts = ["One evening, Hanna went home.", "Rain.", "There was " * 8]
    expected = []
    for text in texts:
        ids = torch.tensor([encode_prompt(TOKENIZER, text)])
        with torch.no_grad():
            logs = model(ids).logits[0, :-1].log_softmax(-1)
        expected.append(-float(logs.gather(1, ids[0, 1:, None]).sum()) / math.log(2))
    assert np.allclose(text_bits(model, TOKENIZER, texts), expected, rtol=1e-4)


def test_a_text_longer_than_the_context_is_read_in_windows(model: TopKLMForCausalLM) -> None:
    text = TRUE[0]
    ids = encode_prompt(TOKENIZER, text)
    assert len(ids) > 2 * 64
    bits = 0.0
    for start in range(0, len(ids) - 1, 64):
        window = torch.tensor([ids[start : start + 65]])
        with torch.no_grad():
            logs = model(window[:, :-1]).logits[0].log_softmax(-1)
        bits -= float(logs.gather(1, window[0, 1:, None]).sum()) / math.log(2)
    assert text_bits(model, TOKENIZER, [text])[0] == pytest.approx(bits, rel=1e-4)


def test_an_untrained_model_is_beyond_the_trigram_and_the_path_is_below_it(model: TopKLMForCausalLM) -> None:
    gap = story_gap(model, TOKENIZER, trained_on=TRUE, held_out=list(Stories(1).take(20)))
    assert gap.path.value < gap.trigram.value < gap.model.value
    assert gap.closed.value < 0
    assert gap.n_documents == 20


def test_true_stories_keep_topic_and_people_and_spliced_ones_do_not() -> None:
    whole = kept(TRUE)
    pairs = zip(TRUE, TRUE[1:] + TRUE[:1], strict=True)
    spliced = kept([halves(a)[0] + halves(b)[1] for a, b in pairs])
    assert whole.topic.value > 0.9
    assert whole.people.value > 0.8
    assert whole.outcome.value > 0.9
    assert spliced.topic.value < 0.4
    assert spliced.people.value < 0.4


def test_halves_join_to_the_whole() -> None:
    for text in [*TRUE[:5], "no end", ""]:
        assert "".join(halves(text)) == text
