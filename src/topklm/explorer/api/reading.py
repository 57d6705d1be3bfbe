"""Reading a text, as JSON."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from ...core.files import finite
from ..depends import Explored
from ..pages.read import marks_of
from ..workspace import LONGEST_TEXT

router = APIRouter(tags=["read"])


class Text(BaseModel):
    """A text, and which model reads it."""

    text: str = Field(min_length=1, max_length=LONGEST_TEXT)
    step: int | None = Field(None, ge=0, description="A tracing checkpoint; default: the finished model.")
    top: int = Field(3, ge=1, le=64, description="Neurons of each token and layer.")
    predictions: int = Field(0, ge=0, le=64, description="Tokens that may come next, of each token.")
    feature: str = Field("", max_length=24, description="A neuron whose activation on every token is wanted.")


@router.post("/read")
def read(workspace: Explored, asked: Annotated[Text, Body()]) -> dict[str, Any]:
    """Read a text: each token with the neurons that fire most on it, by layer, and what may come next."""
    reading = workspace.reading(asked.text, asked.step)
    marks = marks_of(workspace, reading, asked.feature, asked.step) if asked.feature else []

    def of(place: int) -> dict[str, Any]:
        found: dict[str, Any] = {"token": reading.tokens[place], "firings": {}}
        for site in reading.sites:
            found["firings"][f"L{site}"] = [
                {"feature": one.feature, "activation": one.activation}
                for one in reading.strongest(place, site, top=asked.top)
            ]
        if marks:
            found["activation"] = marks[place]
        if asked.predictions:
            after = workspace.predictions(reading, place, step=asked.step, top=asked.predictions)
            found["next"] = [one._asdict() for one in after]
        return found

    tokens = [of(place) for place in range(len(reading.tokens))]
    return {"format": "topklm.read/1", "revision": reading.revision, "tokens": finite(tokens)}
