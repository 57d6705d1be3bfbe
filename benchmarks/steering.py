"""What steering costs while a model writes."""

from collections.abc import Callable
from typing import Any

import torch

from topklm.steering import Edit, steer
from topklm.steering.editing import Steering
from topklm.training import preset

from .models import VOCABULARY, new_model
from .pairs import Ratio, ratio

NEW_TOKENS = 64
PAIRS = 25


@torch.no_grad()
def steering() -> list[Ratio]:
    """Generation of 64 tokens, steered against unsteered (at most 1.05: 0.95 of the tokens per second)."""
    options: dict[str, Any] = {
        "max_new_tokens": NEW_TOKENS,
        "min_new_tokens": NEW_TOKENS,
        "do_sample": False,
        "pad_token_id": 0,
    }
    rows = []
    for name in ("tiny", "small"):
        model = new_model(preset(name)).eval()
        layer = max(model.config.topk_layers)
        one = [Edit(f"L{layer}/N17", set_to=4.0)]
        late = [Edit(f"L{layer}/N17", add=4.0, positions="generated")]
        mixed = [[Edit(f"L{row % layer}/N{row}", set_to=2.0 + row)] for row in range(16)]
        cases: list[tuple[str, int, Steering]] = [
            ("one neuron, one text", 1, steer(model, one)),
            ("one neuron, generated tokens alone", 1, steer(model, late)),
            ("16 texts, an edit of its own each", 16, steer(model, rows=mixed)),
        ]
        for title, texts, edits in cases:
            prompt = torch.randint(2, VOCABULARY, (texts, 32))

            def plain(model: Any = model, prompt: Any = prompt) -> object:
                return model.generate(prompt, **options)

            rows.append(ratio(f"{name}: {title}", inside(edits, plain), plain, pairs=PAIRS))
    return rows


def inside(edits: Steering, work: Callable[[], object]) -> Callable[[], object]:
    """Do the work with the edits in force."""

    def steered() -> object:
        with edits:
            return work()

    return steered
