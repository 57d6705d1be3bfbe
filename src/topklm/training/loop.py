"""Train a model from settings, or resume one: the whole path, top to bottom."""

import shlex
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from ..core.errors import Interrupted
from ..core.files import (
    flush,
    make_readable,
)
from ..core.memory import keep_freed_memory
from ..core.processes import joined, on_main, place, told_by_main
from ..data import Blocks, Packed
from ..data.corpus import Corpus
from ..model import TopKLMForCausalLM
from .alive import Alive
from .arguments import check_trackers, spread, trackers, training_arguments
from .callbacks import Pace, Recorder, Tracer, sampler
from .conversion import record_insertion, write_conversion
from .directory import FINAL, begin, go_on, opened, sweep, tidy
from .initial import new_model
from .machine import Machine
from .prepare import Say, prepare, with_absolute_paths
from .pretrained import check_sizes, pretrained_config, started_from_source, stored_original
from .progress import ProgressBar
from .run import Run, quiet_transformers
from .settings import TrainSettings
from .sharding import shard, whole_weights
from .trainer import Shuffled, TopKTrainer


def train(
    settings: TrainSettings,
    out: Path | str,
    *,
    say: Say = lambda message: None,
    console: Console | None = None,
) -> Run:
    """Train a TopK model, or its dense twin, into the new directory `out`.

    say: called with each message. console: where to draw a progress bar; none by default.
    Raises InputError (RunError, CorpusError, DiskFullError) where settings, text, directory or disk
    do not allow it, TrainingError on a loss that is not finite, Interrupted after a signal.

        run = train(preset("tiny", data=["books.parquet"]), "runs/books")
    """
    out = Path(out)
    settings.portion(place().size)
    settings.model_config(vocab_size=SMALL)  # wrong sizes are said before anything is written
    if settings.source:
        check_sizes(settings, pretrained_config(settings.source))
    check_trackers(settings.report_to)
    settings = with_absolute_paths(settings)
    with joined(f"go on with: {how_to_resume(out)}"), ExitStack() as held:
        corpora = on_main(lambda: begin(settings, out, held))
        return _run(opened(out), corpora, say=say, console=console)


def resume(out: Path | str, *, say: Say = lambda message: None, console: Console | None = None) -> Run:
    """Go on with the run in `out` from its newest sound checkpoint, or from the start.

    Any number of processes can go on with it. A finished run is returned as it is. Raises as `train` does,
    and RunError where there is no run.
    """
    with joined(f"go on with: {how_to_resume(out)}"), ExitStack() as held:
        if told_by_main(lambda: go_on(Run(out), held)):
            return _run(opened(out), None, say=say, console=console)
        run = opened(out)
        say(f"{out} is finished already, at step {run.settings.steps}: nothing to do")
        return run


SMALL = 300  # a vocabulary for checking sizes before the tokenizer exists


def _run(run: Run, corpora: tuple[Corpus, Corpus] | None, *, say: Say, console: Console | None) -> Run:
    settings, machine = run.settings, run.machine
    threads = torch.get_num_threads()
    torch.set_num_threads(machine.threads)
    keep_freed_memory()
    try:
        with quiet_transformers():
            prepared = on_main(lambda: swept_and_prepared(run, corpora, say=say, console=console))
            run = Run(run.path)  # what preparing has noted
            tokenizer, training, held_out = prepared or prepare(run, None)
            if settings.source:
                on_main(lambda: stored_original(run))
                model = started_from_source(run, tokenizer, attention=machine.attention)
            else:
                model = new_model(settings, tokenizer, attention=machine.attention)
            say(describe(model, settings, machine, training))
            _fit(run, model, tokenizer, (training, held_out), say=say, console=console)
            finish(run, model)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; go on with: {how_to_resume(run.path)}") from None
    finally:
        torch.set_num_threads(threads)
    return Run(run.path)


