"""The weights that a run begins with."""

from typing import Any

import torch
from transformers import set_seed

from ..data.tokenizer import as_config, boundary_id, end_ids, vocabulary_size
from ..model import TopKLMForCausalLM
from .settings import TrainSettings


def new_model(settings: TrainSettings, tokenizer: Any, *, attention: str) -> TopKLMForCausalLM:
    """Draw a model's initial weights; a TopK model and its dense twin get the same."""
    boundary, pad = boundary_id(tokenizer), tokenizer.pad_token_id
    ends = end_ids(tokenizer.eos_token_id, tokenizer)
    config = settings.model_config(
        vocab_size=vocabulary_size(tokenizer),
        bos_token_id=boundary,
        eos_token_id=as_config(ends),
        # torch keeps a padding token's embedding at zero, which a boundary's must not be
        pad_token_id=None if pad in ends else pad,
    )
    config._attn_implementation = attention
    set_seed(settings.seed)
    model = TopKLMForCausalLM(config)
    begin(model, settings)
    return model


def begin(model: TopKLMForCausalLM, settings: TrainSettings) -> None:
    """Do to weights that were drawn from a run's seed what the run does to them before it trains."""
    if settings.embedding_seed is not None:
        take_embedding(model, settings.embedding_seed)
    scale_initial(model, settings)


def take_embedding(model: TopKLMForCausalLM, seed: int) -> None:
    """Give a fresh model the embedding that it would have with another seed; nothing else changes."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        other = TopKLMForCausalLM(model.config)
        model.model.embed_tokens.weight.copy_(other.model.embed_tokens.weight)


def scale_initial(model: TopKLMForCausalLM, settings: TrainSettings) -> None:
    """Scale freshly drawn weights as the settings ask for: `embedding_scale`, `branch_scale`."""
    with torch.no_grad():
        if settings.embedding_scale != 1:
            # Tokens then speak louder than what blocks add at first, while logits begin as they would.
            model.model.embed_tokens.weight.mul_(settings.embedding_scale)
            model.model.norm.weight.div_(settings.embedding_scale)
        if settings.branch_scale != 1:
            for block in model.model.layers:
                block.self_attn.o_proj.weight.mul_(settings.branch_scale)
                block.mlp.down_proj.weight.mul_(settings.branch_scale)
