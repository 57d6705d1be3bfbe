"""Trace: how neurons form over checkpoints, how they stay the same over layers, any neuron's life."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ...core.errors import InputError
from ..depends import Explored
from ..figures import curves
from ..render import answer
from ..workspace import Workspace
from .neuron import life
from .overview import TITLES, emergence

router = APIRouter()


@router.get("/trace")
def page(workspace: Explored, feature: str = "") -> HTMLResponse:
    """Answer with the trace, and with the life of one neuron where one is named."""
    shown = content(workspace)
    status = 200
    if feature:
        try:
            found = workspace.index().locate(feature)
            shown |= {"feature": str(found), "life": life(workspace, found)}
        except InputError as error:
            status, shown["problem"] = 422, workspace.public(str(error))
    return answer(workspace, "trace.html", "trace", status=status, **shown)


def content(workspace: Workspace) -> dict[str, Any]:
    """Collect what the page shows of the whole trace. Raises Missing where there is none."""
    about = workspace.trace().about
    identity = about["identity_match"]
    layers = about["layers"]
    sources = {
        TITLES.get(name, name): one for name, one in {"topk": identity, **identity["controls"]}.items()
    }
    return {
        "about": about,
        "corpus": workspace.corpus(about),
        "emergence": emergence(workspace),
        "identity": sources,
        "stability": curves(
            {
                name: [(row["next"], row["value"]) for row in one["by_step"]]
                for name, one in sources.items()
                if "by_step" in one
            },
            title="Share of live neurons whose best match at the next checkpoint has the same index",
            low=0.0,
            high=1.0,
        ),
        "maps": {
            TITLES.get(name, name): heat(one) for name, one in {"topk": layers, **layers["controls"]}.items()
        },
        "features": about["features"]["by_step"],
        "skipped": workspace.cleaned(about["skipped"]),
        "left_out": workspace.cleaned(about["left_out"]),
        "feature": "",
        "life": None,
        "problem": "",
    }


def heat(one: dict[str, Any]) -> dict[str, Any]:
    """Lay the pairs of layers out as rows of (layer, values)."""
    values = {tuple(pair["layers"]): pair["identity_match"]["value"] for pair in one["pairs"]}
    layers = one["layers"]
    return {
        "layers": layers,
        "rows": [(first, [values.get((first, second)) for second in layers]) for first in layers],
    }
