"""What TopK costs: by itself, in a training step, when its codes are read."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from topklm.core.memory import keep_freed_memory
from topklm.model import topk as our_topk
from topklm.training import preset

from .models import TOKENS, VOCABULARY, autocast, new_model, training_step
from .pairs import Ratio, ratio

ROWS = 8192
LARGEST = 2**24
"""Entries of the largest matrix of the grid."""


def scattered(x: Tensor, k: int) -> Tensor:
    """TopK as usually written: torch.topk, then scatter."""
    values, indices = x.topk(k, dim=-1, sorted=False)
    return torch.zeros_like(x).scatter(-1, indices, values)


def both_ways(function: Callable[[Tensor, int], Tensor], x: Tensor, k: int) -> Callable[[], object]:
    """Make a forward and backward pass of a TopK function."""
    gradient, leaf = torch.ones_like(x), x.clone().requires_grad_(True)

    def work() -> None:
        leaf.grad = None
        function(leaf, k).backward(gradient)

    return work


def compared(rows: int, width: int, k: int, *, pairs: int = 15) -> Ratio:
    """Compare TopK forward and backward with torch.topk and scatter, which must keep the same values."""
    x = torch.randn(rows, width)
    ours, theirs = our_topk(x, k), scattered(x, k)
    assert torch.equal(ours.sort(dim=-1).values, theirs.sort(dim=-1).values)  # ties may be kept elsewhere
    del ours, theirs
    name = f"{rows:,} rows, width {width}, k {k}"
    return ratio(name, both_ways(our_topk, x, k), both_ways(scattered, x, k), pairs=pairs)


def topk() -> list[Ratio]:
    """TopK forward and backward against torch.topk and scatter, 8,192 rows."""
    keep_freed_memory()
    return [compared(ROWS, width, width // 8) for width in (128, 256, 512, 1024, 2048)]


def grid() -> list[Ratio]:
    """TopK against torch.topk and scatter over widths, k and rows: the ten least favourable."""
    keep_freed_memory()
    found = [
        compared(rows, width, max(1, width // part), pairs=31 if rows * width < 2**20 else 15)
        for width in (64, 256, 1024, 4096)
        for rows in (1, 16, 256, 4096, 65_536)
        for part in (2, 8, 64)
        if rows * width <= LARGEST
    ]
    return sorted(found, key=lambda one: -one.median)[:10]


def steps() -> list[Ratio]:
    """Training step of a TopK model against its dense twin's."""
    in_proportion = [
        {"width": width, "mlp": width * 5 // 8, "heads": width // 32, "k": width // 16}
        for width in (128, 256, 512)
    ]
    narrow_blocks = [{"width": width, "k": width // 16} for width in (128, 256, 512)]
    cases = [("tiny", changes) for changes in narrow_blocks + in_proportion] + [("small", {})]
    return [
        ratio(
            f"{name}, width {settings.width}, {settings.heads} heads",
            training_step(name, **changes),
            training_step(name, dense=True, **changes),
        )
        for name, changes in cases
        for settings in (preset(name, **changes),)
    ]


@torch.no_grad()
def reading() -> list[Ratio]:
    """Codes of all sites against the dense twin's forward pass, alone and with one 8x SAE per site."""
    keep_freed_memory()
    rows = []
    for name in ("tiny", "small"):
        settings = preset(name)
        model, twin = new_model(settings).eval(), new_model(preset(name, dense=True)).eval()
        ids = torch.randint(0, VOCABULARY, (TOKENS // settings.context, settings.context))
        saes = [nn.Linear(settings.width, 8 * settings.width) for _ in model.model.topk_modules()]

        def codes(model=model, ids=ids) -> None:
            with autocast():
                found = model.codes(ids)
            assert all(one.counts.max() <= model.config.topk_k for one in found.values())

        def forward(twin=twin, ids=ids) -> None:
            with autocast():
                twin.model(ids, use_cache=False)

        def with_saes(twin=twin, ids=ids, saes=saes, k=settings.k) -> None:
            with autocast():
                states = twin.model(ids, use_cache=False, output_hidden_states=True).hidden_states
                for sae, state in zip(saes, states[1:], strict=False):
                    our_topk(sae(state), k)

        rows.append(ratio(f"{name}: codes / dense forward", codes, forward))
        rows.append(ratio(f"{name}: codes / dense forward and SAEs", codes, with_saes))
    return rows
