"""A run directory: where its parts lie, what they say, how it is loaded."""

import json
import logging
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from safetensors import SafetensorError, safe_open

from ..core.errors import InputError, RunError, first_line
from ..core.files import MANIFEST, damage, read_json, sha256_file
from ..core.forms import Shape, read_form
from .shipped import run_directory

if TYPE_CHECKING:
    from ..model import TopKLMForCausalLM
    from .machine import Machine
    from .settings import TrainSettings

FORMAT = "topklm.run/1"
WEIGHTS = "model.safetensors"
RESUME_FILES = (WEIGHTS, "optimizer.pt", "scheduler.pt", "trainer_state.json", "rng_state.pth")
"""What a full checkpoint needs; the Trainer itself would go on without some of them."""
ALIVE = "alive.safetensors"
"""A full checkpoint's file of what keeps neurons alive, where the settings ask for such a thing."""
ABOUT: dict[str, Shape] = {"settings": dict, "machine": dict, "steps": int, "versions": dict}


class Run:
    """A training run on disk. `demo` is the model that ships, where no directory has that name.

    Raises RunError where the directory is none.

        run = Run("runs/quickstart")
        run.settings.k, run.finished, [step for step, _ in run.checkpoints("trace")]
    """

    def __init__(self, path: Path | str) -> None:
        self.path = run_directory(path)
        if not self.path.is_dir():
            raise RunError(f"there is no run {path}; 'topklm train --out DIR' makes one")
        if not (self.path / "train.json").is_file():
            raise RunError(f"{path} is no run: it has no train.json")
        self.about = read_about(self.path / "train.json")

    @property
    def settings(self) -> "TrainSettings":
        """What the run was asked to do."""
        from .settings import TrainSettings

        return TrainSettings.from_json(self.about["settings"])

    @property
    def machine(self) -> "Machine":
        """What the run trains with. Raises RunError where train.json does not say."""
        try:
            from .machine import Machine

            return Machine(**self.about["machine"])
        except TypeError:
            raise RunError(f"{self.path}/train.json is damaged: machine has other fields") from None

    @property
    def finished(self) -> bool:
        """Whether training came to its end; the weights are the last thing to be written."""
        return (self.path / "model.safetensors").is_file()

    @property
    def revision(self) -> str | None:
        """SHA-256 of the final weights, which names them wherever results are stored."""
        path = self.path / "model.safetensors"
        return sha256_file(path) if path.is_file() else None

    @property
    def parameters(self) -> int | None:
        """Number of parameters, read from the head of the weights' file."""
        if not self.finished:
            return None
        try:
            with safe_open(self.path / WEIGHTS, "np") as weights:
                shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118
        except SafetensorError as error:
            raise RunError(f"{self.path / WEIGHTS} cannot be read: {error}") from None
        return int(sum(math.prod(shape) for shape in shapes))

    def checkpoints(self, kind: str) -> list[tuple[int, Path]]:
        """List (step, directory) of the checkpoints of a kind, `trace` or `full`, by step."""
        found = []
        for path in (self.path / "checkpoints").glob(f"{kind}-*"):
            number = path.name.removeprefix(f"{kind}-")
            if number.isdigit() and path.is_dir():
                found.append((int(number), path))
        return sorted(found)

    def traced_weights(self, step: int) -> str:
        """Return the SHA-256 of a tracing checkpoint's weights, which its manifest holds.

        Raises InputError where there is no such checkpoint.
        """
        return str(read_json(self.path / "checkpoints" / f"trace-{step}" / MANIFEST)["sha256"][WEIGHTS])

    def checked_checkpoints(self) -> Iterator[tuple[int, Path, str | None]]:
        """Yield (step, directory, damage or None) of the full checkpoints, newest first."""
        required = (*RESUME_FILES, ALIVE) if self.settings.watches_neurons else RESUME_FILES
        for step, path in reversed(self.checkpoints("full")):
            yield step, path, damage(path, required=required)

    def metrics(self) -> list[dict[str, Any]]:
        """Read `metrics.jsonl`: one object per logged step; a line cut short by a crash is left out."""
        return read_metrics(self.path / "metrics.jsonl")


class Loaded(NamedTuple):
    """A trained model with its tokenizer and its run."""

    model: "TopKLMForCausalLM"
    tokenizer: Any
    run: Run


