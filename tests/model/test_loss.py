"""The chunked loss equals the loss of the whole matrix of logits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from samples import SHAPE
from topklm.model import TopKLMConfig, TopKLMForCausalLM
from topklm.model import loss as module


@given(st.integers(1, 400), st.integers(1, 3), st.integers(2, 9), st.integers(0, 2**31))
def test_loss_and_gradients_equal_the_whole_matrix_for_any_chunk(
    at_once: int, batch: int, tokens: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(batch, tokens, 5, generator=generator, dtype=torch.float64)
    weight = torch.randn(11, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 11, (batch, tokens), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.2] = -100
    labels[0, -1] = 3  # at least one counts
    whole, chunked = [(states.clone().requires_grad_(), weight.clone().requires_grad_()) for _ in range(2)]
    logits = whole[0][:, :-1] @ whole[1].T
    expected = cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LOGITS_AT_ONCE", at_once)
        loss = module.chunked_cross_entropy(*chunked, labels)
    expected.backward()
    loss.backward()
    torch.testing.assert_close(loss, expected.float())
    for a, b in zip(chunked, whole, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=1e-6)


def test_a_model_gives_the_same_loss_alone_as_with_its_logits(ids: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = TopKLMForCausalLM(TopKLMConfig(**SHAPE, topk_k=8))
    for items in (None, torch.tensor(40)):
        results = []
        for alone in (False, True):
            model.zero_grad()
            output = model(input_ids=ids, labels=ids, loss_only=alone, num_items_in_batch=items)
            output.loss.backward()
            assert (output.logits is None) == alone
            results.append([output.loss.detach(), *[p.grad.clone() for p in model.parameters()]])
        for a, b in zip(*results, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_under_autocast_it_stays_near(ids: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = TopKLMForCausalLM(TopKLMConfig(**SHAPE, topk_k=8))
    with torch.autocast("cpu", torch.bfloat16):
        whole = model(input_ids=ids, labels=ids).loss
        alone = model(input_ids=ids, labels=ids, loss_only=True).loss
    assert alone.dtype == torch.float32
    torch.testing.assert_close(alone, whole, rtol=1e-5, atol=0)


def test_without_labels_there_is_no_loss(small_model: TopKLMForCausalLM, ids: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="needs labels"):
        small_model(input_ids=ids, loss_only=True)
