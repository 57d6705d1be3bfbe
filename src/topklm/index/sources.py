"""From a run to a feature source by name: `topk`, or one of the controls."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.errors import InputError, RunError
from ..data import Packed
from ..data.tokenizer import fingerprint
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

NAMES = ("topk", "dense", "posthoc", "random", "shuffled")
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
    of the dense twin, at the run's TopK layers and k. step: a tracing checkpoint instead of the final
    weights. twin: the dense twin's directory; by default `twin` in the run, or the run itself if dense.
    Raises InputError where there is no such source, RunError where a run cannot be loaded.

        source_of("runs/quickstart", "random", seed=3)
    """
    if name not in NAMES:
        raise InputError(f"there is no source {name!r}; choose one of {', '.join(NAMES)}")
    loaded = run if isinstance(run, Loaded) else load(run.path if isinstance(run, Run) else run, step=step)
    if name in ("dense", "posthoc"):
        return _of_twin(loaded, name, step=step, twin=twin)
    model, tokenizer, opened = loaded
    if opened.settings.dense:
        raise InputError(
            f"{opened.path} is a dense run: it has no TopK layer whose neurons could be read; read its own "
            "neurons with the source 'dense' or 'posthoc'"
        )
    if name == "random":
        return random_neurons(model, tokenizer, seed=seed)
    revision = opened.revision if step is None else None
    neurons = LayerNeurons(model, tokenizer, k=opened.settings.k, revision=revision)
    return ShuffledTokens(neurons, seed=seed) if name == "shuffled" else neurons


def _of_twin(loaded: Loaded, name: str, *, step: int | None, twin: Path | str | None) -> FeatureSource:
    run = loaded.run
    settings = run.settings
    if not settings.dense:
        directory = run.path / "twin" if twin is None else Path(twin)
        if not directory.is_dir():
            raise RunError(
                f"the source {name!r} needs the dense twin, and there is none in {directory}; train it with: "
                f"topklm train --config {run.path} --dense --out {run.path}/twin"
            )
        loaded = load(directory, step=step)
        if not loaded.run.settings.dense:
            raise RunError(f"{directory} is no dense twin: it has TopK layers")
        if fingerprint(loaded.tokenizer) != run.about.get("tokenizer_sha256"):
            raise RunError(f"{directory} is no twin of {run.path}: its tokenizer is another")
    layers = settings.topk_layers
    sites = tuple(range(settings.depth - settings.n_nontopk)) if layers is None else tuple(layers)
    if not sites:
        raise InputError(f"the settings of {run.path} name no TopK layer, so there is no site to read")
    if name == "posthoc":
        return PosthocNeurons(loaded.model, loaded.tokenizer, sites=sites, k=settings.k, by=settings.topk_by)
    thresholds = dense_thresholds(
        loaded.model,
        _calibration_blocks(loaded),
        sites=sites,
        share=settings.k / settings.width,
    )
    return DenseNeurons(loaded.model, loaded.tokenizer, thresholds=thresholds)


def _calibration_blocks(loaded: Loaded) -> Any:
    """Take the first whole blocks of the training text, shape (block, context)."""
    packed = Packed.open(loaded.run.path / "data", "train")
    context = loaded.model.config.max_position_embeddings
    tokens = packed.tokens[:CALIBRATION_TOKENS]
    count = max(1, len(tokens) // context)
    return torch.from_numpy(tokens[: count * context].astype(np.int64)).view(count, -1)
