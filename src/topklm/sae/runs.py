"""SAEs of a run: which model, text and k are meant, filled in from the run itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ..core.errors import InputError
from ..data import Packed
from ..data.tokenizer import fingerprint
from ..training import Loaded, Run, load
from ..training.twin import topk_sites
from .settings import SAESettings
from .store import FOLDER, Origin, model_of
from .train import Say, train_saes


def train_run_saes(
    run: Run | Path | str,
    *,
    widths: Sequence[int] = (1,),
    sites: Sequence[int] | None = None,
    seeds: Sequence[int] = (0,),
    k: int | None = None,
    twin: Path | str | None = None,
    threads: int = 0,
    say: Say = lambda message: None,
    console: Console | None = None,
    **settings: Any,
) -> list[Path]:
    """Train SAEs of a run's dense twin (or of a dense run itself) into `sae` in the run; return them.

    They read the text that the model was trained on, at the run's TopK layers and with its k unless told
    otherwise. settings: other fields of `SAESettings`. Raises InputError (RunError, CorpusError,
    DiskFullError) where run, twin or settings do not allow it; see `train_saes`.

        train_run_saes("runs/books", widths=(1, 8), sites=(1, 2))
    """
    loaded = load(run.path if isinstance(run, Run) else run)
    dense = model_of(loaded, twin)
    asked = settings_for(loaded.run, sites=sites, k=k, widths=tuple(widths), seeds=tuple(seeds), **settings)
    return train_on(
        dense,
        str(dense.run.revision),
        asked,
        loaded.run.path / FOLDER,
        threads=threads,
        say=say,
        console=console,
    )


def settings_for(run: Run, *, sites: Sequence[int] | None, k: int | None, **settings: Any) -> SAESettings:
    """Fill in the run's own sites and k where none are given. Raises InputError as `SAESettings` does."""
    chosen = topk_sites(run) if sites is None else tuple(sites)
    if not chosen:
        raise InputError(f"the settings of {run.path} name no TopK layer; name layers with --sites")
    return SAESettings(sites=chosen, k=run.settings.k if k is None else k, **settings)


def train_on(
    dense: Loaded, revision: str, asked: SAESettings, out: Path, *, begun_as: str = "", **how: Any
) -> list[Path]:
    """Train SAEs of a dense run's model, on the text that it was trained on, into `out`; return them.

    revision: SHA-256 of the weights at hand. begun_as: see `Origin`. how: further options of `train_saes`.
    """
    text, held_out = (Packed.open(dense.run.path / "data", name) for name in ("train", "validation"))
    origin = Origin(
        str(dense.run.path.absolute()),
        revision,
        fingerprint(dense.tokenizer),
        str(text.about["tokens_sha256"]),
        begun_as,
    )
    return train_saes(dense.model, text, held_out, asked, out, origin=origin, **how)
