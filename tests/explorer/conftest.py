"""A tiny run with an index, concepts and facts, and the explorer's application on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from topklm.explorer import Workspace, create_app
from topklm.index import build_index
from topklm.training import Run

BASE = "http://127.0.0.1"
HARD = "<script>alert(1)</script> {{ 7 * 7 }} שלום 🐕 {% raw %}"


@pytest.fixture(scope="session")
def explored(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an index of 2,500 tokens, of which hostile names are known. Tests never write to it."""
    path = tmp_path_factory.mktemp("explored") / "run"
    shutil.copytree(trained.path, path)
    index = build_index(path, data=str(text_file), tokens=2500)
    rows = index.features(limit=6)
    index.add_concepts(
        [
            {"concept": concept, "site": row["site"], "index": row["index"], "f1": 0.9 - n / 10,
             "average_precision": 0.5}
            for concept in ("animal", "place:wood", HARD)
            for n, row in enumerate(rows)
        ]
    )  # fmt: skip
    index.add_facts({"token_entropy": {row["feature"]: 1.5 for row in rows}})
    index.add_labels({rows[0]["feature"]: [HARD]})
    return path


@pytest.fixture
def writable(explored: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(explored, tmp_path / "run")
    return tmp_path / "run"


def client_of(path: Path) -> TestClient:
    """Return a client of a run's explorer; an error of the server is an answer, not an exception."""
    return TestClient(create_app(Workspace(path)), base_url=BASE, raise_server_exceptions=False)


@pytest.fixture(scope="session")
def client(explored: Path) -> Iterator[TestClient]:
    """A client of the shared run."""
    with client_of(explored) as found:
        yield found
