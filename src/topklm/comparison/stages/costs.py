"""C3: what features cost: until they exist, and to read them; in seconds, operations and parameters."""

import time
from collections.abc import Iterable
from typing import Any

from ...core.errors import RunError
from ...data import Packed
from ...evaluation.flops import TRAINING, blocks_flops, forward_flops
from ...features import FeatureSource, capture
from ...features.hooks import blocks
from ...index import source_of
from ...sae.store import FOLDER, read_set
from ...training import Loaded
from ...training.twin import topk_sites
from ..headlines import is_sae
from ..result import ResultRow
from .work import Found, Work

MILLION = 1_000_000


def cost(work: Work) -> Found:
    """Count what each route to features has cost, and measure what reading them costs.

    Seconds are those that training took on its machine; FLOPs and parameters are counted from shapes.
    """
    rows = list(_models(work))
    left_out = {} if work.has_twin else {"dense": f"there is no dense twin in {work.twin_path}"}
    rows += _route(work, "topk", work.loaded, None)
    saes = []
    if work.twin is not None:
        for source in ("posthoc", "dense"):
            rows += _route(work, source, work.twin, None)
        for name in work.saes():
            about = read_set(work.run.path / FOLDER / name)
            missing = sorted(set(source_sites(work)) - set(map(int, about["saes"])))
            if about["width"] == 1 and missing:  # the verdict takes them for the features of all layers
                layers = ", ".join(f"L{site}" for site in missing)
                left_out[name] = f"it has no SAE at {layers}: what features of all layers cost is not known"
                continue
            saes.append(name)
            rows += _route(work, name, work.twin, about)
    for name in ("topk", *(("posthoc", "dense", *saes) if work.twin else ())):
        try:
            read = source_of(work.loaded, name, twin=work.twin_path)
        except RunError as error:  # a twin that came without its text
            left_out[name] = str(error)
            continue
        rows += _reading(work, read)
    return Found(rows, {"read_tokens": work.budget.read_tokens, "threads": _threads()}, left_out)


def _models(work: Work) -> Iterable[ResultRow]:
    models = {"topk": work.loaded, "dense": work.twin, "dense_small": work.small}
    for source, loaded in models.items():
        if loaded is not None:
            for metric, value in training_cost(loaded).items():
                yield work.row(source, metric, value, n_tokens=_trained_on(loaded))


def training_cost(loaded: Loaded) -> dict[str, float]:
    """Return what a model and its training cost."""
    flops = forward_flops(loaded.model.config)
    seconds = max((row.get("seconds", 0.0) for row in loaded.run.metrics()), default=0.0)
    return {
        "parameters": float(sum(one.numel() for one in loaded.model.parameters())),
        "flops_per_token": flops,
        "training_flops": TRAINING * flops * _trained_on(loaded),
        "training_seconds": float(seconds),
    }


def _route(work: Work, source: str, loaded: Loaded, saes: dict[str, Any] | None) -> Iterable[ResultRow]:
    """Yield what it takes until a source's features exist: its model, and SAEs where they are latents."""
    found = training_cost(loaded)
    seconds, flops, parameters = (
        found[name] for name in ("training_seconds", "training_flops", "parameters")
    )
    sites, n_tokens = len(source_sites(work)), _trained_on(loaded)
    if saes is not None:
        trained = saes["saes"].values()
        width = int(loaded.model.config.hidden_size)
        latents = width * saes["width"]
        sites = len(trained)
        added = sum(one["seconds"] for one in trained) + saes["reading"]["seconds"]
        yield work.row(source, "sae_seconds", added, n=sites, n_tokens=max(one["tokens"] for one in trained))
        seconds += added
        flops += sum(one["flops"] for one in trained) + saes["reading"]["flops"]
        parameters += sites * (2 * width * latents + latents + width)
    for metric, value in (("seconds", seconds), ("flops", flops), ("parameters", parameters)):
        yield work.row(source, f"features_{metric}", value, n=sites, n_tokens=n_tokens)


def source_sites(work: Work) -> tuple[int, ...]:
    """Return the run's TopK layers."""
    return topk_sites(work.run)


def _reading(work: Work, source: FeatureSource) -> Iterable[ResultRow]:
    """Measure the seconds, and count the operations, of reading a million tokens' features at all sites."""
    packed = work.text.packed
    count = min(work.budget.read_tokens, len(packed.tokens))
    few = Packed(packed.tokens[:count], packed.documents, packed.about)
    for _ in capture(source, few, stop=min(count, 2048)):
        pass  # kernels are compiled when they are first called
    began = time.perf_counter()
    for _ in capture(source, few):
        pass
    seconds = time.perf_counter() - began
    model: Any = source.model if hasattr(source, "model") else work.loaded.model
    flops = blocks_flops(blocks(model), model.config.get_text_config())
    if is_sae(source.name):
        flops += sum(2.0 * model.config.hidden_size * source.width(site) for site in source.sites)
    sites = len(source.sites)
    yield work.row(
        source.name, "reading_seconds_per_million", seconds / count * MILLION, n=sites, n_tokens=count
    )
    yield work.row(source.name, "reading_flops_per_million", flops * MILLION, n=sites, n_tokens=count)


def _trained_on(loaded: Loaded) -> int:
    return int(loaded.run.settings.steps * loaded.run.settings.batch_tokens)


def _threads() -> int:
    import torch

    return torch.get_num_threads()
