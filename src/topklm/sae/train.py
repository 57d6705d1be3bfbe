"""Train SAEs of a causal language model: several widths, seeds and sites on one stream of activations.

What is written of it: `store.py`. When it ends: `schedule.py`. Killed at any instant and called again, it
goes on from its last checkpoint and ends with the same weights (same threads and versions).
"""

import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from ..core.errors import InputError, Interrupted, TrainingError
from ..core.files import (
    PARTIAL,
    damage,
    disk_full_is_said,
    existing,
    locked,
    read_json,
    remove_partial,
    seal,
    write_json,
)
from ..core.progress import counted
from ..data import Packed
from ..evaluation.flops import blocks_flops
from ..features.hooks import blocks, depth_of
from .lens import saelens
from .member import Member
from .schedule import POINTS
from .settings import SAESettings
from .store import FORMAT, Origin, finished, hook_name, write_set
from .stream import Chunks, shuffled, streams

WORK = ".work"
HELD_OUT_TOKENS = 16_384
"""Held-out tokens on which learning curves are measured."""
SECONDS = 60.0
"""Between two checkpoints."""
Say = Callable[[str], None]


def train_saes(
    model: Any,
    train: Packed,
    held_out: Packed,
    settings: SAESettings,
    out: Path | str,
    *,
    origin: Origin,
    begin: Path | None = None,
    context: int | None = None,
    threads: int = 0,
    say: Say = lambda message: None,
    console: Console | None = None,
) -> list[Path]:
    """Train SAEs on a model's residual streams into `out`, one directory a width and seed; return them.

    model: any causal language model of transformers, on any device; SAEs lie on the CPU. train, held_out:
    packed texts; the second gives the learning curves. context: tokens of a block, by default all that the
    model can read. threads: CPU threads; 0: as they are. origin: what the model is, noted with the SAEs.
    begin: a directory of TopK SAEs that were trained earlier with such settings; each begins as the one of
    its name there, and `origin.begun_as` says which they are. What is there already, made with the same
    settings, is kept. Raises InputError where the settings do not fit the model, or other SAEs lie in `out`,
    TrainingError on a loss that is not finite, Interrupted after Ctrl-C.
    """
    if not 0 <= threads <= 1024:
        raise InputError(f"threads={threads} is not allowed; choose 0..1024")
    text = model.config.get_text_config()
    settings.check(depth=depth_of(model), stream=int(text.hidden_size))
    saelens()
    out = Path(out)
    with disk_full_is_said(existing(out)):
        out.mkdir(parents=True, exist_ok=True)
        with locked(out):
            remove_partial(out)
            names = [settings.name_of(width, seed) for width in settings.widths for seed in settings.seeds]
            length = context or int(text.max_position_embeddings)
            done = [finished(out / name, settings, origin, context=length) for name in names]
            if all(done):
                plan = out / WORK / "plan.json"
                left = read_json(plan) if plan.is_file() else None
                if isinstance(left, dict) and left.get("settings") == settings.as_json():
                    shutil.rmtree(out / WORK)  # it was killed after the last of them
                say(f"{', '.join(names)} in {out}: trained already, nothing to do")
                return [out / name for name in names]
            if any(done) and not (out / WORK).is_dir():  # else it was killed between two of them
                there = [name for name, one in zip(names, done, strict=True) if one]
                raise InputError(f"{out} holds {there[0]} already; ask for the others alone, or delete it")
            work = _Training(model, train, held_out, settings, out, origin, begin, length)
            with _threads(threads):
                work.run(say, console)
            return [out / name for name in names]


