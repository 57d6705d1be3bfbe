"""An index that is open: rows of features, cards, search, similar features. Its tables: `store.py`.

How a card is put together: `cards.py`; how words are found: `search.py`; conditions: `where.py`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..concepts import resolve_name
from ..core.errors import InputError
from ..core.site import Feature
from ..reports.card import Card, Relative
from . import annotations
from .cards import make_card, relatives
from .format import AFTER, BEFORE, SIMILAR, TABLES
from .notes import Note, Notes
from .search import Search, search
from .store import OWN, Store, check_table, directory_of, read_about
from .where import parse


class Place(NamedTuple):
    """A token of the indexed text and what stands around it."""

    position: int
    document: int
    tokens: tuple[str, ...]
    """The text of each token, in order; a token's leading space belongs to it."""
    peak: int
    """Which of the tokens is meant."""

    @property
    def text(self) -> str:
        """The tokens as one text."""
        return "".join(self.tokens)


class FeatureIndex(Store):
    """An index on disk, safe to be asked from several threads.

    index = FeatureIndex.open("runs/quickstart/index")
    index.features(sort="-density", where="status = 'live'", limit=20)
    index.card("L3/N17")
    index.search("dog").hits
    index.sql("SELECT status, count(*) FROM features GROUP BY status").to_pylist()
    """

    @classmethod
    def open(
        cls, directory: Path | str, *, revision: str | None = None, verify: bool = False, threads: int = 1
    ) -> "FeatureIndex":
        """Open a finished index.

        revision: of the model at hand; an index of another is refused. verify: read every file through
        and compare its hash, which finds damage that its size does not show. threads: that one question may
        use; small ones are answered soonest by one, large SQL by more.
        Raises InputError where there is no whole index, or one of another model.
        """
        path = Path(directory)
        about = read_about(path)
        if revision is not None and about["revision"] != revision:
            raise InputError(
                f"{path} is the index of another model, revision {about['revision'][:12]}, not of "
                f"{revision[:12]}; build one for this model with: topklm index RUN --out DIR"
            )
        for name in TABLES:
            check_table(path / f"{name}.parquet", about["tables"].get(name), verify=verify)
        return cls(path, about, threads=threads)

    def features(
        self, *, sort: str = "feature", where: str | None = None, limit: int | None = None, offset: int = 0
    ) -> list[dict[str, Any]]:
        """List features as rows: every column of `columns`, None where a dead feature has no number.

        sort: a column; with a minus before it, falling; rows without a number come last. `feature` is the
        order of sites and indices. where: a condition such as `density > 0.01 and status = 'live'`, see
        `where.py`. limit, offset: which of the rows. Raises InputError for an unknown column or a bad
        condition.
        """
        for name, value in (("limit", limit), ("offset", offset)):
            if value is not None and value < 0:
                raise InputError(f"{name}={value} is not allowed; choose 0 or more")
        column = sort.removeprefix("-")
        if column not in self.columns:
            raise InputError(
                f"there is no column {column!r} to sort by; columns are {', '.join(self.columns)}"
            )
        names = ", ".join(f'"{name}"' for name in self.columns)
        direction = "DESC" if sort.startswith("-") else "ASC"
        keys = "site, index".replace(",", f" {direction},") + f" {direction}"
        order = keys if column == "feature" else f'"{column}" {direction} NULLS LAST, site, index'
        condition, values = ("true", []) if where is None else parse(where, self.columns)
        query = f"SELECT {names} FROM features WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
        most = 2**62 if limit is None else limit
        rows: list[dict[str, Any]] = self.ask(query, [*values, most, offset]).to_pylist()
        return rows

    def count(self, *, where: str | None = None) -> int:
        """Count the features that meet a condition."""
        condition, values = ("true", []) if where is None else parse(where, self.columns)
        return int(self.ask(f"SELECT count(*) AS n FROM features WHERE {condition}", values)["n"][0].as_py())  # noqa: S608

    def card(self, feature: str | Feature) -> Card:
        """Collect what the index knows of a feature; a dead one has a card too."""
        return make_card(self, self.locate(feature))

    @property
    def notes(self) -> dict[str, Note]:
        """What people wrote of features of a run's own index, by feature; of a control's, none.

        Raises InputError where the file is damaged.
        """
        place = self.path.absolute()
        own = self.source == OWN and place == directory_of(place.parent, OWN)
        return Notes(place.parent).all() if own else {}

    def similar(self, feature: str | Feature, *, limit: int = 10) -> tuple[Relative, ...]:
        """List the most similar features of the same site, most similar first.

        Similarity is the cosine of activation vectors over the tokens whose number `index.json` gives as
        `tokens_for_similarity`. At most 20 are kept of each feature.
        """
        if not 0 <= limit <= SIMILAR:
            raise InputError(
                f"limit={limit} is not allowed; an index keeps {SIMILAR} similar features: 0..{SIMILAR}"
            )
        return relatives(self, self.locate(feature), "similar_features")[:limit]

    def search(self, words: str, *, limit: int = 10, places: int = 10, case: bool = False) -> Search:
        """Find a word or phrase in the text, and the features that fire most specifically on it.

        With and without a leading space, in any case unless `case`, of one token or several, as long as it
        begins and ends where tokens do. limit: how many features. places: how many occurrences are shown.
        Words that never occur give an empty result that says so.
        """
        return search(self, words, limit=limit, places=places, case=case)

    def where(self, position: int, *, before: int = BEFORE, after: int = AFTER) -> Place:
        """Return a token and the text around it, within its document."""
        if not 0 <= position < self.n_tokens:
            raise InputError(f"position {position} is not in the text; it has {self.n_tokens:,} tokens")
        document = int(np.searchsorted(self.starts, position, side="right")) - 1
        end = self.starts[document + 1] if document + 1 < len(self.starts) else self.n_tokens
        low, high = max(int(self.starts[document]), position - before), min(int(end), position + after + 1)
        texts = self.vocabulary.texts
        tokens = tuple(texts[token] for token in self.tokens[low:high].tolist())
        return Place(position, document, tokens, position - low)

    def locate(self, feature: str | Feature) -> Feature:
        """Check that a feature is one of the index's. Raises InputError that says what exists."""
        found = Feature.parse(feature) if isinstance(feature, str) else feature
        sites = self.layout.sites
        if not isinstance(found, self.kind):
            example = self.kind(sites[0], 0)
            raise InputError(
                f"{found} is a {found.KIND}; this index holds {self.kind.KIND}s, such as {example}"
            )
        if found.layer not in sites:
            there = f"{self.kind.KIND}s of layers {', '.join(map(str, sites))}"
            depth = self.about["depth"]
            reason = (
                f"layer {found.layer} is dense"
                if self.source == "topk"
                else f"layer {found.layer} was not read"
            )
            if found.layer >= depth:
                reason = f"the model has {depth} layers, 0 to {depth - 1}"
            raise InputError(f"there is no {found}: {reason}; this index holds the {there}")
        width = self.layout.widths[sites.index(found.layer)]
        if found.index >= width:
            last = self.kind(found.layer, width - 1)
            raise InputError(
                f"there is no {found}: layer {found.layer} has {width:,} {self.kind.KIND}s, up to {last}"
            )
        return found

    def by_concept(self, concept: str) -> list[dict[str, Any]]:
        """List the features that tell a concept best: `feature`, `f1`, `average_precision`, by F1.

        concept: its name, or what follows its colon (`sea` for `topic:sea`). Which were measured:
        `add_concepts`. Raises InputError where there is no such concept, or none were.
        """
        names = self.ask("SELECT DISTINCT concept FROM concepts ORDER BY concept")["concept"].to_pylist()
        if not names:
            raise InputError(f"{self.path} knows no concepts yet; measure them with: topklm metrics RUN")
        query = "SELECT * FROM concepts WHERE concept = ? ORDER BY f1 DESC, site, index"
        rows = self.ask(query, [resolve_name(names, concept)]).to_pylist()
        return [
            {
                "feature": str(self.kind(row["site"], row["index"])),
                "f1": row["f1"],
                "average_precision": row["average_precision"],
            }
            for row in rows
        ]

    def concepts_of(self, feature: str | Feature) -> list[dict[str, Any]]:
        """List the concepts that a feature is among the best for, by F1.

        `concept`, `f1`, `average_precision`, and `oracle_f1`: the F1 that the token type alone gives.
        """
        found = self.locate(feature)
        query = (
            "SELECT concept, f1, average_precision, oracle_f1 FROM concepts WHERE site = ? AND index = ? "
            "ORDER BY f1 DESC, concept"
        )
        rows: list[dict[str, Any]] = self.ask(query, [found.layer, found.index]).to_pylist()
        return rows

    def concepts(self) -> list[dict[str, Any]]:
        """List the concepts that were measured: `concept`, the `feature` that tells it best, its `f1`."""
        query = (
            "SELECT concept, max(f1) AS f1, arg_max(site, f1) AS site, arg_max(index, f1) AS index "
            "FROM concepts GROUP BY concept ORDER BY concept"
        )
        return [
            {
                "concept": row["concept"],
                "feature": str(self.kind(row["site"], row["index"])),
                "f1": row["f1"],
            }
            for row in self.ask(query).to_pylist()
        ]

    def top_tokens(self, features: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the top tokens of some features: `token`, `text`, `share`, `firings` of each."""
        query = "SELECT feature, top_tokens FROM features WHERE feature IN (SELECT unnest(?))"
        return {row["feature"]: row["top_tokens"] for row in self.ask(query, [list(features)]).to_pylist()}

    def layers(self) -> list[dict[str, Any]]:
        """Sum up each site: `site`, `width`, `live`, `rare`, `dead`, and the spread of some columns.

        `density` and, where it was measured, `token_entropy`: their 0.1, 0.5 and 0.9 quantiles over the
        features that fire, None where none does.
        """
        names = [name for name in ("density", "token_entropy") if name in self.columns]
        spread = ", ".join(
            f"quantile_cont({name}, [0.1, 0.5, 0.9]) FILTER (firings > 0) AS {name}" for name in names
        )
        query = f"SELECT site, {spread} FROM features GROUP BY site ORDER BY site"  # noqa: S608  # our names
        found = {row["site"]: row for row in self.ask(query).to_pylist()}
        return [{**one, **found.get(one["site"], {})} for one in self.about["sites"]]

    def labelled(self) -> dict[str, list[str]]:
        """Return the labels of every feature that has any, best first."""
        if "labels" not in self.ask("SELECT * FROM features LIMIT 0").column_names:
            return {}
        rows = self.ask("SELECT feature, labels FROM features WHERE len(labels) > 0").to_pylist()
        return {row["feature"]: row["labels"] for row in rows}

    def add_facts(self, facts: Mapping[str, Mapping[str, float | str]]) -> None:
        """Store further numbers or texts of features, as columns: `{"name": {"L3/N17": "dogs", ...}, ...}`.

        They appear in `features`, where they can be sorted by and asked for, and on cards. A fact of the
        same name is replaced. Raises InputError for an unknown feature or a name that is no column's.
        """
        annotations.add_facts(self, facts)
        self._join_annotations()

    def add_concepts(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store which features tell which concept how well, in place of what was stored before.

        rows: `concept`, `site`, `index`, `f1`, `average_precision` and, where known, `oracle_f1` (what the
        token type alone gives), of some features for each concept.
        """
        annotations.add_concepts(self, rows)
        self._join_annotations()

    def add_labels(self, labels: Mapping[str, Sequence[str]]) -> None:
        """Store names of features, best first: `{"L3/N17": ["animals", ...], ...}`; they replace the old."""
        annotations.add_labels(self, labels)
        self._join_annotations()

    def __repr__(self) -> str:
        """Show what it is."""
        return f"FeatureIndex({str(self.path)!r}, source={self.source!r}, tokens={self.n_tokens:,})"
