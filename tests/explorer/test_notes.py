"""Names and notes of a person: kept, shown, exported, deleted; they outlive the index."""

import json
import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from topklm.explorer.workspace import Missing, Workspace

from .conftest import HARD, client_of


def test_a_name_is_kept_shown_and_exported(writable: Path) -> None:
    client = client_of(writable)
    written = client.post("/neuron/L0/N3/note", data={"name": HARD, "note": "a\nb"}, follow_redirects=False)
    assert written.status_code == 303
    page = client.get("/neuron/L0/N3").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert client.get("/api/v1/notes/L0/N3").json()["note"] == "a\nb"
    assert client.get("/api/v1/notes").json() == json.loads((writable / "notes.json").read_text())
    named = client.get("/api/v1/features?named=1").json()["features"]
    assert [row["feature"] for row in named] == ["L0/N3"]
    assert (
        client_of(writable).get("/api/v1/notes/L0/N3").json()["name"] == HARD
    )  # another server reads it too


def test_a_piece_for_the_page_says_that_it_is_kept(writable: Path) -> None:
    client = client_of(writable)
    piece = client.post("/neuron/L0/N3/note", data={"name": "dogs"}, headers={"hx-request": "true"})
    assert "kept" in piece.text
    assert 'value="dogs"' in piece.text
    assert "<html" not in piece.text
    removed = client.post("/neuron/L0/N3/note", data={}, headers={"hx-request": "true"})
    assert "removed" in removed.text
    assert client.get("/api/v1/notes").json()["notes"] == {}


def test_a_note_of_no_neuron_is_refused(writable: Path) -> None:
    client = client_of(writable)
    assert client.put("/api/v1/notes/L9/N3", json={"name": "x"}).status_code == 422
    assert client.put("/api/v1/notes/L0/F3", json={"name": "x"}).status_code == 422
    assert not (writable / "notes.json").exists()


def test_a_control_bears_no_names(writable: Path) -> None:
    shutil.copytree(writable / "index", writable / "index-random")
    client = client_of(writable)
    client.put("/api/v1/notes/L0/N3", json={"name": "CATNAME"})
    assert "CATNAME" in client.get("/neuron/L0/N3").text
    assert "CATNAME" not in client.get("/neuron/L0/N3?source=random").text
    assert client.get("/api/v1/features/L0/N3").json()["note"]["name"] == "CATNAME"
    assert client.get("/api/v1/features/L0/N3?source=random").json()["note"]["name"] == ""
    assert client.get("/api/v1/features?named=1").json()["total"] == 1
    assert client.get("/api/v1/features?named=1&source=random").json()["total"] == 0


def test_a_condition_reaches_no_other(client: TestClient) -> None:
    asked = {"where": "density > 0) or (density >= 0", "layer": 1}
    assert client.get("/api/v1/features", params=asked).status_code == 422


def test_an_index_is_of_another_model_as_soon_as_the_weights_are(writable: Path) -> None:
    workspace = Workspace(writable)
    workspace.index()
    weights = writable / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(Missing, match="another model"):
        workspace.index()


def test_notes_outlive_the_index(writable: Path) -> None:
    client_of(writable).put("/api/v1/notes/L0/N3", json={"name": "dogs"})
    shutil.rmtree(writable / "index")
    assert client_of(writable).get("/api/v1/notes").json()["notes"]["L0/N3"]["name"] == "dogs"
