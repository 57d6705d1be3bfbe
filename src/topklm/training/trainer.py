"""transformers' Trainer, with what a run needs: order of data, sealed checkpoints, live neurons.

When to log, evaluate, save or change k is decided in `callbacks.py`.
"""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import Trainer

from ..core.errors import TrainingError
from ..core.files import PARTIAL, seal
from ..core.stats import LIVE
from ..data import Blocks
from ..model import TopKLMForCausalLM
from .run import Run

KEPT_CHECKPOINTS = 2
"""Full checkpoints kept: the newest, and the one before in case the newest is damaged."""


class Shuffled(Dataset[dict[str, Tensor]]):
    """Blocks in a random order, epoch after epoch, `length` of them in all.

    The order depends on the seed and the place alone, so a resumed run just starts further on.
    """

    def __init__(self, blocks: Blocks, *, length: int, seed: int) -> None:
        self.blocks, self.length, self.seed = blocks, length, seed
        self.epoch = -1
        self.order: Any = None

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        epoch, place = divmod(index, len(self.blocks))
        if epoch != self.epoch:
            self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.blocks))
            self.epoch = epoch
        return self.blocks[int(self.order[place])]


class TopKTrainer(Trainer):
    """Trainer for one run directory."""

    def __init__(self, *, run: Run, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run = run

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(cast("Shuffled", train_dataset or self.train_dataset))  # in its order

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Make the Trainer's optimizer; the embedding may have a learning rate of its own."""
        is_new = self.optimizer is None
        optimizer: torch.optim.Optimizer = super().create_optimizer(model)
        rate = self.run.settings.embedding_lr
        if is_new and rate:
            trained = self.model if model is None else model
            assert isinstance(trained, TopKLMForCausalLM)
            embedding = trained.model.embed_tokens.weight
            for group in list(optimizer.param_groups):
                others = [one for one in group["params"] if one is not embedding]
                if len(others) < len(group["params"]):
                    group["params"] = others
                    optimizer.add_param_group({**group, "params": [embedding], "lr": rate})
        return optimizer

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Ask the model for its loss alone, so that no matrix of all logits is made."""
        return super().compute_loss(model, {**inputs, "loss_only": True}, *args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Run one step. Raises TrainingError on a loss that is not finite."""
        loss = super().training_step(*args, **kwargs)
        if not math.isfinite(float(loss)):
            raise TrainingError(
                f"the loss is {float(loss)} at step {self.state.global_step + 1}; "
                "try a smaller --lr, or --precision fp32"
            )
        return loss

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate, and count along the way which neurons are live."""
        assert isinstance(self.model, TopKLMForCausalLM)
        with counted_firings(self.model) as counts:
            output = super().evaluation_loop(*args, **kwargs)
        metrics = cast("dict[str, float]", output.metrics)
        for layer, (fired, tokens) in counts.items():
            live = (fired.double() / max(1, tokens) > LIVE).double().mean()
            metrics[f"eval_live_L{layer}"] = float(live)
        return output

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a full checkpoint beside, seal it, and drop the older ones."""
        super()._save_checkpoint(model, trial)
        step = self.state.global_step
        written = Path(str(self.args.output_dir)) / f"checkpoint-{step}"
        # The trainer's arguments are a pickle that nothing reads; the run's settings are in train.json.
        (written / "training_args.bin").unlink(missing_ok=True)
        seal(written, self.run.path / "checkpoints" / f"full-{step}")
        full = [path for _, path in self.run.checkpoints("full")]
        for old in full[:-KEPT_CHECKPOINTS]:
            # Renamed first: a deletion cut short must not leave a checkpoint that looks whole.
            doomed = old.with_name(PARTIAL + old.name)
            old.rename(doomed)
            shutil.rmtree(doomed)


@contextmanager
def counted_firings(model: TopKLMForCausalLM) -> Iterator[dict[int, tuple[Tensor, int]]]:
    """Count firings inside a with block: per TopK layer, firings of each neuron and tokens seen."""
    counts: dict[int, tuple[Tensor, int]] = {}

    def counter(layer: int) -> Any:
        def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
            rows = output.reshape(-1, output.shape[-1])
            fired, tokens = counts.get(layer, (torch.zeros_like(rows[0], dtype=torch.int64), 0))
            counts[layer] = (fired + (rows != 0).sum(0), tokens + len(rows))

        return count

    handles = [
        module.register_forward_hook(counter(layer)) for layer, module in model.model.topk_modules().items()
    ]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()
