"""Compare: every source's features for one word or concept, side by side; the numbers beside controls."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from ...core.errors import InputError
from ...reports.shading import scale
from ..depends import Explored
from ..render import answer
from ..table import LONGEST_QUERY, Asked, rows_of
from ..workspace import Missing, Workspace
from .overview import verdict
from .quiz import quizzes

router = APIRouter()
SHOWN = 3
"""Features of a source."""
EXAMPLES = 3


@router.get("/compare")
def page(
    workspace: Explored,
    q: Annotated[str, Query(max_length=LONGEST_QUERY)] = "",
    concept: Annotated[str, Query(max_length=LONGEST_QUERY)] = "",
) -> HTMLResponse:
    """Answer with the sources side by side, and with the numbers where they were measured."""
    q, concept = " ".join(q.split()), concept.strip()
    found = columns(workspace, "" if concept else q, concept)
    shown = {
        "q": "" if concept else q,
        "concept": concept,
        "sides": [("", found)] if found else [],
        "sources": workspace.sources,
        "concepts": concepts(workspace),
        "verdict": numbers(workspace),
        "quizzes": quizzes(workspace),
    }
    return answer(workspace, "compare.html", "compare", **shown)


def columns(workspace: Workspace, q: str, concept: str, *, shown: int = SHOWN) -> list[dict[str, Any]]:
    """Return, of each source, its best features for a word or a concept, or why there are none."""
    if not q and not concept:
        return []
    found = []
    for source in workspace.sources:
        one: dict[str, Any] = {"source": source, "features": [], "message": ""}
        try:
            table = rows_of(workspace, Asked(source, q, concept), limit=shown)
            index = workspace.index(source)
            for row in table.rows:
                card = index.card(row["feature"])
                examples = [example for each in card.bins[:1] for example in each.examples[:EXAMPLES]]
                score = row["concept_score" if concept else "score"]
                one["features"].append(
                    {"row": row, "score": score, "examples": examples, "scale": scale(card)}
                )
            if not table.rows:
                one["message"] = table.message or "no feature of this source"
        except InputError as error:
            one["message"] = workspace.public(str(error))
        found.append(one)
    return found


def concepts(workspace: Workspace) -> list[str]:
    """Name the concepts that were measured."""
    try:
        return [row["concept"] for row in workspace.index().concepts()]
    except InputError:
        return []


def numbers(workspace: Workspace) -> Any:
    """Return the headline numbers of every source by layer, or what is missing."""
    try:
        found = verdict(workspace)
    except Missing as error:
        return error
    by_site: dict[int, list[Any]] = {}
    for line in found["lines"]:
        by_site.setdefault(line.site, []).append((line, line.close()))
    return {**found, "by_site": by_site}
