"""Models and training steps to be timed."""

from collections.abc import Callable

import torch

from topklm.model import TopKLMForCausalLM
from topklm.training import preset

TOKENS = 4096


def training_step(
    name: str, *, dense: bool = False, bf16: bool = True, attention: str = "eager", context: int = 128
) -> Callable[[], object]:
    """Make one training step (forward, backward, AdamW) of a preset's model on random tokens."""
    settings = preset(name, dense=dense, context=context, batch_tokens=TOKENS)
    vocabulary = 2048
    config = settings.model_config(vocab_size=vocabulary)
    config._attn_implementation = attention
    torch.manual_seed(0)
    model = TopKLMForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    ids = torch.randint(0, vocabulary, (TOKENS // context, context))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
