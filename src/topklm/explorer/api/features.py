"""Features as JSON: the table, cards, search, concepts."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from ...core.files import finite
from ..depends import AskedTable, Explored, Source
from ..table import LONGEST_QUERY, rows_of

router = APIRouter(tags=["features"])


@router.get("/features")
def features(
    workspace: Explored,
    asked: AskedTable,
    limit: Annotated[int, Query(ge=1, le=500, description="Rows of a page.")] = 50,
) -> dict[str, Any]:
    """List features: sorted, chosen, searched for a word or a concept, a page at a time."""
    table = rows_of(workspace, asked, limit=limit)
    rows = [{**row, "note": row["note"]._asdict()} for row in table.rows]
    index = workspace.index(asked.source)
    return {
        "format": "topklm.explore-features/1",
        "source": asked.source,
        "revision": index.revision,
        "n_tokens": index.n_tokens,
        "total": table.total,
        "page": table.page,
        "pages": table.pages,
        "message": table.message,
        "features": finite(rows),
    }


@router.get("/features/{layer}/{name}")
def card(workspace: Explored, layer: str, name: str, source: Source = "topk") -> dict[str, Any]:
    """Return a feature's card: how often it fires, on which tokens, examples of each strength, relatives."""
    index = workspace.index(source)
    found = index.locate(f"{layer}/{name}")
    return {
        "format": "topklm.card/1",
        "run": workspace.name,
        "revision": index.revision,
        **finite(asdict(index.card(found))),
        "corpus": workspace.corpus(index.about),
        "concepts": index.concepts_of(found),
        "note": workspace.note_of(str(found), source)._asdict(),
    }


@router.get("/features/{layer}/{name}/effect")
def effect(workspace: Explored, layer: str, name: str) -> dict[str, Any]:
    """Measure what setting a neuron and ablating it do to the next token; the first takes seconds."""
    found: dict[str, Any] = finite(workspace.effect(f"{layer}/{name}").as_json())
    return found


@router.get("/search")
def search(
    workspace: Explored,
    q: Annotated[str, Query(min_length=1, max_length=LONGEST_QUERY)],
    source: Source = "topk",
    limit: Annotated[int, Query(ge=0, le=500)] = 10,
    places: Annotated[int, Query(ge=0, le=100)] = 10,
) -> dict[str, Any]:
    """Find a word or phrase in the indexed text, and the features that fire most specifically on it."""
    found = workspace.index(source).search(q, limit=limit, places=places)
    return {**asdict(found), "places": [place._asdict() for place in found.places]}


@router.get("/concepts")
def concepts(workspace: Explored, source: Source = "topk") -> dict[str, Any]:
    """List the concepts that were measured, with the feature that tells each best."""
    return {"source": source, "concepts": workspace.index(source).concepts()}


@router.get("/concepts/{concept}")
def concept(workspace: Explored, concept: str, source: Source = "topk") -> dict[str, Any]:
    """List the features that tell a concept best, by held-out F1."""
    return {"source": source, "features": workspace.index(source).by_concept(concept)}
