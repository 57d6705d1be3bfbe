"""A page that lists the API's addresses, from its OpenAPI description."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from ..depends import Explored
from ..render import answer

router = APIRouter()


@router.get("/api")
def page(request: Request, workspace: Explored) -> HTMLResponse:
    """Answer with the list of addresses."""
    rows = [
        {
            "method": method.upper(),
            "path": path,
            "summary": about.get("description", "").split("\n")[0],
            "query": [one["name"] for one in about.get("parameters", []) if one["in"] == "query"],
        }
        for path, methods in request.app.openapi()["paths"].items()
        for method, about in methods.items()
    ]
    return answer(workspace, "api.html", "api", routes=rows)