loading = threading.Lock()  # transformers patches torch while it loads; two threads undo it wrongly


def load(path: Path | str, *, step: int | None = None) -> Loaded:
    """Load a run's model, in fp32 and ready to be read, with its tokenizer.

    step: load that tracing checkpoint instead of the final weights. Raises RunError where the run
    is not finished, damaged, or its tokenizer is another than the one it was trained with.

        model, tokenizer, run = load("runs/quickstart")
        model, tokenizer, run = load("demo")  # the model that ships with topklm
    """
    import torch
    from transformers import GenerationConfig

    from ..model import TopKLMForCausalLM

    run = Run(path)
    directory = run.path
    if step is not None:
        steps = [one for one, _ in run.checkpoints("trace")]
        if step not in steps:
            raise RunError(f"{path} has no tracing checkpoint {step}; it has {steps}")
        directory = run.path / "checkpoints" / f"trace-{step}"
        if (problem := damage(directory, required=[WEIGHTS])) is not None:
            raise RunError(f"checkpoint {directory} cannot be used: {problem}")
    elif not run.finished:
        raise RunError(f"{path} is not finished; go on with: topklm train --resume --out {path}")
    elif not (directory / "config.json").is_file():
        raise RunError(f"{path} has no config.json: it was deleted")
    tokenizer = load_run_tokenizer(run)
    try:
        with loading, quiet_transformers():
            model = TopKLMForCausalLM.from_pretrained(
                directory, dtype=torch.float32, attn_implementation="sdpa", use_safetensors=True
            )
    except Exception as error:  # safetensors, JSON and transformers each raise their own
        raise RunError(f"the weights of {directory} cannot be read: {first_line(error)}") from error
    model.train(False)
    # generation_config.json says the same to plain transformers; edited, it changes nothing here
    model.generation_config = GenerationConfig.from_model_config(model.config)
    return Loaded(model, tokenizer, run)


def load_run_tokenizer(run: Run) -> Any:
    """Load a run's tokenizer. Raises RunError where it is not the one it was trained with."""
    from transformers import AutoTokenizer

    from .. import model  # noqa: F401  # else transformers asks whether to run the run's own copy of it
    from ..data.tokenizer import fingerprint

    try:
        tokenizer = AutoTokenizer.from_pretrained(run.path, local_files_only=True)
    except Exception as error:
        raise RunError(f"the tokenizer of {run.path} cannot be read: {first_line(error)}") from error
    expected = run.about.get("tokenizer_sha256")
    if expected is not None and fingerprint(tokenizer) != expected:
        raise RunError(f"the tokenizer of {run.path} does not match the run: it was replaced")
    return tokenizer


class quiet_transformers:  # noqa: N801  # reads as a statement: with quiet_transformers():
    """Silence transformers' log lines and progress bars inside a with block."""

    def __enter__(self) -> None:
        from transformers.utils import logging as transformers_logging

        self.logging = transformers_logging
        self.verbosity = transformers_logging.get_verbosity()
        self.bars = transformers_logging.is_progress_bar_enabled()
        transformers_logging.set_verbosity(logging.ERROR)
        transformers_logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        self.logging.set_verbosity(self.verbosity)
        if self.bars:
            self.logging.enable_progress_bar()


def read_settings(path: Path) -> "TrainSettings":
    """Read settings from a run directory or `demo`, its train.json, or a JSON file of settings."""
    path = run_directory(path)
    if path.is_dir():
        return Run(path).settings
    from .presets import PRESETS, preset
    from .settings import TrainSettings

    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no settings: it is no JSON object")
    if content.get("format") == FORMAT:
        content = read_about(path)["settings"]
    elif content.get("preset") in list(PRESETS):  # what the file does not name is as in the preset
        content = {**preset(content["preset"]).as_json(), **content}
    return TrainSettings.from_json(content)


def read_about(path: Path) -> dict[str, Any]:
    """Read a train.json. Raises RunError where it lacks what every run has."""
    return read_form(path, FORMAT, ABOUT, error=RunError)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read a metrics file; lines that are cut short or damaged are left out."""
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict) and type(row.get("step")) is int:
                rows.append(row)
    return rows