class _Training:
    """One call: its members, and how far they are."""

    def __init__(
        self,
        model: Any,
        train: Packed,
        held_out: Packed,
        settings: SAESettings,
        out: Path,
        origin: Origin,
        begin: Path | None,
        context: int,
    ) -> None:
        self.model, self.settings, self.out, self.origin = model, settings, out, origin
        self.chunks = Chunks(model, train, context=context, batch_tokens=settings.batch_tokens)
        self.held_out = Chunks(model, held_out, context=context, batch_tokens=settings.batch_tokens)
        stream = int(model.config.get_text_config().hidden_size)
        self.members = [
            Member(
                settings,
                site=site,
                width=width,
                seed=seed,
                stream=stream,
                begin=begin and begin / settings.name_of(width, seed) / hook_name(site),
            )
            for width in settings.widths
            for seed in settings.seeds
            for site in settings.sites
        ]
        self.number = 0
        self.reading = {member.set_name: {"seconds": 0.0, "tokens": 0} for member in self.members}
        """Of each set of SAEs: what reading the stream took until the last of them was done."""
        self.saved = time.monotonic()

    @property
    def work(self) -> Path:
        """Where checkpoints lie."""
        return self.out / WORK

    @property
    def done(self) -> int:
        """Tokens read for training, by the SAEs that are trained longest."""
        return self.number * self.chunks.tokens

    @property
    def active(self) -> list[Member]:
        """The SAEs whose training has not ended."""
        return [member for member in self.members if not member.ended]

    def run(self, say: Say, console: Console | None) -> None:
        """Train to the end, and write the SAEs."""
        self._resume(say)
        fixed = self._held_out_streams()
        every = max(1, round(self.settings.tokens / POINTS / self.chunks.tokens))
        total = max(member.schedule.end for member in self.members)
        with counted(console, "training SAEs", unit="tokens", total=total) as report:
            try:
                while active := self.active:
                    self._chunk(active)
                    for member in active:
                        if self.number % every == 0 or member.ended:
                            self._look(member, fixed[member.site], say)
                    if time.monotonic() - self.saved > SECONDS:
                        self._save()
                    report(self.done)
            except KeyboardInterrupt:
                raise Interrupted(
                    "interrupted; the same command goes on from the last checkpoint, at most a minute back"
                ) from None
        self._finish(say)

    def _chunk(self, active: Sequence[Member]) -> None:
        """Read a chunk at all sites once, and let every SAE take its steps."""
        started = time.perf_counter()
        hidden = self.chunks.streams(self.number, sorted({member.site for member in active}))
        seconds = time.perf_counter() - started
        for name in {member.set_name for member in active}:
            self.reading[name]["seconds"] += seconds
            self.reading[name]["tokens"] += self.chunks.rows * self.chunks.context
        for member in active:
            if self.number == 0:
                member.start(hidden[member.site])
            order = shuffled(len(hidden[member.site]), seed=member.seed, number=self.number)
            member.train(hidden[member.site], order[: min(self.chunks.tokens, member.left)])
        self.number += 1

    def _held_out_streams(self) -> dict[int, Any]:
        rows = min(-(-HELD_OUT_TOKENS // self.held_out.context), self.held_out.blocks)
        chunks = [self.held_out.token_ids(number) for number in range(-(-rows // self.held_out.rows))]
        return streams(self.model, torch.cat(chunks)[:rows], self.settings.sites)

    def _look(self, member: Member, held_out: Tensor, say: Say) -> None:
        """Measure an SAE, and say where that decides that its training ends early."""
        before = member.schedule.end
        member.measure(held_out)
        if math.isnan(member.curve[-1].explained_variance):
            shutil.rmtree(self.work)  # nothing in it is worth going on from
            raise TrainingError(
                f"the loss of {member.key} is not finite after {self.done:,} tokens; give a smaller --lr"
            )
        if member.schedule.end < before:
            say(f"{member.key}: flat after {self.done:,} tokens, so it ends after {member.schedule.end:,}")

    def _identity(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "settings": self.settings.as_json(),
            **self.origin._asdict(),
            "context": self.chunks.context,
        }

    def _resume(self, say: Say) -> None:
        """Take up the newest whole checkpoint. Raises InputError where it is of another training."""
        self.work.mkdir(exist_ok=True)
        remove_partial(self.work)
        plan = self.work / "plan.json"
        there, ours = read_json(plan) if plan.is_file() else self._identity(), self._identity()
        if isinstance(there, dict):
            there["model"] = ours["model"]  # where it lies is no matter: a run may be moved
        if there != ours:
            raise InputError(
                f"{self.out} holds an unfinished training of SAEs with other settings, model or text; give "
                f"the same ones, or delete {self.work}"
            )
        write_json(plan, ours)
        for path in sorted(self.work.glob("chunk-*"), reverse=True):
            if damage(path) is None:
                state = read_json(path / "state.json")
                self.number, read = state["number"], state["reading"]
                # a checkpoint of before knows one sum for all sets
                self.reading = {name: dict(read.get(name, read)) for name in self.reading}
                for member in self.members:
                    member.restore(path / member.key, state["members"][member.key])
                say(f"going on after {self.done:,} tokens")
                return

    def _save(self) -> None:
        """Write a checkpoint, and drop the one before."""
        final = self.work / f"chunk-{self.number:08d}"
        partial = self.work / f"{PARTIAL}{final.name}"
        partial.mkdir()
        for member in self.members:
            member.save(partial / member.key)
        state = {
            "number": self.number,
            "reading": self.reading,
            "members": {member.key: member.state() for member in self.members},
        }
        write_json(partial / "state.json", state)
        seal(partial, final)
        for path in self.work.glob("chunk-*"):
            if path != final:
                shutil.rmtree(path)
        self.saved = time.monotonic()

    def _finish(self, say: Say) -> None:
        """Write a directory of SAEs for every width and seed, and say whose curve is not flat."""
        config = self.model.config.get_text_config()
        per_token = blocks_flops(blocks(self.model), config, context=self.chunks.context)
        about = {**self._identity(), "threads": torch.get_num_threads()}
        for name, read in self.reading.items():
            if (self.out / name).exists():
                continue
            some = [one for one in self.members if one.set_name == name]
            cost = {**read, "flops": per_token * read["tokens"], "shared_by": len(self.members)}
            write_set(self.out / name, some, {**about, "reading": cost})
        for member in self.members:
            if not member.flat:
                say(
                    f"{member.key}: not flat after {member.tokens:,} tokens, its last tenth still gained 1 % "
                    "of the variance or more; give more --tokens"
                )
        shutil.rmtree(self.work)


class _threads:  # noqa: N801  # reads as a statement: with _threads(1):
    """Use some CPU threads inside a with block; 0: as many as before."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> None:
        self.before = torch.get_num_threads()
        torch.set_num_threads(self.count or self.before)

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self.before)
