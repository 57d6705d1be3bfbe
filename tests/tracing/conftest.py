"""A run with its dense twin, traced once."""

import shutil
from pathlib import Path

import pytest

from samples import tiny_settings
from topklm.tracing import Trace, trace
from topklm.training import Run, train

TOKENS = 3000


@pytest.fixture(scope="session")
def twinned(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's run, with a twin. Tests read it and write elsewhere."""
    path = tmp_path_factory.mktemp("traced") / "run"
    shutil.copytree(trained.path, path)
    train(tiny_settings(text_file, dense=True), path / "twin")
    return path


@pytest.fixture(scope="session")
def traced(twinned: Path, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return trace(twinned, data=str(text_file), tokens=TOKENS, out=tmp_path_factory.mktemp("trace") / "all")
