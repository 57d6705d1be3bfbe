"""A run with an index and a twin, and a lexicon that its labelled neurons tell."""

import shutil
from pathlib import Path

import pytest

from samples import tiny_settings
from topklm.index import FeatureIndex, build_index
from topklm.training import Loaded, Run, load, train

LEXICON = """
animals: [cat, dog, hen, fox, owl, cow]
places: [barn, wood, house, field]
days: [day]
stones: [stones]
going: [went]
"""


@pytest.fixture(scope="session")
def steered(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's run, indexed, with its dense twin. Tests read it and write elsewhere."""
    path = tmp_path_factory.mktemp("steered") / "run"
    shutil.copytree(trained.path, path)
    build_index(path, data=str(text_file), tokens=6000)
    train(tiny_settings(text_file, dense=True), path / "twin")
    return path


@pytest.fixture(scope="session")
def lexicon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Concepts of the little text."""
    path = tmp_path_factory.mktemp("lexicon") / "words.yaml"
    path.write_text(LEXICON, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def loaded(steered: Path) -> Loaded:
    return load(steered)


@pytest.fixture(scope="session")
def own_index(steered: Path) -> FeatureIndex:
    return FeatureIndex.open(steered / "index")
