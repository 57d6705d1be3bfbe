"""What an evaluation sees of the stream at each TopK layer: firings, sizes, the gains that read it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..core.processes import added_up
from ..core.stats import is_live
from ..model import TopKLMForCausalLM
from .revive import reading_norm
from .sharding import full

TOP_SHARE = 0.01
"""The share of a layer's neurons whose firings are counted as the winners'."""


class SiteTally:
    """Sums over the tokens seen at one TopK layer."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.fired = torch.zeros(width, dtype=torch.int64, device=device)
        self.sums = torch.zeros(3, dtype=torch.float64, device="cpu")
        """Tokens, squared norms before TopK, squared norms after it."""

    def add(self, state: Tensor, code: Tensor) -> None:
        """Add a batch: the state before TopK and the code after it, shape (..., width)."""
        rows = code.flatten(0, -2)
        self.fired += (rows != 0).sum(0)
        squares, kept = (float(one.float().square().sum()) for one in (state, rows))
        self.sums += torch.tensor([len(rows), squares, kept], dtype=torch.float64)

    @property
    def tokens(self) -> int:
        """How many tokens were seen."""
        return int(self.sums[0])

    def join(self) -> None:
        """Add what the other processes tallied."""
        added_up(self.fired)
        added_up(self.sums)

    def numbers(self, gain: Tensor) -> dict[str, float]:
        """Say in numbers how the layer is used; see `stream_numbers`."""
        fired = self.fired.cpu()
        dead, gain = fired == 0, gain.detach().float().cpu()
        winners = max(1, round(TOP_SHARE * len(fired)))
        squares, kept = (float(value) for value in self.sums[1:])
        found = {
            "dead": float(dead.double().mean()),
            "top": float(fired.topk(winners).values.sum()) / max(1, int(fired.sum())),
            "rms": (squares / max(1, self.tokens * len(fired))) ** 0.5,
            "kept": kept / squares if squares else 0.0,
        }
        for name, mask in (("gain", ~dead), ("gain_dead", dead)):
            if bool(mask.any()):
                found[name] = float(gain[mask].mean())
        return found


@contextmanager
def tallied(model: TopKLMForCausalLM) -> Iterator[dict[int, SiteTally]]:
    """Tally every forward pass inside a with block, by TopK layer."""
    layers = model.model.topk_modules()
    tallies = {layer: SiteTally(model.config.hidden_size, model.device) for layer in layers}

    def hook(layer: int) -> Any:
        def add(module: nn.Module, inputs: Any, output: Tensor) -> None:
            tallies[layer].add(inputs[0].detach(), output.detach())

        return add

    handles = [module.register_forward_hook(hook(layer)) for layer, module in layers.items()]
    try:
        yield tallies
    finally:
        for handle in handles:
            handle.remove()


def stream_numbers(model: TopKLMForCausalLM, tallies: dict[int, SiteTally]) -> dict[str, float]:
    """Return what the tallies say, named as the Trainer names what it evaluates.

    `eval_live_L3`: share of live neurons at layer 3. `eval_stream_L3_NAME`, with NAME one of: `dead`,
    share of neurons that never fired; `top`, share of all firings that the 1 % most frequent neurons
    have; `rms`, root mean square of the entries before TopK; `kept`, share of the squared norm that TopK
    keeps; `gain` and `gain_dead`, mean gain of the norm that reads the code first, over the neurons that
    fired and over those that did not.
    """
    found: dict[str, float] = {}
    for layer, tally in tallies.items():
        live = is_live(tally.fired.double(), tally.tokens).double().mean()
        found[f"eval_live_L{layer}"] = float(live)
        numbers = tally.numbers(full(reading_norm(model, layer).weight))
        found |= {f"eval_stream_L{layer}_{name}": value for name, value in numbers.items()}
    return found


def by_layer(logs: dict[str, float]) -> dict[str, Any]:
    """Sort what `stream_numbers` named into `live` and `stream`, objects with one entry a layer."""
    live: dict[str, float] = {}
    stream: dict[str, dict[str, float]] = {}
    for name, value in logs.items():
        if name.startswith("eval_live_L"):
            live[name.removeprefix("eval_live_L")] = value
        elif name.startswith("eval_stream_L"):
            layer, _, what = name.removeprefix("eval_stream_L").partition("_")
            stream.setdefault(layer, {})[what] = value
    return {"live": live, "stream": stream} if live else {}
