"""Models and steps to be timed."""

from collections.abc import Callable
from typing import Any

import torch

from topklm.core.memory import keep_freed_memory
from topklm.model import TopKLMForCausalLM
from topklm.training import TrainSettings, preset
from topklm.training.machine import best_attention, has_fast_bf16

TOKENS = 4096
VOCABULARY = 2048
BF16 = has_fast_bf16("cpu")
"""What `--precision auto` means on this processor."""


def autocast(enabled: bool = BF16) -> torch.autocast:
    """Compute as training does on this processor: in bf16 where it is built in, else in fp32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def attention_here(context: int) -> str:
    """Name the attention that training takes on this processor."""
    return best_attention("cpu", "bf16" if BF16 else "fp32", context)


def new_model(settings: TrainSettings, *, attention: str | None = None) -> TopKLMForCausalLM:
    """Draw a model of these settings with a vocabulary of 2,048."""
    config = settings.model_config(vocab_size=VOCABULARY)
    config._attn_implementation = attention or attention_here(settings.context)
    torch.manual_seed(0)
    return TopKLMForCausalLM(config)


def training_step(
    name: str, *, bf16: bool = BF16, attention: str | None = None, context: int = 256, **changes: Any
) -> Callable[[], object]:
    """Make one training step (forward, backward, AdamW) of a preset's model on random tokens."""
    keep_freed_memory()
    model = new_model(
        preset(name, **{**changes, "context": context, "batch_tokens": TOKENS}), attention=attention
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    ids = torch.randint(0, VOCABULARY, (TOKENS // context, context))

    def step() -> None:
        with autocast(bf16):
            loss = model(input_ids=ids, labels=ids, loss_only=True).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
