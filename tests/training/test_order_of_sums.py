"""What another order of sums does to a run: nothing to a dense model, and to TopK what rounding decides.

Several processes add up gradients as one process does that takes their shares in turns (`test_processes.py`:
not a bit differs). So what is left between two processes and one is shown here by one process alone.
"""

import pytest
import torch

from topklm.model import TopKLMConfig, TopKLMForCausalLM
from topklm.stories import documents

STEPS, BLOCKS, CONTEXT, WIDTH = 50, 8, 64, 512


def losses(*, k: int, dtype: torch.dtype, turns: int) -> torch.Tensor:
    """Train for 50 steps on stories, as bytes, each step's blocks in so many turns."""
    torch.manual_seed(0)
    config = TopKLMConfig(
        vocab_size=256, hidden_size=WIDTH, num_hidden_layers=4, num_attention_heads=4, head_dim=32,
        intermediate_size=160, max_position_embeddings=CONTEXT, topk_k=k, n_nontopk=1,
    )  # fmt: skip
    model = TopKLMForCausalLM(config).to(dtype)
    embedding = model.model.embed_tokens.weight
    with torch.no_grad():  # as `tiny` begins
        embedding.mul_(8)
        model.model.norm.weight.div_(8)
    others = [one for one in model.parameters() if one is not embedding]
    groups = [{"params": others, "lr": 1e-3}, {"params": [embedding], "lr": 4e-3}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    text = "".join(text for text, _ in zip((text for text, _ in documents("0")), range(200), strict=False))
    ids = torch.tensor(list(text.encode()[: STEPS * BLOCKS * CONTEXT])).view(STEPS, BLOCKS, CONTEXT)
    found = []
    for step in ids:
        loss = torch.zeros((), dtype=dtype)
        for share in step.chunk(turns):
            part = model(input_ids=share, labels=share, use_cache=False).loss / turns
            part.backward()
            loss += part.detach()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        found.append(loss)
    return torch.stack(found)


def drift(*, k: int, dtype: torch.dtype) -> float:
    one, two = (losses(k=k, dtype=dtype, turns=turns) for turns in (1, 2))
    assert one.isfinite().all()
    return float((one - two).abs().max())


@pytest.mark.slow
def test_without_selection_the_order_of_sums_stays_in_the_last_digits() -> None:
    assert drift(k=WIDTH, dtype=torch.float32) <= 1e-4


@pytest.mark.slow
def test_with_topk_it_does_where_rounding_cannot_choose_another_neuron() -> None:
    assert drift(k=32, dtype=torch.float64) <= 1e-4
