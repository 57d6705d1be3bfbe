"""A neuron's page: its card, and what else is known of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from ...core.site import Feature
from ...index.feature_index import FeatureIndex
from ...reports.shading import scale
from ..depends import Explored, Source
from ..figures import bars, curves
from ..links import Links
from ..render import answer
from ..workspace import Workspace

router = APIRouter()
DEPTH = 2


@router.get("/neuron/{layer}/{name}")
def page(workspace: Explored, layer: str, name: str, source: Source = "topk") -> HTMLResponse:
    """Answer with a neuron's page."""
    shown = content(workspace, f"{layer}/{name}", source)
    return answer(workspace, "neuron.html", "neurons", depth=DEPTH, **shown)


@router.get("/neuron/{layer}/{name}/effect")
def effect(workspace: Explored, layer: str, name: str) -> HTMLResponse:
    """Answer with the neuron's causal effect, a piece of its page; the first one loads the model."""
    found = workspace.effect(f"{layer}/{name}")
    return answer(workspace, "effect.html", "neurons", depth=DEPTH, feature=f"{layer}/{name}", effect=found)


@router.get("/neuron/{layer}/{name}/life")
def life_of(workspace: Explored, layer: str, name: str) -> HTMLResponse:
    """Answer with what the neuron was at every checkpoint, a piece of its page."""
    found = workspace.index().locate(f"{layer}/{name}")
    shown: dict[str, Any] = {"feature": str(found), "life": life(workspace, found)}
    return answer(workspace, "life.html", "neurons", depth=DEPTH, **shown)


@router.post("/neuron/{layer}/{name}/note")
def write_note(
    request: Request,
    workspace: Explored,
    layer: str,
    name: str,
    given: Annotated[str, Form(alias="name")] = "",
    note: Annotated[str, Form()] = "",
) -> Response:
    """Keep a person's name and note of a neuron; answer with the form, or lead back to the page."""
    feature = str(workspace.index().locate(f"{layer}/{name}"))
    written = workspace.notes.write(feature, name=given, note=note)
    if "hx-request" not in request.headers:
        return RedirectResponse("../" + feature.split("/")[1], 303)
    return answer(workspace, "note.html", "neurons", depth=DEPTH, feature=feature, note=written, saved=True)


@router.get("/go")
def go(workspace: Explored, feature: str = "") -> Response:
    """Lead to a neuron's page by its name, however it was typed: `l3/n17`, `3/17`, `L3 N17`."""
    parts = feature.strip().upper().replace(" ", "/").replace("L", "").replace("N", "").split("/")
    wanted = f"L{parts[0]}/N{parts[1]}" if len(parts) == 2 else feature
    found = workspace.index().locate(wanted)
    return RedirectResponse(Links()("neuron", str(found)), 303)


def content(workspace: Workspace, feature: str, source: str = "topk") -> dict[str, Any]:
    """Collect what a neuron's page shows."""
    index = workspace.index(source)
    found = index.locate(feature)
    card = index.card(found)
    return {
        "card": card,
        "corpus": workspace.corpus(index.about),
        "feature": str(found),
        "source": source,
        "scale": scale(card),
        "bars": bars(card.histogram_counts),
        "concepts": index.concepts_of(found)[:10],
        "note": workspace.note_of(str(found), source),
        "saved": False,
        "traced": source == "topk" and workspace.traced,
        "life": None,
        "before": neighbour(index, found, -1),
        "after": neighbour(index, found, 1),
        "effect": None,
    }


def neighbour(index: FeatureIndex, feature: Feature, step: int) -> str | None:
    """Return the neuron before or after one, through all layers; None at the ends."""
    number = index.number(feature) + step
    if not 0 <= number < index.layout.features:
        return None
    return str(index.brief["feature"][number].as_py())


def life(workspace: Workspace, feature: Feature) -> dict[str, Any]:
    """Return what a neuron was at every checkpoint, with its curves.

    Raises InputError where it was not traced.
    """
    found = workspace.trace().life(feature)
    moments = found.moments
    return {
        "life": found,
        "similarity": curves(
            {
                "cosine with its final self": [(one.step, one.to_final) for one in moments],
                "F1 of its best concept": [
                    (one.step, one.concepts[0]["f1"] if one.concepts else None) for one in moments
                ],
            },
            title=f"The life of {feature}",
            low=0.0,
            high=1.0,
        ),
    }
