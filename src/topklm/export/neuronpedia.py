"""Neuronpedia's export layout: what its admin panel imports, rows of its database as JSON lines.

    MODEL/SOURCE/model.jsonl, release.jsonl, sourceset.jsonl, source.jsonl
    MODEL/SOURCE/features/batch-0.jsonl.gz         one row a feature
    MODEL/SOURCE/activations/batch-0.jsonl.gz      one row an example
    MODEL/SOURCE/explanations/batch-0.jsonl.gz     one row a label, where there are any

A source is a site, named `3-topk` for layer 3 of the feature source `topk`. `docs/formats.md` says what
each field holds.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

from ..core.site import Feature
from ..reports.card import Bin, Card, Example

BATCH = 1024
"""Features in one file, as in Neuronpedia's own exports."""
CREATOR = "clkht01d40000jv08hvalcvly"
"""The user that a fresh Neuronpedia database is seeded with; rows must belong to one that exists."""


@dataclass(frozen=True)
class Place:
    """Where a site's features stand in Neuronpedia."""

    model: str
    """The model's id: small letters, digits, dashes and underscores."""
    layer: int
    source_set: str
    """Name of the set of sources, one a layer: the feature source's name."""

    @property
    def source(self) -> str:
        """The source's id, such as `3-topk`."""
        return f"{self.layer}-{self.source_set}"

    @property
    def key(self) -> dict[str, str]:
        """The fields that every row below a source has."""
        return {"modelId": self.model, "layer": self.source}


def model_id(name: str) -> str:
    """Turn a name into an id that Neuronpedia allows.

    >>> model_id("My run, 2")
    'my-run-2'
    """
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:128] or "model"


def write_source(
    directory: Path,
    place: Place,
    cards: Iterable[Card],
    *,
    layers: int,
    width: int,
    n_tokens: int,
    corpus: str,
) -> None:
    """Write one site's cards below `directory`; memory is bounded by a batch of them."""
    root = directory / place.model / place.source
    root.mkdir(parents=True)
    for name, row in about(place, layers=layers, width=width, n_tokens=n_tokens, corpus=corpus).items():
        (root / f"{name}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    rest = iter(cards)
    for number, batch in enumerate(iter(lambda: list(islice(rest, BATCH)), [])):
        _write_lines(root / "features", number, (feature_row(place, card) for card in batch))
        _write_lines(
            root / "activations", number, (row for card in batch for row in activation_rows(place, card))
        )
        _write_lines(
            root / "explanations", number, (row for card in batch for row in explanation_rows(place, card))
        )


def about(place: Place, *, layers: int, width: int, n_tokens: int, corpus: str) -> dict[str, dict[str, Any]]:
    """Describe the model, its release, the set of sources and the source, as four rows."""
    owner = {"creatorId": CREATOR, "visibility": "PUBLIC"}
    creator = {"creatorName": "topklm", "urls": []}
    release = f"{place.model}-{place.source_set}"
    words = f"Features of {place.model} ({place.source_set}), from a topklm index"
    return {
        "model": {
            "id": place.model,
            "displayName": place.model,
            "displayNameShort": place.model,
            "layers": layers,
            "neuronsPerLayer": width,
            "dimension": width,
            "owner": "topklm",
            **owner,
        },
        "release": {"name": release, "description": words, "descriptionShort": words, **creator, **owner},
        "sourceset": {
            "modelId": place.model,
            "name": place.source_set,
            "description": words,
            "type": "residual stream",
            "releaseName": release,
            **creator,
            **owner,
        },
        "source": {
            "id": place.source,
            "modelId": place.model,
            "setName": place.source_set,
            "dataset": corpus,
            "notes": f"{n_tokens} tokens",
            **owner,
        },
    }


def feature_row(place: Place, card: Card) -> dict[str, Any]:
    """Write a card's summary as a row of the table `Neuron`."""
    return {
        **place.key,
        "index": _index(card.feature),
        "creatorId": CREATOR,
        "sourceSetName": place.source_set,
        "maxActApprox": _short(card.maximum) if card.firings else 0.0,
        "frac_nonzero": card.density,
        "pos_str": [_text(one.token) for one in card.promoted],
        "pos_values": [_short(one.change) for one in card.promoted],
        "neg_str": [_text(one.token) for one in card.suppressed],
        "neg_values": [_short(one.change) for one in card.suppressed],
        "freq_hist_data_bar_heights": list(card.histogram_counts),
        "freq_hist_data_bar_values": [
            _short((low + high) / 2) for low, high in pairwise(card.histogram_edges)
        ],
        "topkCosSimIndices": [int(_index(one.feature)) for one in card.similar],
        "topkCosSimValues": [_short(one.similarity) for one in card.similar],
    }


def activation_rows(place: Place, card: Card) -> Iterator[dict[str, Any]]:
    """Write a card's examples as rows of the table `Activation`."""
    for one in card.bins:
        for example in one.examples:
            yield _activation_row(place, card, one, example)


def explanation_rows(place: Place, card: Card) -> Iterator[dict[str, Any]]:
    """Write a card's labels as rows of the table `Explanation`."""
    for label in card.labels:
        yield {
            "id": _identity(place, card.feature, "label", label),
            **place.key,
            "index": _index(card.feature),
            "authorId": CREATOR,
            "description": _text(label),
        }


def _activation_row(place: Place, card: Card, one: Bin, example: Example) -> dict[str, Any]:
    values = [_short(value) for value in example.activations]
    return {
        "id": _identity(place, card.feature, "example", str(example.position)),
        **place.key,
        "index": _index(card.feature),
        "creatorId": CREATOR,
        "tokens": [_text(token) for token in example.tokens],
        "values": values,
        "maxValue": max(values),
        "maxValueTokenIndex": values.index(max(values)),
        "minValue": min(values),
        "binMin": _short(one.low),
        "binMax": _short(one.high),
        "binContains": one.firings / card.firings,
        "qualifyingTokenIndex": example.peak,
        "dataIndex": str(example.document),
    }


def _write_lines(directory: Path, number: int, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as compressed JSON lines; no file where there is no row."""
    rest = iter(rows)
    first = next(rest, None)
    if first is None:
        return
    directory.mkdir(exist_ok=True)
    with gzip.GzipFile(directory / f"batch-{number}.jsonl.gz", "wb", mtime=0) as file:  # no time: same bytes
        for row in chain([first], rest):
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def _index(feature: str) -> str:
    return str(Feature.parse(feature).index)


def _identity(place: Place, *parts: str) -> str:
    """Make an id that is the same whenever the same thing is exported, in the form of a cuid."""
    joined = "\n".join((place.model, place.source, *parts))
    return "c" + hashlib.sha256(joined.encode()).hexdigest()[:24]


def _short(value: float) -> float:
    """Round to six digits: examples are most of an export, and float32 has no more than seven."""
    return float(f"{value:.6g}")


def _text(token: str) -> str:
    """Drop what a Postgres text cannot hold: NUL and lone surrogates."""
    return token.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
