"""The table of features: everything known of each, one row per feature, site after site."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ..core.site import Feature
from ..core.stats import LIVE
from .distributions import Bars, Bins, Counts
from .format import QUANTILES, quantile_name
from .relatives import Nearest

Array = np.ndarray[Any, Any]


class Site(NamedTuple):
    """What the merged parts say of the features of one site."""

    layer: int
    kind: type[Feature]
    tokens: int
    """Tokens looked at."""
    counts: Counts
    quantiles: Array
    bins: Bins
    bars: Bars
    top_tokens: pa.Table
    changes: pa.Table
    """Promoted and suppressed tokens; see `effects.py`."""
    nearest: Nearest
    others: dict[int, Array]
    """Layer -> cosine of each index there with the same index here."""


def feature_table(site: Site, vocabulary: Sequence[bytes]) -> pa.Table:
    """Build a site's rows of features.parquet."""
    counts, width = site.counts, len(site.counts.firings)
    names = np.array([str(site.kind(site.layer, index)) for index in range(width)])
    fires = counts.firings > 0
    density = counts.firings / site.tokens
    texts = np.array([piece.decode(errors="replace") for piece in vocabulary], dtype=object)
    columns: dict[str, Any] = {
        "feature": names,
        "site": np.full(width, site.layer, np.uint16),
        "index": np.arange(width, dtype=np.uint32),
        "status": np.where(~fires, "dead", np.where(density > LIVE, "live", "rare")),
        "firings": counts.firings,
        "density": density,
        "negative": counts.negative,
        "sum": counts.sum,
        "mass": counts.mass,
        "mean": _where(fires, counts.sum / np.maximum(counts.firings, 1)),
        "maximum": _where(fires, counts.maximum),
        "minimum": _where(fires, counts.minimum),
    }
    for share, row in zip(QUANTILES, site.quantiles, strict=True):
        columns[quantile_name(share)] = _where(fires, row)
    columns |= _top_tokens(site, texts)
    columns["bins"] = _bins(site.bins, width)
    columns["histogram_edges"] = _lists(site.bars.edge_offsets, pa.array(site.bars.edges))
    columns["histogram_counts"] = _lists(site.bars.count_offsets, pa.array(site.bars.counts))
    for name in ("promoted", "suppressed"):
        columns[name] = _changes(site.changes, name, texts, width)
    columns["similar_features"] = _similar(site.nearest, names)
    columns["other_sites"] = _other_sites(site, width)
    return pa.table(columns)


def _where(fires: Array, values: Array) -> pa.Array:
    """Make a column that is empty (null) for dead features."""
    return pa.array(values, mask=~fires)


def _lists(offsets: Array, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def _structs(offsets: Array, **columns: Any) -> pa.Array:
    """Make a column of lists of rows."""
    values = pa.StructArray.from_arrays(
        [pa.array(column) for column in columns.values()], names=list(columns)
    )
    return _lists(offsets, values)


def _offsets(feature: Array, width: int) -> Array:
    return np.append(0, np.bincount(feature, minlength=width).cumsum())


def _top_tokens(site: Site, texts: Array) -> dict[str, pa.Array]:
    index, token, mass, firings = (
        site.top_tokens[name].to_numpy() for name in ("index", "token", "mass", "firings")
    )
    share = mass / site.counts.mass[index]
    offsets = _offsets(index, len(site.counts.firings))
    has = np.diff(offsets) > 0
    first = offsets[:-1][has]
    top, top_share = np.full(len(has), "", dtype=object), np.zeros(len(has))
    top[has], top_share[has] = texts[token[first]], share[first]
    return {
        "top_token": pa.array(top.tolist(), pa.string(), mask=~has),
        "top_token_share": _where(has, top_share),
        "top_tokens": _structs(
            offsets,
            token=token,
            text=pa.array(texts[token].tolist(), pa.string()),
            share=share,
            firings=firings,
        ),
    }


def _bins(bins: Bins, width: int) -> pa.Array:
    return _structs(_offsets(bins.feature, width), low=bins.low, high=bins.high, firings=bins.firings)


def _changes(changes: pa.Table, name: str, texts: Array, width: int) -> pa.Array:
    index, token, change = (
        changes[column].to_numpy() for column in ("index", f"{name}_token", f"{name}_change")
    )
    text = pa.array(texts[token].tolist(), pa.string())
    return _structs(_offsets(index, width), token=token, text=text, change=change)


def _similar(nearest: Nearest, names: Array) -> pa.Array:
    feature = pa.array(names[nearest.others].tolist(), pa.string())
    return _structs(nearest.offsets, feature=feature, similarity=nearest.similarities)


def _other_sites(site: Site, width: int) -> pa.Array:
    layers = sorted(site.others)
    offsets = np.arange(width + 1) * len(layers)
    names = [str(site.kind(layer, index)) for index in range(width) for layer in layers]
    cosines: Array = np.array([site.others[layer] for layer in layers]).reshape(len(layers), width)
    return _structs(offsets, feature=pa.array(names, pa.string()), similarity=cosines.T.ravel())


def no_changes() -> pa.Table:
    """Return an empty table of promoted and suppressed tokens."""
    return change_table([], [])


def change_table(features: Sequence[int], effects: Sequence[Any]) -> pa.Table:
    """Lay out token effects flat: `index`, then token and change of promoted and suppressed ones."""
    columns: dict[str, list[Array]] = {name: [] for name in CHANGE_COLUMNS}
    for effect in effects:
        for name, tensor in zip(list(CHANGE_COLUMNS)[1:], effect, strict=True):
            columns[name].append(tensor.numpy().ravel())
    count = effects[0].promoted.shape[1] if effects else 0
    columns["index"] = [np.repeat(np.asarray(features, np.int64), count)]
    return pa.table(
        {
            name: np.concatenate([np.zeros(0, kind), *columns[name]]).astype(kind)
            for name, kind in CHANGE_COLUMNS.items()
        }
    )


CHANGE_COLUMNS: dict[str, Any] = {
    "index": np.int64,
    "promoted_token": np.uint32,
    "promoted_change": np.float32,
    "suppressed_token": np.uint32,
    "suppressed_change": np.float32,
}
