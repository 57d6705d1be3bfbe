"""Floating-point operations are counted one way, whatever they are counted from."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from topklm.evaluation.flops import blocks_flops, forward_flops
from topklm.features.hooks import blocks
from topklm.model import TopKLMForCausalLM


@pytest.mark.parametrize("context", [None, 8])
def test_blocks_cost_the_whole_pass_less_the_output_layer(
    small_model: TopKLMForCausalLM, context: int | None
) -> None:
    config = small_model.config
    whole = forward_flops(config, context=context)
    output = 2 * config.hidden_size * config.vocab_size
    assert blocks_flops(blocks(small_model), config, context=context) == whole - output


def test_another_kind_of_model_by_hand() -> None:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=10, n_positions=6, n_embd=4, n_layer=2, n_head=2))
    # a block: q, k, v and output 4 x 16, MLP 2 x 4 x 16; each token attends to 3 on average, 4 numbers, twice
    assert blocks_flops(blocks(model), model.config) == 2 * 2 * (4 * 16 + 2 * 4 * 16 + 2 * 3 * 4)
