"""A tiny run with an index, concepts and facts, another with all there can be, and a browser to see them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from samples import tiny_settings
from topklm.comparison import Settings, measure
from topklm.comparison.claims import verdicts
from topklm.comparison.outcome import Comparison, write_comparison
from topklm.explorer import Workspace, create_app
from topklm.index import build_index
from topklm.tracing import trace
from topklm.training import Run, train

from .browser import Visitor, launched, served, visiting

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


LEXICON = "animals: [cat, dog, hen, fox, owl, cow]\nplaces: [barn, wood, house, field]\n"
MEASURED = {"probed": 1, "examples": 60, "head_tokens": 1500, "null_tokens": 400, "null_draws": 3}


@pytest.fixture(scope="session")
def full(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all that the explorer can show: indexes, twin, trace, metrics, notes. Never written to."""
    path = tmp_path_factory.mktemp("full") / "animals"
    shutil.copytree(trained.path, path)
    train(tiny_settings(text_file, dense=True), path / "twin")
    for source in ("topk", "random"):
        build_index(path, source=source, data=str(text_file), tokens=2500)
    trace(path, data=str(text_file), tokens=2500)
    words = path.parent / "words.yaml"
    words.write_text(LEXICON)
    settings = Settings(data=(str(text_file),), lexicon=str(words), tokens=2500, **MEASURED)
    result = measure(path, settings, sources=("topk", "random"))
    (path / "comparison").mkdir()
    write_comparison(
        path / "comparison",
        Comparison(
            runs=[
                {"run": str(path), "revision": result.revision, "seed": 0, "twin": None, "dense_small": None}
            ],
            budget={},
            stages=[],
            left_out={"saes": "not wanted"},
            claims=verdicts(result.rows),
            rows=result.rows,
        ),
    )
    Workspace(path).notes.write("L0/N3", name="a name of mine", note="Fires on what follows a full stop.")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium for all tests."""
    with launched() as found:
        yield found


@pytest.fixture(scope="session")
def address(full: Path) -> Iterator[str]:
    """Where the explorer of the full run answers."""
    with served(create_app(Workspace(full))) as found:
        yield found


@pytest.fixture
def writable_full(full: Path, tmp_path: Path) -> Iterator[str]:
    """Where the explorer of a copy of the full run answers."""
    shutil.copytree(full, tmp_path / "animals")
    with served(create_app(Workspace(tmp_path / "animals"))) as found:
        yield found


@pytest.fixture
def visitor(browser: Browser, address: str) -> Iterator[Visitor]:
    """A page of 1,280 pixels on the full run; a console error or a request elsewhere fails the test."""
    with visiting(browser, address) as found:
        yield found


@pytest.fixture(scope="session")
def pictures(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of pages go: `--pictures`, or a folder that pytest removes."""
    chosen: Path | None = request.config.getoption("--pictures")
    path = tmp_path_factory.mktemp("pictures") if chosen is None else chosen
    path.mkdir(parents=True, exist_ok=True)
    return path
