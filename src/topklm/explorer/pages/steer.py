"""Steer: a prompt, neurons and strengths; what the model writes with them beside what it writes without."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from ..depends import Explored
from ..render import answer
from ..steered import LONGEST_PROMPT, MOST_EDITS, MOST_TOKENS
from ..workspace import Missing

router = APIRouter()


@router.get("/steer")
def page(
    workspace: Explored,
    prompt: Annotated[str, Query(max_length=LONGEST_PROMPT)] = "",
    edit: Annotated[
        list[str] | None,
        Query(max_length=MOST_EDITS, description="Such as L1/N17=2x, =add:2x, =scale:2 or =ablate."),
    ] = None,
    concept: Annotated[str, Query(max_length=80)] = "",
) -> HTMLResponse:
    """Answer with the form, filled in as the address says; the page's script does the rest."""
    if not workspace.run.finished:
        raise Missing("The run is not finished: there is no model yet that could write.", "topklm train")
    return answer(
        workspace,
        "steer.html",
        "steer",
        prompt=prompt,
        edits=[one[:60] for one in edit or ()],
        concept=concept,
        indexed=workspace.index_if_any() is not None,
        longest=LONGEST_PROMPT,
        most_edits=MOST_EDITS,
        most_tokens=MOST_TOKENS,
    )
