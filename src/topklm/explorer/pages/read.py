"""Read: a text of one's own; which neurons fire on each token, layer by layer, and what may come next."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ...core.errors import InputError
from ...core.site import Feature
from ..depends import Explored, Number
from ..render import answer
from ..workspace import LONGEST_TEXT, Workspace

if TYPE_CHECKING:
    from ...features.reading import Reading

router = APIRouter()
SHOWN = 8
"""Neurons of a token and layer."""


@router.get("/read")
def page(
    workspace: Explored,
    text: str = "",
    at: Number = None,
    feature: str = "",
    step: Number = None,
) -> HTMLResponse:
    """Answer with the reading of a text, or with the form alone."""
    shown: dict[str, Any] = {
        "text": text, "at": at, "feature": feature, "step": step, "read": None, "problem": "",
        "checkpoints": workspace.checkpoints, "longest": LONGEST_TEXT,
    }  # fmt: skip
    status = 200
    if text.strip():
        try:
            shown["read"] = content(workspace, text, at, feature, step)
        except InputError as error:
            status, shown["problem"] = 422, workspace.public(str(error))
    return answer(workspace, "read.html", "read", status=status, **shown)


def content(
    workspace: Workspace, text: str, at: int | None, feature: str = "", step: int | None = None
) -> dict[str, Any]:
    """Read a text. Raises InputError for one that is too long, a token or a neuron that is not there."""
    if len(text) > LONGEST_TEXT:
        raise InputError(f"the text has {len(text):,} characters; read at most {LONGEST_TEXT:,} at once")
    reading = workspace.reading(text, step)
    place = len(reading.tokens) - 1 if at is None else at
    if place >= len(reading.tokens):
        raise InputError(f"there is no token {place}; the text has {len(reading.tokens)}, from 0")
    marks = marks_of(workspace, reading, feature, step) if feature else []
    top = top_tokens(workspace)
    layers = [
        {
            "site": site,
            "firings": [(one, top.get(one.feature, "")) for one in reading.strongest(place, site, top=SHOWN)],
        }
        for site in reading.sites
    ]
    return {
        "tokens": reading.tokens,
        "at": place,
        "marks": marks,
        "scale": max(map(abs, marks), default=0.0),
        "layers": layers,
        "passed": passed(layers),
        "predictions": workspace.predictions(reading, place, step=step),
    }


def marks_of(workspace: Workspace, reading: "Reading", feature: str, step: int | None) -> list[float]:
    """Return a neuron's activation on every token. Raises InputError for one that is not the model's."""
    from ...features.source import locate  # imports torch, which no other page needs

    return reading.activations(locate(workspace.model(step), feature))


def passed(layers: list[dict[str, Any]]) -> set[int]:
    """Return the indices that are among the strongest of a token at several layers."""
    seen: dict[int, int] = {}
    for layer in layers:
        for one, _ in layer["firings"]:
            index = Feature.parse(one.feature).index
            seen[index] = seen.get(index, 0) + 1
    return {index for index, count in seen.items() if count > 1}


def top_tokens(workspace: Workspace) -> dict[str, str]:
    """Return what each neuron is known by, empty where there is no index."""
    try:
        brief = workspace.index().brief
    except InputError:
        return {}
    return dict(zip(brief["feature"].to_pylist(), brief["top_token"].to_pylist(), strict=True))
