"""The table of neurons: sorted, chosen, searched; all of its state is in the address."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ...core.errors import InputError
from ..depends import AskedTable, Explored
from ..render import answer
from ..table import STATUSES, Asked, Table, rows_of
from ..workspace import Missing, Workspace

router = APIRouter()
COLUMNS = (
    ("density", "density"),
    ("maximum", "maximum"),
    ("token_entropy", "token entropy"),
    ("concept_f1", "concept, F1"),
)
"""Numbers that can be sorted by, with their titles; those that an index has not are left out."""


@router.get("/neurons")
def page(workspace: Explored, asked: AskedTable) -> HTMLResponse:
    """Answer with the table, or with what is wrong about the question, above an empty one."""
    try:
        return answer(workspace, "neurons.html", "neurons", **content(workspace, asked))
    except Missing:
        raise
    except InputError as error:
        shown = content(workspace, Asked(asked.source))
        nothing = Table([], 0, "", 1, 1)
        shown |= {"asked": asked, "table": nothing, "problem": workspace.public(str(error))}
        return answer(workspace, "neurons.html", "neurons", status=422, **shown)


def content(workspace: Workspace, asked: Asked, *, limit: int = 50) -> dict[str, Any]:
    """Collect what the table's page shows."""
    index = workspace.index(asked.source)
    return {
        "asked": asked,
        "table": rows_of(workspace, asked, limit=limit),
        "columns": [(name, title) for name, title in COLUMNS if name in index.columns],
        "sites": index.layout.sites,
        "statuses": STATUSES,
        "sources": workspace.sources,
        "concepts": [row["concept"] for row in index.concepts()],
        "kind": index.kind.KIND,
        "n_tokens": index.n_tokens,
        "chosen_by": "",
        "problem": "",
    }
