"""Floating-point operations of a model, counted from its shape."""

from typing import Any

TRAINING = 3
"""A training step's operations in units of its forward pass: the backward pass takes two more."""


def forward_flops(config: Any, *, context: int | None = None) -> float:
    """Count the operations of a forward pass per token, a multiplication and its addition as two.

    config: of a Llama or TopK model. context: tokens of a block, by default all the model can read; a token
    attends to half of it on average. Embedding look-ups, norms, activations and TopK itself are left out.
    Source: the count of Kaplan et al. 2020 (arXiv 2001.08361, table 1), with attention's causal half.
    """
    width, depth = config.hidden_size, config.num_hidden_layers
    attended = (context or config.max_position_embeddings) / 2
    heads, kv_heads, size = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    projections = width * size * (2 * heads + 2 * kv_heads)
    scores = 2 * attended * heads * size
    mlp = 3 * width * config.intermediate_size
    return float(2 * (depth * (projections + scores + mlp) + width * config.vocab_size))
