"""The table of neurons: what is asked of it, and its rows. Used by the pages and the API."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from ..core.errors import InputError
from ..index.feature_index import FeatureIndex
from ..index.notes import Note
from ..index.where import parse
from .workspace import Workspace

PAGE = 50
LONGEST_QUERY = 200
STATUSES = ("live", "rare", "dead")
SHOWN_TOKENS = 4


class Asked(NamedTuple):
    """What the table shows; all of it is in the address."""

    source: str = "topk"
    q: str = ""
    """A word or phrase."""
    concept: str = ""
    layer: tuple[int, ...] = ()
    status: str = ""
    where: str = ""
    sort: str = ""
    page: int = 1
    named: bool = False
    """Only features that a person named or noted."""

    def query(self, **changes: Any) -> dict[str, Any]:
        """Return what differs from the default, for a link."""
        one = self._replace(**changes)
        found = {name: getattr(one, name) for name in Asked._fields}
        return {
            name: "1" if name == "named" else value
            for name, value in found.items()
            if value != Asked._field_defaults[name]
        }

    def text(self) -> str:
        """Return it as a query string."""
        return urlencode(self.query(), doseq=True)


class Table(NamedTuple):
    """One page of rows."""

    rows: list[dict[str, Any]]
    """Columns of the index and `top_tokens`, `note`; `score` of a search, `concept_score` of a concept."""
    total: int
    message: str
    """What a search found, in a sentence; empty without one."""
    page: int
    """Which of them: the one asked for, or the last."""
    pages: int


def condition(index: FeatureIndex, asked: Asked, notes: dict[str, Note]) -> str | None:
    """Write what was asked as one condition. Raises InputError for a layer or status that is none."""
    if unknown := [layer for layer in asked.layer if layer not in index.layout.sites]:
        known = ", ".join(map(str, index.layout.sites))
        raise InputError(f"the index has no layer {unknown[0]}; it holds the layers {known}")
    if asked.status and asked.status not in STATUSES:
        raise InputError(f"status {asked.status[:20]!r} is none of {', '.join(STATUSES)}")
    parts = []
    if asked.where.strip():
        # by itself first: what it leaves open must not reach the other conditions
        parse(asked.where, index.columns)
        parts.append(f"({asked.where})")
    if asked.layer:
        parts.append(f"site in ({', '.join(map(str, asked.layer))})")
    if asked.status:
        parts.append(f"status = '{asked.status}'")
    if asked.named:
        parts.append(among(list(notes)))
    return " and ".join(parts) or None


def among(features: list[str]) -> str:
    """Write the condition that a feature is one of some."""
    return "feature in ({})".format(", ".join(f"'{one}'" for one in features)) if features else "1 = 0"


def rows_of(workspace: Workspace, asked: Asked, *, limit: int = PAGE) -> Table:
    """Read one page of the table. Raises InputError for what cannot be asked."""
    for name in ("q", "concept", "where"):
        if len(getattr(asked, name)) > LONGEST_QUERY:
            raise InputError(f"{name} may have {LONGEST_QUERY} characters")
    if asked.q.strip() and asked.concept:
        raise InputError("search for a word or for a concept, not for both")
    index = workspace.index(asked.source)
    notes = index.notes
    where = condition(index, asked, notes)

    def cut(total: int) -> tuple[int, int, int]:
        """Return the page shown, where it starts, and how many pages there are."""
        pages = max(1, -(-total // limit))
        page = min(max(1, asked.page), pages)
        return page, (page - 1) * limit, pages

    message = ""
    if asked.q.strip() or asked.concept:
        scores, message, column = _scores(index, asked)
        both = among(list(scores)) + (f" and {where}" if where else "")
        rows = [
            {**row, column: scores[row["feature"]]}
            for row in index.features(sort=asked.sort or "feature", where=both)
        ]
        if not asked.sort:
            rows.sort(key=lambda row: -row[column])
        total = len(rows)
        page, start, pages = cut(total)
        rows = rows[start : start + limit]
    else:
        total = index.count(where=where)
        page, start, pages = cut(total)
        rows = index.features(sort=asked.sort or "-density", where=where, limit=limit, offset=start)
    top = index.top_tokens([row["feature"] for row in rows])
    full = [
        {
            **row,
            "top_tokens": top[row["feature"]][:SHOWN_TOKENS],
            "note": notes.get(row["feature"], Note()),
        }
        for row in rows
    ]
    return Table(full, total, message, page, pages)


def _scores(index: FeatureIndex, asked: Asked) -> tuple[dict[str, float], str, str]:
    """Return the features that a word or concept finds, each with its score, and what to say."""
    if asked.concept:
        best = index.by_concept(asked.concept)
        message = f"The {len(best)} best for the concept {asked.concept}, by held-out F1."
        return {row["feature"]: row["f1"] for row in best}, message, "concept_score"
    found = index.search(asked.q.strip(), limit=index.layout.features)
    return {hit.feature: hit.score for hit in found.hits}, found.message, "score"
