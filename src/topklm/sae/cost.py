"""What reading a model costs, in floating-point operations."""

from typing import Any

from ..features.hooks import blocks


def reading_flops(model: Any, *, context: int) -> int:
    """Count the floating-point operations of a forward pass through the blocks, per token.

    Two for every weight of a block, and four times the context for every attention channel (scores and
    mixing, over the whole square). The output layer is not run.
    """
    config = model.config.get_text_config()
    weights = sum(parameter.numel() for parameter in blocks(model).parameters())
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * weights + 4 * context * config.num_attention_heads * head * config.num_hidden_layers)