def _fit(
    run: Run,
    model: TopKLMForCausalLM,
    tokenizer: Any,
    parts: tuple[Packed, Packed],
    *,
    say: Say,
    console: Console | None,
) -> None:
    settings = run.settings
    checkpoint, step = told_by_main(lambda: newest_checkpoint(run, say=say))
    alive = Alive(model, settings) if settings.watches_neurons else None
    if alive is not None and checkpoint is not None:
        alive.restore(checkpoint)
    if settings.recompute:
        model.gradient_checkpointing_enable()  # type: ignore[no-untyped-call]
    if settings.fsdp and place().size > 1:
        shard(model, device=run.machine.device, weights=checkpoint)
    pace = Pace(settings)
    recorder = Recorder(run.path / "metrics.jsonl", settings, sampler(tokenizer, seed=settings.seed))
    recorder.rewind(-1 if checkpoint is None else step)
    callbacks = [one for one in (pace, alive, recorder) if one is not None]
    trainer = _trainer(run, model, parts, alive, callbacks, evaluate_first=checkpoint is None)
    if settings.source and checkpoint is None:
        record_insertion(run, trainer)
    with ExitStack() as stack:
        if console is not None:
            recorder.shown = stack.enter_context(ProgressBar(console, steps=settings.steps))
        stack.enter_context(pace.stopped_by_signals())
        stack.enter_context(warnings.catch_warnings())
        # torch calls the argument by another name from 2.13 on; accelerate passes the old one.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    if pace.stopping and trainer.state.global_step < settings.steps:
        raise Interrupted(
            f"interrupted at step {trainer.state.global_step} of {settings.steps}; "
            f"go on with: {how_to_resume(run.path)}"
        )
    if alive is not None:
        alive.leave()
    if not settings.dense:
        model.set_topk(k=settings.k, blend=1.0)


def _trainer(
    run: Run,
    model: TopKLMForCausalLM,
    parts: tuple[Packed, Packed],
    alive: Alive | None,
    callbacks: list[Any],
    *,
    evaluate_first: bool,
) -> TopKTrainer:
    """Make the Trainer: its order of the data, its teacher, our callbacks in the place of its own bars."""
    settings = run.settings
    training, held_out = (Blocks(part, settings.context) for part in parts)
    trainer = TopKTrainer(
        run=run,
        alive=alive,
        teacher=stored_original(run, attention=run.machine.attention) if settings.distill else None,
        model=model,
        args=training_arguments(run, evaluate_first=evaluate_first),
        train_dataset=Shuffled(training, length=settings.steps * settings.batch_blocks, seed=settings.seed),
        eval_dataset=spread(held_out, settings.eval_tokens // settings.context),
        callbacks=[*callbacks, Tracer(run.path / "checkpoints", settings), *trackers(run)],
    )
    for unwanted in ("PrinterCallback", "ProgressCallback"):  # ours shows more
        for callback in list(trainer.callback_handler.callbacks):
            if type(callback).__name__ == unwanted:
                trainer.remove_callback(callback)
    return trainer


def newest_checkpoint(run: Run, *, say: Say) -> tuple[Path | None, int]:
    """Find the newest full checkpoint that is whole; name and pass over the damaged ones."""
    for step, path, problem in run.checked_checkpoints():
        if problem is None:
            say(f"resumed from step {step}")
            return path, step
        say(f"checkpoint {path.name} is damaged ({problem}): skipped")
    if (run.path / "metrics.jsonl").is_file():
        say("no full checkpoint yet: starting from step 0")
    return None, 0


def finish(run: Run, model: TopKLMForCausalLM) -> None:
    """Put the final model into the run, weights last, and drop what was only needed to resume."""
    weights = whole_weights(model)
    on_main(lambda: write_final(run, model, weights))


def write_final(run: Run, model: TopKLMForCausalLM, weights: dict[str, torch.Tensor]) -> None:
    """Write the final model's files, the weights last, and tidy."""
    if run.settings.source:
        write_conversion(run)
    written = run.path / FINAL
    model.save_pretrained(written, state_dict=weights)
    for path in sorted(written.iterdir(), key=lambda path: path.suffix == ".safetensors"):
        make_readable(path)
        flush(path)
        path.replace(run.path / path.name)
    tidy(run)


def swept_and_prepared(
    run: Run, corpora: tuple[Corpus, Corpus] | None, *, say: Say, console: Console | None
) -> tuple[Any, Packed, Packed]:
    """Delete what a killed process left half-written, then get tokenizer and text."""
    sweep(run)
    return prepare(run, corpora, say=say, console=console)


def describe(model: TopKLMForCausalLM, settings: TrainSettings, machine: Machine, training: Packed) -> str:
    """Say in one line what is about to be trained."""
    kept = "dense" if settings.dense else f"k {settings.k} after blocks {model.config.topk_layers}"
    size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    return (
        f"{size:.1f}M parameters, width {settings.width}, {kept}; {settings.steps:,} steps of "
        f"{settings.batch_tokens:,} tokens, {len(training.tokens):,} packed; {machine.device}, "
        f"{machine.precision}, {machine.attention} attention, {machine.threads} threads"
        + (f" in each of {machine.processes} processes" if machine.processes > 1 else "")
    )


def how_to_resume(out: Path | str) -> str:
    """Write the command that goes on with a run."""
    return f"topklm train --resume --out {shlex.quote(str(out))}"
