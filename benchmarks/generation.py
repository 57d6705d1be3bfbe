"""What a generated token costs, and whether sparse states could make it cheaper."""

import torch
from torch.nn.functional import linear

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


@torch.no_grad()
def decoding() -> list[Ratio]:
    """The q, k and v projections of one token from k columns of the weights against all of them.

    Sparse decoding would do this after each TopK and norm. Columns are rows of the transposed weight,
    which would have to be kept beside it.
    """
    rows = []
    for width in (1024, 2048):
        k = width // 16
        weight = torch.randn(3 * width, width) / width**0.5
        columns = weight.T.contiguous()
        state = torch.zeros(1, width)
        kept = torch.randperm(width)[:k].sort().values
        state[0, kept] = torch.randn(k)

        def sparse(state=state, columns=columns) -> torch.Tensor:
            kept = state[0].nonzero()[:, 0]
            return state[:, kept] @ columns[kept]

        torch.testing.assert_close(sparse(), linear(state, weight), rtol=1e-4, atol=1e-4)
        name = f"width {width}, k {k}: columns / all"
        rows.append(ratio(name, sparse, lambda state=state, weight=weight: linear(state, weight), pairs=201))
    return rows
