"""transformers' Trainer, with what a run needs: order of data, sealed checkpoints, live neurons.

When to log, evaluate, save or change k is decided in `callbacks.py`.
"""

import shutil
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.utils.data import Dataset, SequentialSampler
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput

from ..core.files import PARTIAL, seal
from ..core.processes import on_main
from ..data import Blocks
from ..model import TopKLMForCausalLM
from .alive import Alive
from .callbacks import check_finite
from .distillation import distilled
from .evaluating import evaluate
from .run import Run
from .sharding import is_sharded, split_again, split_optimizer_state, whole, whole_weights
from .stream import stream_numbers

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

    def __init__(
        self, *, run: Run, alive: Alive | None = None, teacher: TopKLMForCausalLM | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.run, self.alive = run, alive
        self.teacher = teacher
        if teacher is not None:
            nn.Module.to(teacher, self.args.device)
        self.auxiliary: Tensor | None = None
        """What the last pass's loss holds besides the model's own; no metric shows it."""

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(cast("Shuffled", train_dataset or self.train_dataset))  # in its order

    def create_accelerator_and_postprocess(self) -> None:
        """Make the Trainer's accelerator; one that leaves a model alone that is split already."""
        super().create_accelerator_and_postprocess()
        if is_sharded(cast("nn.Module", self.model)):
            prepare = self.accelerator.prepare_model
            self.accelerator.prepare_model = partial(prepare, evaluation_mode=True)  # no DDP around it

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
        if self.teacher is not None and model.training:
            return self._taught(inputs, kwargs.get("num_items_in_batch"))
        loss = super().compute_loss(model, {**inputs, "loss_only": True}, *args, **kwargs)
        self.auxiliary = None
        if not model.training:
            return loss
        assert isinstance(loss, Tensor)  # outputs are asked for in evaluations only
        return self._with_auxiliary(loss)

    def _taught(self, inputs: Any, items: Any) -> Tensor:
        """Return the loss mixed with the divergence from the teacher."""
        settings, student = self.run.settings, self.model
        assert isinstance(student, TopKLMForCausalLM)
        assert self.teacher is not None
        with self.accelerator.autocast():
            found = distilled(
                student,
                self.teacher,
                inputs["input_ids"],
                inputs["labels"],
                alpha=settings.distill,
                temperature=settings.temperature,
                items=items,
            )
        self.auxiliary = found.loss.detach() - found.plain
        return self._with_auxiliary(found.loss)

    def _with_auxiliary(self, loss: Tensor) -> Tensor:
        auxiliary = None if self.alive is None else self.alive.loss()
        if auxiliary is None:
            return loss
        # The model's own loss is divided by the tokens of all passes of a step; this one is not yet.
        auxiliary = auxiliary / self.current_gradient_accumulation_steps
        self.auxiliary = auxiliary if self.auxiliary is None else self.auxiliary + auxiliary
        return loss + auxiliary

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Run one step. Raises TrainingError on a loss that is not finite."""
        loss = super().training_step(*args, **kwargs)
        check_finite(float(loss), self.state.global_step + 1)
        return loss if self.auxiliary is None else loss - self.auxiliary.detach()  # what is reported

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)  # type: ignore[no-untyped-call]
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """Evaluate, each process its share, and tally along the way how neurons are used."""
        assert isinstance(self.model, TopKLMForCausalLM)
        blocks = cast("Dataset[dict[str, Tensor]]", self.eval_dataset)
        loss, tallies = evaluate(self.model, blocks, size=self.args.eval_batch_size, loss_of=self._loss_of)
        split_again(self.model)
        metrics = {"eval_loss": loss, **stream_numbers(self.model, tallies)}
        metrics |= {} if self.alive is None else self.alive.numbers()
        return EvalLoopOutput(cast("Any", None), None, metrics, len(cast("Any", blocks)))

    def _loss_of(self, batch: dict[str, Tensor]) -> Tensor:
        with self.accelerator.autocast():  # the model may not be prepared yet
            loss, _, _ = self.prediction_step(cast("nn.Module", self.model), cast("Any", batch), True)
        assert loss is not None
        return loss

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the weights; the main process does."""
        weights = whole_weights(self.model)
        if self.args.should_save:
            self._save(output_dir, state_dict=weights)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        optimizer = cast("torch.optim.Optimizer", self.optimizer)
        state = whole(optimizer.state_dict())
        if self.args.should_save:
            torch.save(state, Path(output_dir) / "optimizer.pt")
            torch.save(cast("Any", self.lr_scheduler).state_dict(), Path(output_dir) / "scheduler.pt")

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        state, schedule = (
            torch.load(Path(checkpoint) / name, map_location="cpu", weights_only=True)
            for name in ("optimizer.pt", "scheduler.pt")
        )
        optimizer = cast("Any", self.optimizer).optimizer
        if is_sharded(cast("nn.Module", self.model)):
            state = split_optimizer_state(state, optimizer)
        optimizer.load_state_dict(state)
        cast("Any", self.lr_scheduler).load_state_dict(schedule)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if not is_sharded(cast("nn.Module", self.model)):  # else it has taken them before it was split
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _save_rng_state(self, output_dir: str) -> None:
        """Keep the main process's generators; training draws from none of them."""
        if self.args.should_save:
            super()._save_rng_state(output_dir)
            for path in Path(output_dir).glob("rng_state_*.pth"):
                path.rename(path.with_name("rng_state.pth"))

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a full checkpoint beside, seal it, and drop the older ones."""
        super()._save_checkpoint(model, trial)
        on_main(self._seal_checkpoint)

    def _seal_checkpoint(self) -> None:
        step = self.state.global_step
        written = Path(str(self.args.output_dir)) / f"checkpoint-{step}"
        # The trainer's arguments are a pickle that nothing reads; the run's settings are in train.json.
        (written / "training_args.bin").unlink(missing_ok=True)
        if self.alive is not None:
            self.alive.save(written)
        seal(written, self.run.path / "checkpoints" / f"full-{step}")
        full = [path for _, path in self.run.checkpoints("full")]
        for old in full[:-KEPT_CHECKPOINTS]:
            # Renamed first: a deletion cut short must not leave a checkpoint that looks whole.
            doomed = old.with_name(PARTIAL + old.name)
            old.rename(doomed)
            shutil.rmtree(doomed)
