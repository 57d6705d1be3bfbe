"""Draw dead neurons anew: the weights that write them and that read them first."""

from typing import Any

import torch
from torch import Tensor, nn

from ..model import TopKLMForCausalLM


def reading_norm(model: TopKLMForCausalLM, layer: int) -> Any:
    """Return the norm that reads the stream after block `layer` first: the next block's, or the last."""
    blocks = model.model.layers
    return blocks[layer + 1].input_layernorm if layer + 1 < len(blocks) else model.model.norm


def reading_matrix(model: TopKLMForCausalLM, layer: int) -> Tensor:
    """Return what reads the stream after block `layer`, its norm's gain included: shape (read, width).

    That is the next block's query, key and value weights one below the other, or the output layer's.
    """
    gain: Tensor = reading_norm(model, layer).weight
    blocks = model.model.layers
    if layer + 1 == len(blocks):
        found: Tensor = model.lm_head.weight * gain
        return found
    attention = blocks[layer + 1].self_attn
    parts = [attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]
    return torch.cat(parts) * gain


@torch.no_grad()
def redraw(
    model: TopKLMForCausalLM, dead: dict[int, Tensor], *, optimizer: Any, generator: torch.Generator
) -> int:
    """Draw the dead neurons of each TopK layer anew, and return how many there were.

    dead: TopK layer -> booleans of shape (width,). For a neuron dead at layer l: its row in the attention
    outputs and MLP outputs of the blocks after the TopK layer before l, up to l, is drawn from a normal
    distribution of the root mean square that the live neurons' rows have; its gain in the norm that reads
    layer l becomes the live neurons' mean. A neuron dead at every TopK layer gets a new embedding column
    too, drawn likewise. The optimizer's moments of all of these become zero. A layer without live neurons
    has nothing to go by and is left alone.

    Source: the resampling of dead SAE neurons (Bricken et al. 2023, "Towards Monosemanticity"), simplified:
    drawn at random, not from badly predicted inputs.
    """
    before, count = -1, 0
    for layer, mask in sorted(dead.items()):
        mask = mask.cpu()
        if bool(mask.any()) and not bool(mask.all()):
            count += int(mask.sum())
            for block in model.model.layers[before + 1 : layer + 1]:
                for linear in (block.self_attn.o_proj, block.mlp.down_proj):
                    _redraw(linear.weight, mask, 0, optimizer, generator)
            gain = reading_norm(model, layer).weight
            gain[mask] = gain[~mask].mean()
            _forget(gain, mask, 0, optimizer)
        before = layer
    everywhere = torch.stack([mask.cpu() for mask in dead.values()]).all(0)
    if bool(everywhere.any()) and not bool(everywhere.all()):
        _redraw(model.model.embed_tokens.weight, everywhere, 1, optimizer, generator)
    return count


def _redraw(weight: nn.Parameter, mask: Tensor, dim: int, optimizer: Any, generator: torch.Generator) -> None:
    """Draw the masked rows (dim 0) or columns (dim 1) at the root mean square of the others."""
    places, others = mask.nonzero()[:, 0].to(weight.device), (~mask).nonzero()[:, 0].to(weight.device)
    size = weight.index_select(dim, others).square().mean().sqrt()
    shape = list(weight.shape)
    shape[dim] = len(places)
    drawn = torch.randn(shape, generator=generator)  # on the CPU: the same everywhere
    weight.index_copy_(dim, places, drawn.to(weight) * size)
    _forget(weight, mask, dim, optimizer)


def _forget(weight: nn.Parameter, mask: Tensor, dim: int, optimizer: Any) -> None:
    """Set the optimizer's moments of the masked rows or columns to zero."""
    places = mask.nonzero()[:, 0].to(weight.device)
    for moment in optimizer.state.get(weight, {}).values():
        if isinstance(moment, Tensor) and moment.shape == weight.shape:
            moment.index_fill_(dim, places, 0.0)
