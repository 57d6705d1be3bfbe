"""The dense twin of a run: the same model, data and seed without TopK."""

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import RunError
from .run import WEIGHTS, Loaded, Run, load

SIZES = ("width", "depth", "heads", "head_dim", "mlp", "context")
"""Without these in common nothing can be read of two models side by side."""
SAME = ("data", "seed", "source", "embedding_drawn_from", "tokens", "batch_tokens", *SIZES)
"""Settings that a twin shares with its run where they are compared; its learning rates may be its own."""


def twin_directory(run: Run, twin: Path | str | None = None) -> Path:
    """Return where a run's dense twin lies: the directory given, or `twin` in the run."""
    return run.path / "twin" if twin is None else Path(twin)


def open_twin(run: Run, twin: Path | str | None = None, *, step: int | None = None) -> Loaded:
    """Load the dense twin of a TopK run. twin: its directory; default `twin` in the run.

    step: a tracing checkpoint instead of the final weights. Raises RunError where there is none, or what
    is there has TopK layers, other sizes, another tokenizer, or another training text.
    """
    from ..data.tokenizer import fingerprint

    directory = twin_directory(run, twin)
    if not directory.is_dir():
        raise RunError(
            f"this needs the dense twin of {run.path}, and there is none in {directory}; train it with: "
            f"topklm train --config {run.path} --dense --out {run.path}/twin"
        )
    check_settings(run, Run(directory), SIZES)
    loaded = load(directory, step=step)
    if fingerprint(loaded.tokenizer) != run.about.get("tokenizer_sha256"):
        raise RunError(f"{directory} is no twin of {run.path}: its tokenizer is another")
    if _text(loaded.run) != _text(run):
        raise RunError(f"{directory} is no twin of {run.path}: it was trained on another text")
    return loaded


def check_settings(run: Run, twin: Run, names: Sequence[str]) -> None:
    """Raise RunError where a run is not dense, or differs from a TopK run in one of these settings."""
    if not twin.settings.dense:
        raise RunError(f"{twin.path} is no dense twin: it has TopK layers")
    differs = [name for name in names if getattr(run.settings, name) != getattr(twin.settings, name)]
    if differs:
        raise RunError(
            f"{twin.path} is no twin of {run.path}: its {', '.join(differs)} differ; train one with: "
            f"topklm train --config {run.path} --dense --out DIR, and name it with --twin DIR"
        )


def twin_if_any(run: Run, twin: Path | str | None = None) -> Loaded | None:
    """Load the dense twin where there is one; one that is named must be there. Raises as `open_twin` does."""
    if twin is None and not (twin_directory(run) / WEIGHTS).is_file():
        return None
    return open_twin(run, twin)


def topk_sites(run: Run) -> tuple[int, ...]:
    """Return the layers that have TopK in a run, or would have it were a dense run a TopK one."""
    settings = run.settings
    if settings.topk_layers is not None:
        return tuple(settings.topk_layers)
    return tuple(range(settings.depth - settings.n_nontopk))


def _text(run: Run) -> object:
    """Return the hash of the token ids that a run was trained on; None where it does not say."""
    corpus = run.about.get("corpus")
    part = corpus.get("train") if isinstance(corpus, dict) else None
    return part.get("tokens_sha256") if isinstance(part, dict) else None
