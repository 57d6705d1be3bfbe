"""A feature's card, from the tables of an index."""

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ..core.site import Feature
from ..reports.card import Bin, Card, Example, Relative, TokenChange, TokenShare
from .format import QUANTILES, quantile_name
from .notes import Note

if TYPE_CHECKING:
    from .feature_index import FeatureIndex

CARD_SIMILAR = 10


def make_card(index: "FeatureIndex", feature: Feature) -> Card:
    """Put a feature's card together: one row of features, its examples, and who is like it."""
    row = _row(index, feature)
    given = index.notes.get(row["feature"], Note()).name
    known = {name for name, kind in index.columns.items() if kind == "number"} - OWN_NUMBERS
    return Card(
        feature=row["feature"],
        source=index.source,
        corpus=corpus_in_words(index.about),
        n_tokens=index.n_tokens,
        firings=row["firings"],
        density=row["density"],
        status=row["status"],
        mean=_number(row["mean"]),
        maximum=_number(row["maximum"]),
        quantiles={str(share): _number(row[quantile_name(share)]) for share in QUANTILES}
        if row["firings"]
        else {},
        histogram_edges=tuple(row["histogram_edges"]),
        histogram_counts=tuple(row["histogram_counts"]),
        top_tokens=tuple(TokenShare(one["text"], one["share"], one["firings"]) for one in row["top_tokens"]),
        promoted=_changes(row["promoted"]),
        suppressed=_changes(row["suppressed"]),
        bins=_bins(index, feature, row["bins"]),
        similar=_relatives(index, row["similar_features"])[:CARD_SIMILAR],
        other_layers=_relatives(index, row["other_sites"]),
        facts={name: row[name] for name in sorted(known) if row[name] is not None},
        labels=tuple(dict.fromkeys(name for name in (given, *(row.get("labels") or ())) if name)),
    )


OWN_NUMBERS = {
    "site",
    "index",
    "firings",
    "density",
    "negative",
    "sum",
    "mass",
    "mean",
    "maximum",
    "minimum",
    "top_token_share",
    *(quantile_name(share) for share in QUANTILES),
}
"""Columns of every index; other numbers are facts that were added later."""


def relatives(index: "FeatureIndex", feature: Feature, column: str) -> tuple[Relative, ...]:
    """Return one of a feature's lists of relatives."""
    return _relatives(index, _row(index, feature, column)[column])


def corpus_in_words(about: dict[str, Any]) -> str:
    """Say for people which text was indexed."""
    return ", ".join(map(str, about["corpus"].get("spec", [])))


def _row(index: "FeatureIndex", feature: Feature, columns: str = "*") -> dict[str, Any]:
    query = f"SELECT {columns} FROM features WHERE site = ? AND index = ?"  # noqa: S608  # ours
    row: dict[str, Any] = index.ask(query, [feature.layer, feature.index]).to_pylist()[0]
    return row


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _changes(rows: list[dict[str, Any]]) -> tuple[TokenChange, ...]:
    return tuple(TokenChange(row["text"], row["change"]) for row in rows)


def _relatives(index: "FeatureIndex", rows: list[dict[str, Any]]) -> tuple[Relative, ...]:
    found = []
    for row in rows:
        place = index.number(Feature.parse(row["feature"]))
        density = index.brief["density"][place].as_py()
        top = index.brief["top_token"][place].as_py()
        found.append(Relative(row["feature"], row["similarity"], density, top or ""))
    return tuple(found)


def _bins(index: "FeatureIndex", feature: Feature, rows: list[dict[str, Any]]) -> tuple[Bin, ...]:
    """Give each bin its examples."""
    query = "SELECT * FROM examples WHERE site = ? AND index = ? ORDER BY bin, value DESC, position"
    examples: dict[int, list[Example]] = defaultdict(list)
    texts, tokens = index.vocabulary.texts, index.tokens
    for row in index.ask(query, [feature.layer, feature.index]).to_pylist():
        activation = dict(zip(row["positions"], row["values"], strict=True))
        places = range(row["start"], row["stop"])
        examples[row["bin"]].append(
            Example(
                tokens=tuple(texts[token] for token in tokens[row["start"] : row["stop"]].tolist()),
                activations=tuple(activation.get(place, 0.0) for place in places),
                peak=row["position"] - row["start"],
                document=row["document"],
                position=row["position"],
            )
        )
    return tuple(
        Bin(row["low"], row["high"], row["firings"], tuple(examples[number]))
        for number, row in enumerate(rows)
    )
