"""What a generated token costs, and whether sparse states could make it cheaper."""

import copy
from functools import partial

import torch
from torch import nn
from transformers import DynamicCache

from topklm.training import preset

from .models import VOCABULARY, new_model
from .pairs import Ratio, ratio

NEW_TOKENS = 64


@torch.no_grad()
def generation() -> list[Ratio]:
    """Generation of 64 tokens, one text at a time, TopK against its dense twin."""
    prompt = torch.randint(2, VOCABULARY, (1, 32))
    options = {
        "max_new_tokens": NEW_TOKENS,
        "min_new_tokens": NEW_TOKENS,
        "do_sample": False,
        "pad_token_id": 0,
    }
    rows = []
    for name in ("tiny", "small"):
        models = [new_model(preset(name, dense=dense)).eval() for dense in (False, True)]
        work = [lambda model=model: model.generate(prompt, **options) for model in models]
        rows.append(ratio(name, work[0], work[1]))
    return rows


class FromColumns(nn.Module):
    """The q, k and v projections of one sparse state, from the columns of the weights that it needs.

    Columns are rows of the transposed weights, kept beside them. q computes all three; k and v take theirs.
    """

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        parts = [getattr(attention, name) for name in PROJECTIONS]
        self.columns = torch.cat([one.weight for one in parts]).T.contiguous()
        self.sizes = [one.out_features for one in parts]
        self.ready: list[torch.Tensor] = []

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """Project a state of shape (1, 1, width)."""
        if not self.ready:
            kept = state[0, 0].nonzero()[:, 0]
            self.ready = list((state[:, :, kept] @ self.columns[kept]).split(self.sizes, dim=-1))
        return self.ready.pop(0)


PROJECTIONS = ("q_proj", "k_proj", "v_proj")


@torch.no_grad()
def decoding() -> list[Ratio]:
    """A generated token whose q, k and v come from k columns of the weights, against all columns.

    Sparse decoding would do this in every block after a TopK layer. Llama's shape: heads of 64, an MLP of
    8/3 of the width; six blocks, four of them after TopK; 64 tokens in the cache.
    """
    rows = []
    for width in (1024, 2048):
        shape = {"width": width, "heads": width // 64, "head_dim": 64, "mlp": width * 8 // 3, "depth": 6}
        plain = new_model(preset("tiny", k=width // 16, **shape)).eval()
        sparse = copy.deepcopy(plain)
        for layer in plain.config.topk_layers:
            attention = sparse.model.layers[layer + 1].self_attn
            columns = FromColumns(attention)
            for name in PROJECTIONS:
                setattr(attention, name, columns)
        prompt = torch.randint(2, VOCABULARY, (1, 64))
        cache = plain(prompt).cache

        def token(model: nn.Module, cache: DynamicCache = cache) -> torch.Tensor:
            logits: torch.Tensor = model(torch.tensor([[5]]), cache=cache).logits
            cache.crop(-1)
            return logits

        torch.testing.assert_close(token(sparse), token(plain), rtol=1e-3, atol=1e-3)
        name = f"width {width}, k {width // 16}: columns / all"
        rows.append(ratio(name, partial(token, sparse), partial(token, plain), pairs=101))
    return rows
