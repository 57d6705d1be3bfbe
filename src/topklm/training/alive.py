"""What keeps neurons alive while a model is trained; the finished model knows nothing of it.

The selection bias and the auxiliary loss act in `watched.py`, drawing anew in `revive.py`; here is when.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import TrainerCallback

from ..core.errors import RunError
from ..model import TopK, TopKLMForCausalLM
from .revive import reading_matrix, redraw
from .run import ALIVE
from .schedules import fade_at, revival_steps
from .settings import TrainSettings
from .watched import WatchedTopK


class Alive(TrainerCallback):
    """Watches a model's TopK layers through its training, and settles accounts after every step.

    Outside training mode the watched modules are plain TopK: evaluations, samples and checkpoints show
    the model that is saved.
    """

    def __init__(self, model: TopKLMForCausalLM, settings: TrainSettings) -> None:
        self.model, self.settings = model, settings
        self.revivals = set(revival_steps(settings.steps, count=settings.revive, share=settings.revive_share))
        self.layers: dict[int, WatchedTopK] = {}
        self.replaced: dict[int, TopK] = {}
        for layer, plain in model.model.topk_modules().items():
            self.layers[layer] = WatchedTopK(
                plain,
                width=settings.width,
                lift=settings.lift,
                lift_below=settings.lift_below,
                dead_after=settings.dead_after,
                aux_k=(settings.aux_k or settings.k) if settings.aux_loss else 0,
                reading=partial(reading_matrix, model, layer),
            )
            self.replaced[layer] = plain
            model.model.layers[layer].topk = self.layers[layer]

    def leave(self) -> None:
        """Give the model its plain TopK modules back, at the k and blend of now."""
        for layer, plain in self.replaced.items():
            plain.k, plain.blend = self.layers[layer].k, self.layers[layer].blend
            self.model.model.layers[layer].topk = plain

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set how much of the bias counts in this step."""
        share = fade_at(state.global_step, steps=self.settings.steps, share=self.settings.lift_fade)
        for module in self.layers.values():
            module.fade = share

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bias, count the silent, and draw the dead anew where that is due."""
        for module in self.layers.values():
            module.settle()
        if state.global_step not in self.revivals:
            return
        step = state.global_step
        seed = int(np.random.SeedSequence([self.settings.seed, step]).generate_state(1)[0])
        generator = torch.Generator().manual_seed(seed)
        dead = {layer: module.dead for layer, module in self.layers.items()}
        redraw(self.model, dead, optimizer=kwargs["optimizer"], generator=generator)
        for layer, module in self.layers.items():
            module.silent[dead[layer]] = 0

    def loss(self) -> Tensor | None:
        """Sum the layers' auxiliary losses of the last forward pass, weighted; None where there is none."""
        found = [module.loss for module in self.layers.values() if module.loss is not None]
        if not found:
            return None
        total: Tensor = self.settings.aux_loss * torch.stack(found).sum()
        return total

    def numbers(self) -> dict[str, float]:
        """Return each layer's shares of neurons dead in training and lifted, named as in `stream.py`.

        `silent`: no firing for `dead_after` training tokens, the lift counted in; `lifted`: bias above zero.
        """
        found = {}
        for layer, module in self.layers.items():
            found[f"eval_stream_L{layer}_silent"] = float(module.dead.double().mean())
            found[f"eval_stream_L{layer}_lifted"] = float((module.bias * module.fade > 0).double().mean())
        return found

    def save(self, directory: Path) -> None:
        """Write each layer's selection bias and silence into a full checkpoint: all that resuming needs."""
        tensors = {
            f"{name}.{layer}": getattr(module, name).cpu()
            for layer, module in self.layers.items()
            for name in ("bias", "silent")
        }
        save_file(tensors, directory / ALIVE, metadata={"format": "topklm.alive/1"})

    def restore(self, directory: Path) -> None:
        """Read what `save` wrote. Raises RunError where it does not fit the model."""
        try:
            tensors = load_file(directory / ALIVE)
            for layer, module in self.layers.items():
                module.bias.copy_(tensors[f"bias.{layer}"])
                module.silent.copy_(tensors[f"silent.{layer}"])
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise RunError(f"{directory / ALIVE} cannot be used: {error}") from None
