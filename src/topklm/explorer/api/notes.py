"""Names and notes that a person gives to neurons, as JSON."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from ...index.notes import LONGEST_NAME, LONGEST_NOTE
from ..depends import Explored

router = APIRouter(tags=["notes"])


class Written(BaseModel):
    """A name and a note; two empty ones delete what was there."""

    name: str = Field("", max_length=LONGEST_NAME)
    note: str = Field("", max_length=LONGEST_NOTE)


@router.get("/notes")
def all_notes(workspace: Explored) -> dict[str, Any]:
    """Return every name and note, as the file beside the index holds them."""
    return workspace.notes.exported()


@router.get("/notes/{layer}/{name}")
def note(workspace: Explored, layer: str, name: str) -> dict[str, Any]:
    """Return a neuron's name and note; empty texts where there are none."""
    return workspace.notes.of(str(workspace.index().locate(f"{layer}/{name}")))._asdict()


@router.put("/notes/{layer}/{name}")
def write(workspace: Explored, layer: str, name: str, written: Annotated[Written, Body()]) -> dict[str, Any]:
    """Give a neuron a name and a note."""
    feature = str(workspace.index().locate(f"{layer}/{name}"))
    return workspace.notes.write(feature, name=written.name, note=written.note)._asdict()
