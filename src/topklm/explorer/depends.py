"""What every route asks for."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import BeforeValidator, Field

from .table import Asked
from .workspace import Workspace


def _workspace(request: Request) -> Workspace:
    found: Workspace = request.app.state.workspace
    return found


Explored = Annotated[Workspace, Depends(_workspace)]
Source = Annotated[str, Query(max_length=80, description="A source that has an index; topk: the run's own.")]


def _unless_empty(value: Any) -> Any:
    """A form sends its empty fields too; they ask for nothing."""
    if isinstance(value, list):
        return [one for one in value if one != ""]
    return None if value == "" else value


Number = Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(_unless_empty), Query()]


def _asked(
    source: Source = "topk",
    q: Annotated[str, Query(description="A word or phrase of the indexed text.")] = "",
    concept: Annotated[str, Query(description="A concept that was measured.")] = "",
    layer: Annotated[
        list[int] | None, BeforeValidator(_unless_empty), Query(description="Only these layers.")
    ] = None,
    status: Annotated[str, Query(description="live, rare or dead.")] = "",
    where: Annotated[str, Query(description="A condition, such as density > 0.01.")] = "",
    sort: Annotated[str, Query(max_length=80, description="A column; with a minus, falling.")] = "",
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    named: Annotated[str, Query(max_length=5, description="1: only those with a note or name.")] = "",
) -> Asked:
    layers = tuple(sorted(set(layer or ())))
    return Asked(
        source, " ".join(q.split()), concept.strip(), layers, status, where.strip(), sort, page, bool(named)
    )


AskedTable = Annotated[Asked, Depends(_asked)]
