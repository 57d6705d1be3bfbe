"""A run's settings in the Trainer's own words, and the trackers it reports to."""

import importlib.util
from typing import Any

import torch
from transformers import TrainingArguments

from ..core.errors import InputError
from ..core.processes import is_main, place
from ..data import Blocks
from .run import Run

WORK = ".partial-work"
"""Where the Trainer writes a checkpoint before it is sealed; swept away at every start."""


def training_arguments(run: Run, *, evaluate_first: bool) -> TrainingArguments:
    """Translate a run's settings into the Trainer's arguments."""
    settings, machine = run.settings, run.machine
    blocks, times = settings.portion(place().size)
    arguments = TrainingArguments(
        output_dir=str(run.path / "checkpoints" / WORK),
        max_steps=settings.steps,
        per_device_train_batch_size=blocks,
        per_device_eval_batch_size=blocks,
        gradient_accumulation_steps=times,
        learning_rate=settings.lr,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.1},
        warmup_steps=round(settings.warmup_share * settings.steps),
        weight_decay=settings.weight_decay,
        adam_beta2=0.95,
        max_grad_norm=settings.grad_clip,
        optim="adamw_torch_fused",
        bf16=machine.precision == "bf16",
        use_cpu=machine.device == "cpu",
        torch_compile=settings.compile,
        ddp_backend="gloo" if place().size > 1 and machine.device == "cpu" else None,
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,  # they are rotary angles, and counts that each process keeps itself
        dataloader_pin_memory=machine.device == "cuda",
        seed=settings.seed,
        eval_on_start=evaluate_first,
        prediction_loss_only=True,
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[name for name in settings.report_to if name != "tensorboard"] or "none",
        run_name=run.path.name,
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # several would multiply the batch by DataParallel
    return arguments


def trackers(run: Run) -> list[Any]:
    """Make the TensorBoard callback, if asked for; the Trainer would log where we sweep."""
    if "tensorboard" not in run.settings.report_to or not is_main():
        return []
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations.integration_utils import TensorBoardCallback

    return [TensorBoardCallback(SummaryWriter(str(run.path / "tensorboard")))]


def check_trackers(names: list[str]) -> None:
    """Raise InputError for a tracker that the Trainer does not know or that is not installed."""
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            known = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
            raise InputError(f"unknown tracker {name!r}; choose one of {known}")
        if importlib.util.find_spec(name) is None:
            raise InputError(f"the tracker {name!r} is not installed; pip install {name}")


def spread(blocks: Blocks, count: int) -> torch.utils.data.Subset[dict[str, torch.Tensor]]:
    """Take about `count` blocks, evenly spread over all of them."""
    step = max(1, -(-len(blocks) // max(1, count)))
    return torch.utils.data.Subset(blocks, range(0, len(blocks), step))
