"""From a run to a feature source by name: `topk`, one of the controls, or what a plugin has (SAEs)."""

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.errors import CorpusError, InputError, RunError
from ..data import Packed
from ..features import (
    DenseNeurons,
    FeatureSource,
    LayerNeurons,
    PosthocNeurons,
    ShuffledTokens,
    dense_thresholds,
    random_neurons,
)
from ..training import Loaded, Run, load
from ..training.initial import scale_initial
from ..training.twin import open_twin, topk_sites

NAMES = ("topk", "dense", "posthoc", "random", "shuffled")
PLUGINS = "topklm.sources"
"""Entry points of this group give sources whose name begins with theirs: `sae` those such as `sae_8x`.
They are called with (loaded run, name, twin=, step=)."""
CALIBRATION_TOKENS = 65_536
"""Tokens of the training text on which a dense neuron's threshold is set."""


def source_of(
    run: Loaded | Run | Path | str,
    name: str = "topk",
    *,
    step: int | None = None,
    twin: Path | str | None = None,
    seed: int = 0,
) -> FeatureSource:
    """Open a run's features under one of the names of `NAMES`.

    `topk`: the run's own neurons, read at the run's final k. `random`: the same architecture with fresh
    weights of `seed`. `shuffled`: the run's model on tokens shuffled with `seed`. `dense` and `posthoc`:
    of the dense twin, at the run's TopK layers and k. `sae_8x` and the like: latents of SAEs that
    `topklm sae train` made of it. step: a tracing checkpoint instead of the final
    weights. twin: the dense twin's directory; by default `twin` in the run, or the run itself if dense.
    Raises InputError where there is no such source, RunError where a run cannot be loaded.

        source_of("runs/quickstart", "random", seed=3)
    """
    plugin = None if name in NAMES else plugin_of(name)
    loaded = run if isinstance(run, Loaded) else load(run.path if isinstance(run, Run) else run, step=step)
    if plugin is not None:
        source: FeatureSource = plugin.load()(loaded, name, twin=twin, step=step)
        return source
    if name in ("dense", "posthoc"):
        return _of_twin(loaded, name, step=step, twin=twin)
    model, tokenizer, opened = loaded
    if opened.settings.dense:
        raise InputError(
            f"{opened.path} is a dense run: it has no TopK layer whose neurons could be read; read its own "
            "neurons with the source 'dense' or 'posthoc'"
        )
    if name == "random":
        return random_of(loaded, seed=seed)
    revision = opened.revision if step is None else None
    neurons = LayerNeurons(model, tokenizer, k=opened.settings.k, revision=revision)
    return ShuffledTokens(neurons, seed=seed) if name == "shuffled" else neurons


def random_of(loaded: Loaded, *, seed: int) -> LayerNeurons:
    """Return a run's neurons as another seed would have begun them.

    Weights are scaled as the run's settings ask for, unless it began with trained ones.
    """
    settings = loaded.run.settings

    def scale(model: Any) -> None:
        if not settings.source:
            scale_initial(model, settings)

    k = None if settings.dense else settings.k
    return random_neurons(loaded.model, loaded.tokenizer, seed=seed, k=k, scale=scale)


def plugin_of(name: str) -> importlib.metadata.EntryPoint:
    """Find who knows a source that is none of `NAMES`. Raises InputError where nobody does."""
    if not is_plugin(name):
        raise InputError(
            f"there is no source {name!r}; choose one of {', '.join(NAMES)}, or an SAE's, such as sae_8x"
        )
    return next(iter(_plugins(name)))


def is_plugin(name: str) -> bool:
    """Tell whether a name is that of a plugin's source."""
    return bool(_plugins(name))


def _plugins(name: str) -> importlib.metadata.EntryPoints:
    return importlib.metadata.entry_points(group=PLUGINS, name=name.partition("_")[0])


def _of_twin(loaded: Loaded, name: str, *, step: int | None, twin: Path | str | None) -> FeatureSource:
    run = loaded.run
    dense = loaded if run.settings.dense else open_twin(run, twin, step=step)
    return twin_sources(dense, run, [name])[0]


def twin_sources(
    twin: Loaded, run: Run, names: Sequence[str], *, calibration_tokens: int = CALIBRATION_TOKENS
) -> list[FeatureSource]:
    """Make the sources `dense` and `posthoc` of a loaded twin, at a run's TopK layers and k.

    calibration_tokens: so much of the twin's training text sets the thresholds of `dense`. Raises RunError
    where that text is not there.
    """
    settings, sites = run.settings, topk_sites(run)
    if not sites:
        raise InputError(f"the settings of {run.path} name no TopK layer, so there is no site to read")
    made: list[FeatureSource] = []
    for name in names:
        if name == "posthoc":
            by = settings.topk_by
            made.append(PosthocNeurons(twin.model, twin.tokenizer, sites=sites, k=settings.k, by=by))
            continue
        blocks = _calibration_blocks(twin, calibration_tokens)
        thresholds = dense_thresholds(twin.model, blocks, sites=sites, share=settings.k / settings.width)
        made.append(DenseNeurons(twin.model, twin.tokenizer, thresholds=thresholds))
    return made


def calibration_text(twin: Run) -> Packed:
    """Open the training text on which the thresholds of `dense` are set.

    Raises RunError where the run came without its text, as shipped and pushed ones do.
    """
    directory = twin.path / "data"
    if not (directory / "train.json").is_file():
        raise RunError(
            f"the source 'dense' sets its thresholds on the twin's training text, and {directory} has none"
        )
    try:
        return Packed.open(directory, "train")
    except CorpusError as error:
        raise RunError(
            f"the source 'dense' sets its thresholds on the twin's training text: {error}"
        ) from None


def calibration_lacks(twin: Run) -> str | None:
    """Say why the thresholds of `dense` cannot be set; None where they can."""
    try:
        calibration_text(twin)
    except RunError as error:
        return str(error)
    return None


def _calibration_blocks(loaded: Loaded, tokens: int) -> Any:
    """Take the first whole blocks of the training text, shape (block, context)."""
    packed = calibration_text(loaded.run)
    context = loaded.model.config.max_position_embeddings
    ids = packed.tokens[:tokens]
    count = max(1, len(ids) // context)
    return torch.from_numpy(ids[: count * context].astype(np.int64)).view(count, -1)
