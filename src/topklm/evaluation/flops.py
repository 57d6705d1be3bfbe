"""Floating-point operations of a model: one convention, from a configuration or from the model at hand.

A multiplication and its addition count as two. A token attends to half of a block on average, since attention
is causal. Embedding look-ups, norms, biases, activations and TopK itself are left out.
Source: Kaplan et al. 2020 (arXiv 2001.08361, table 1), with attention's causal half.
"""

from typing import Any

TRAINING = 3
"""A training step's operations in units of its forward pass: the backward pass takes two more."""


def forward_flops(config: Any, *, context: int | None = None) -> float:
    """Count the operations of a whole forward pass per token.

    config: of a Llama or TopK model. context: tokens of a block, by default all the model can read.
    """
    width, depth = config.hidden_size, config.num_hidden_layers
    heads, kv_heads, size = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    projections = width * size * (2 * heads + 2 * kv_heads)
    mlp = 3 * width * config.intermediate_size
    weights = depth * (projections + mlp) + width * config.vocab_size
    return float(2 * weights) + _attention(config, heads * size, context)


def blocks_flops(blocks: Any, config: Any, *, context: int | None = None) -> float:
    """Count the operations of a model's blocks per token: a forward pass without the output layer.

    blocks: the module that holds them, of any model (`features.hooks.blocks`); config: its configuration.
    For a Llama it is `forward_flops` less the output layer.
    """
    weights = sum(one.numel() for one in blocks.parameters() if one.ndim > 1)
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return float(2 * weights) + _attention(config, config.num_attention_heads * size, context)


def _attention(config: Any, channels: int, context: int | None) -> float:
    """Scores and mixing, of all blocks."""
    attended = (context or config.max_position_embeddings) / 2
    return float(2 * config.num_hidden_layers * 2 * attended * channels)
