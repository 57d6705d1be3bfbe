"""Traces over layers: does an index keep its meaning from block to block, and what does a block change?

The dense tail of a TopK model is read through TopK at the run's k, so that all layers can be compared.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core.files import finite, read_json, write_json
from ..core.stats import Estimate, bootstrap_ratio, is_live
from ..features import PosthocNeurons
from ..metrics.batch import positive, to_csr
from ..metrics.emergence import EMERGED
from ..metrics.matching import identity_match
from ..metrics.similarity import Overlap, Similarity
from ..model import SparseCodes
from ..training import Loaded
from .probe import Probe, read_codes

Array = np.ndarray[Any, Any]
FORMAT = "topklm.trace-part/1"


def kept(path: Path, key: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read a result that is there and was made from just this, or make it and keep it."""
    if path.is_file():
        content = read_json(path)
        if isinstance(content, dict) and content.get("key") == key:
            return dict(content["result"])
    result: dict[str, Any] = finite(make())
    write_json(path, {"format": FORMAT, "key": key, "result": result})
    return result


def read_layers(loaded: Loaded, probe: Probe, *, k: int, by: str) -> dict[int, SparseCodes]:
    """Read every layer's stream through TopK; at a TopK layer that is the code itself."""
    model = loaded.model
    if getattr(model.config, "topk_layers", None):
        model.set_topk(k=k, blend=1.0)
    sites = range(model.config.num_hidden_layers)
    return read_codes([PosthocNeurons(model, loaded.tokenizer, sites=sites, k=k, by=by)], probe)[0]


def compare_layers(codes: dict[int, SparseCodes]) -> dict[str, Any]:
    """Compare every pair of layers of one model on the same tokens.

    `pairs`: for layers a before b, of a's live neurons: the share whose best match in b has the same index,
    the mean cosine with the same index and with the best match, and by chance (indices permuted). `blocks`:
    what the block of each layer but the first changes, in neurons a token. `lasts`: how many live neurons of
    each layer keep their meaning up to which layer, and `born` from which layer on they have had it.
    """
    layers = sorted(codes)
    found = {(a, b): _overlap(codes[a], codes[b]).result() for a in layers for b in layers if a < b}
    pairs = [
        {
            "layers": [a, b],
            "identity_match": identity_match(one).as_json(),
            "same_index_cosine": _mean(one, one.same_cosine.numpy()).as_json(),
            "best_match_cosine": _mean(one, one.best_cosine.numpy()).as_json(),
            "permuted_cosine": _mean(one, one.chance_cosine.numpy()).as_json(),
            "n": int(one.live.sum()),
        }
        for (a, b), one in found.items()
    ]
    blocks = [
        {"layer": after, **changed(codes[before], codes[after])}
        for before, after in itertools.pairwise(layers)
    ]
    return {"layers": layers, "pairs": pairs, "blocks": blocks, **_reach(codes, layers, found)}


def changed(before: SparseCodes, after: SparseCodes) -> dict[str, Any]:
    """Count, per token, the neurons that fire before and after a block, after it alone, before it alone.

    Intervals: bootstrap over tokens in stretches of 256.
    """
    first, second = ((to_csr(positive(one)) > 0).astype(np.int64) for one in (before, after))
    both = np.asarray(first.multiply(second).sum(axis=1)).ravel()
    counts = [np.asarray(one.sum(axis=1)).ravel() for one in (first, second)]
    starts = np.arange(0, max(len(both), 1), 256)
    sizes = np.diff(np.append(starts, len(both)))

    def mean(values: Array) -> dict[str, float]:
        return bootstrap_ratio(np.add.reduceat(values, starts), sizes).as_json()

    return {"kept": mean(both), "added": mean(counts[1] - both), "dropped": mean(counts[0] - both)}


def _reach(
    codes: dict[int, SparseCodes], layers: list[int], found: dict[tuple[int, int], Similarity]
) -> dict[str, Any]:
    """Follow each live neuron up and down the layers, as long as its cosine stays at least 0.5."""
    lasts: list[dict[str, Any]] = []
    born: list[dict[str, Any]] = []
    for layer in layers:
        live = _live(codes[layer])
        for result, others in ((lasts, layers), (born, layers[::-1])):
            reached = np.full(int(live.sum()), layer)
            going = np.ones(len(reached), bool)
            for other in others[others.index(layer) + 1 :]:
                pair = found[min(layer, other), max(layer, other)]
                going &= pair.same_cosine.numpy()[live] >= EMERGED
                reached[going] = other
            counts = {str(one): int((reached == one).sum()) for one in layers}
            result.append({"layer": layer, "n": len(reached), "counts": counts})
    return {"lasts": lasts, "born": born}


def _overlap(a: SparseCodes, b: SparseCodes) -> Overlap:
    overlap = Overlap(a.width, b.width)
    overlap.update(a, b)
    return overlap


def _live(codes: SparseCodes) -> Array:
    counts = np.bincount(positive(codes).indices.numpy(), minlength=codes.width)
    return np.asarray(is_live(counts, len(codes)))


def _mean(one: Similarity, values: Array) -> Estimate:
    own = values[one.live.numpy()]
    if not len(own):
        return Estimate(np.nan, np.nan, np.nan)
    return bootstrap_ratio(own, np.ones(len(own)))
