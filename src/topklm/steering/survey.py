"""One reading of a labelled text: what each feature of a source stands for, and how strongly it fires.

Also the simple references: for each concept, the difference of the mean states with and without it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.site import Feature
from ..core.stats import LIVE
from ..data import Packed
from ..features import Directions, FeatureSource, capture
from ..features.hooks import read_sites
from ..metrics.batch import to_csr
from ..metrics.labelled import LABELLED, feature_labels
from ..metrics.scores import ConceptCounts, ConceptScores
from ..model import SparseCodes
from .concepts import LabelledText

Array = np.ndarray[Any, Any]
P99 = 0.99
BLOCKS = 32


class Surveyed(NamedTuple):
    """A feature and what the text says of it."""

    feature: Feature
    concept: str
    """Its label: its best concept on one half of the documents; empty where it has none."""
    f1: float
    """Of the label, on the other half."""
    p99: float
    """The 99th percentile of its firings; NaN where it never fires."""
    density: float

    @property
    def live(self) -> bool:
        """Whether it fires on more than one token in ten thousand."""
        return self.density > LIVE

    @property
    def labelled(self) -> bool:
        """Whether its held-out F1 is at least 0.5, and it has a unit of strength."""
        return self.f1 >= LABELLED and self.p99 > 0


class Survey(NamedTuple):
    """All features of a source on a text."""

    features: list[Surveyed]
    scores: dict[int, ConceptScores]
    """By site; which concept each feature tells how well."""


def survey(source: FeatureSource, text: LabelledText) -> Survey:
    """Read a labelled text once with a source, and label every feature of it.

    The firings are held in memory: 8 bytes each.
    """
    widths = {site: source.width(site) for site in source.sites}
    counts = {site: ConceptCounts(width, len(text.names)) for site, width in widths.items()}
    fired: dict[int, list[tuple[Array, Array]]] = {site: [] for site in source.sites}
    for batch in capture(source, text.packed):
        labels = text.labels[int(batch.positions[0]) : int(batch.positions[-1]) + 1]
        for site, on_device in batch.codes.items():
            codes = on_device.to("cpu")
            counts[site].update(labels.batch(codes, batch.token_ids))
            fired[site].append((codes.indices.numpy(), codes.values.float().numpy()))
    features: list[Surveyed] = []
    scores = {site: one.result() for site, one in counts.items()}
    for site, width in widths.items():
        p99, firings = _percentiles(fired.pop(site), width)
        chosen = feature_labels(scores[site])
        for index in range(width):
            concept = int(chosen.concept[index])
            features.append(
                Surveyed(
                    source.kind(site, index),
                    text.names[concept] if concept >= 0 else "",
                    float(chosen.f1[index].nan_to_num(0.0)),
                    float(p99[index]),
                    float(firings[index]) / len(text.ids),
                )
            )
    return Survey(features, scores)


def _percentiles(parts: list[tuple[Array, Array]], width: int) -> tuple[Array, Array]:
    """Return each feature's 99th percentile over its firings, as numpy computes it, and their number."""
    index = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts])
    order = np.lexsort((values, index))
    values, count = values[order], np.bincount(index, minlength=width)
    first = count.cumsum() - count
    found = np.full(width, np.nan)
    for feature in np.flatnonzero(count):
        found[feature] = np.quantile(values[first[feature] : first[feature] + count[feature]], P99)
    return found, count


def mean_directions(
    model: Any,
    tokenizer: Any,
    packed: Packed,
    marks: SparseCodes,
    sites: Sequence[int],
    *,
    name: str = "direction",
) -> tuple[Directions, dict[int, Array]]:
    """Return, for some concepts, the mean state with each minus the mean state without it.

    marks: an entry (token, concept) wherever a token of the text carries a concept, at least one a concept
    and not all. sites: layers whose residual stream, as the block hands it on, is read. Direction c of a
    site is concept c's. Beside them the lengths of the differences: so much added moves a state as far as
    the two means lie apart. Source of the method: Marks & Tegmark 2023, arXiv 2310.06824.
    """
    matrix = to_csr(marks, ones=True)
    sums = {site: np.zeros((marks.width, model.config.hidden_size)) for site in sites}
    total = {site: np.zeros(model.config.hidden_size) for site in sites}
    for start, states in _states(model, packed, sites):
        for site, hidden in states.items():
            rows = matrix[start : start + len(hidden)]
            sums[site] += rows.T @ hidden
            total[site] += hidden.sum(axis=0)
    count = np.asarray(matrix.sum(axis=0)).reshape(-1, 1)
    rest = len(packed.tokens) - count
    differences = {site: sums[site] / count - (total[site] - sums[site]) / rest for site in sites}
    directions = {site: torch.from_numpy(one).float() for site, one in differences.items()}
    lengths = {site: np.linalg.norm(one, axis=1) for site, one in differences.items()}
    return Directions(model, tokenizer, directions, name=name), lengths


def _states(model: Any, packed: Packed, sites: Sequence[int]) -> Any:
    """Yield (first token, {site: states as float64}) block by block, as `capture` reads."""
    context = model.config.max_position_embeddings
    start = 0
    while start < len(packed.tokens):
        whole = min(BLOCKS, (len(packed.tokens) - start) // context)
        shape = (whole, context) if whole else (1, len(packed.tokens) - start)
        size = shape[0] * shape[1]
        ids = torch.from_numpy(packed.tokens[start : start + size].astype(np.int64)).view(shape)
        yield start, read_sites(model, ids, None, sites, _flat)
        start += size


def _flat(site: int, hidden: Tensor) -> Array:
    flat: Array = hidden.flatten(0, 1).double().cpu().numpy()
    return flat
