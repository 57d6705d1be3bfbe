"""Callbacks: what happens at which step. All of it is a function of the global step."""

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from ..core.errors import TrainingError
from ..core.files import PARTIAL, finite, read_json, seal, write_json, write_text
from ..core.processes import any_of, is_main
from ..data.tokenizer import boundary_id
from .run import read_metrics
from .schedules import evenly, sparsity_of, trace_steps
from .settings import TrainSettings
from .sharding import is_sharded, split_again, whole_weights
from .stream import by_layer

if TYPE_CHECKING:
    from .progress import ProgressBar

LOGGED_STEPS = 200
SAMPLE_TOKENS = 48


def check_finite(loss: float, step: int, *, what: str = "loss") -> None:
    """Raise TrainingError for a loss that is not finite."""
    if not math.isfinite(loss):
        raise TrainingError(f"the {what} is {loss} at step {step}; try a smaller --lr, or --precision fp32")


class Pace(TrainerCallback):
    """Sets k, and says at which steps to log, evaluate and save."""

    def __init__(self, settings: TrainSettings) -> None:
        self.settings = settings
        steps = settings.steps
        self.saves = set(evenly(steps, settings.full_checkpoints))
        self.evaluations = set(evenly(steps, settings.evaluations))
        # A log line averages the loss since the one before; starting one at every checkpoint makes
        # the lines of a resumed run the same as an untouched one's.
        self.logs = set(evenly(steps, LOGGED_STEPS)) | self.saves | self.evaluations
        self.stopping = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set k before the evaluation at the start."""
        self.on_step_begin(args, state, control, **kwargs)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set this step's k and blend."""
        self.set_sparsity(kwargs["model"], state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for what is due after this step."""
        step = state.global_step
        self.set_sparsity(kwargs["model"], step)  # a checkpoint holds the k that comes next
        control.should_log = step in self.logs
        control.should_evaluate = step in self.evaluations
        control.should_save = step in self.saves
        if any_of(self.stopping):
            self.stopping = True  # all processes end after the same step
            control.should_log = control.should_save = control.should_training_stop = True

    def set_sparsity(self, model: Any, step: int) -> None:
        """Set the k and blend of a step."""
        chosen = self.settings
        if chosen.dense or chosen.anneal == "none":
            return
        now = sparsity_of(chosen, step)
        model.set_topk(k=now.k, blend=now.blend)

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Let Ctrl-C and SIGTERM end training after the current step, with a checkpoint.

        A second signal ends it at once. Signals belong to the main thread; elsewhere, nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: Any) -> None:
            if self.stopping:
                raise KeyboardInterrupt
            self.stopping = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Recorder(TrainerCallback):
    """Writes `metrics.jsonl` and tells the progress bar."""

    def __init__(self, path: Path, settings: TrainSettings, sample: Callable[[Any], str]) -> None:
        self.path, self.settings, self.sample = path, settings, sample
        self.shown: ProgressBar | None = None
        self.began = 0.0
        self.seconds = self.logged_seconds = 0.0
        self.logged_step = 0

    def rewind(self, step: int) -> None:
        """Drop the lines after `step` (all of them for -1), and go on from there."""
        rows = [row for row in read_metrics(self.path) if row["step"] <= step]
        if is_main():
            write_text(self.path, "".join(json.dumps(row) + "\n" for row in rows))
        self.seconds = self.logged_seconds = max((row.get("seconds", 0.0) for row in rows), default=0.0)
        self.logged_step = max(0, step)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock; only training itself is timed."""
        self.began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop the clock."""
        self.seconds += time.perf_counter() - self.began
        if self.shown is not None:
            self.shown.advance(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Append one line."""
        row: dict[str, Any] = {"step": state.global_step}
        if "loss" in logs:
            steps = state.global_step - self.logged_step
            seconds = self.seconds - self.logged_seconds
            row |= {name: logs[name] for name in ("loss", "learning_rate", "grad_norm") if name in logs}
            row["tokens_per_second"] = steps * self.settings.batch_tokens / max(seconds, 1e-9)
            row["seconds"] = self.seconds
            self.logged_step, self.logged_seconds = state.global_step, self.seconds
        elif "eval_loss" in logs:
            check_finite(logs["eval_loss"], state.global_step, what="held-out loss")
            row["eval_loss"] = logs["eval_loss"]
            row |= by_layer(logs)
            if is_main() or is_sharded(kwargs["model"]):
                row["sample"] = self.sample(kwargs["model"])
                split_again(kwargs["model"])
        else:
            return
        if not is_main():
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite(row)) + "\n")
        if self.shown is not None:
            self.shown.report(row)


class Tracer(TrainerCallback):
    """Keeps tracing checkpoints: weights only, in bf16, at steps 0, 1, 2, 4, ... then evenly."""

    def __init__(self, directory: Path, settings: TrainSettings) -> None:
        self.directory = directory
        self.steps = set(trace_steps(settings.steps, settings.trace_checkpoints))

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the initial weights."""
        if state.global_step == 0:
            self.keep(0, kwargs["model"])

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the weights where they are due."""
        if state.global_step in self.steps:
            self.keep(state.global_step, kwargs["model"])

    def keep(self, step: int, model: Any) -> None:
        """Write one checkpoint beside, then give it its name."""
        partial = self.directory / f"{PARTIAL}trace-{step}"
        weights = {name: value.to(torch.bfloat16) for name, value in whole_weights(model).items()}
        if not is_main():
            return
        model.save_pretrained(partial, state_dict=weights)
        config = read_json(partial / "config.json")
        write_json(partial / "config.json", {**config, "dtype": "bfloat16"})  # not the model's fp32
        seal(partial, self.directory / f"trace-{step}")


def sampler(tokenizer: Any, *, seed: int, tokens: int = SAMPLE_TOKENS) -> Callable[[Any], str]:
    """Make a function that lets a model write a few words, without touching the global seed."""

    boundary = boundary_id(tokenizer)

    def sample(model: Any) -> str:
        start = torch.tensor([[boundary]], device=model.device)
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            torch.manual_seed(seed)
            written = model.generate(
                start,
                attention_mask=torch.ones_like(start),
                max_new_tokens=min(tokens, model.config.max_position_embeddings - 1),
                do_sample=True,
                temperature=0.8,
                pad_token_id=boundary,
            )
        return str(tokenizer.decode(written[0, 1:], skip_special_tokens=True))

    return sample
