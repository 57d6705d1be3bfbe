"""A run with an index and a dense twin, a lexicon, and all sources measured once."""

import shutil
from pathlib import Path

import pytest

from samples import tiny_settings
from topklm.comparison import Settings, measure
from topklm.comparison.result import Result
from topklm.index import build_index
from topklm.training import Run, train

QUICK = {
    "probed": 1,
    "examples": 60,
    "head_tokens": 1500,
    "null_tokens": 400,
    "null_draws": 3,
    "tokens": 2500,
}


@pytest.fixture(scope="session")
def lexicon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "words.yaml"
    path.write_text("animals: [cat, dog, hen, fox, owl, cow]\nplaces: [barn, wood, house]\nnever: [xyzzy]\n")
    return path


@pytest.fixture(scope="session")
def quick(text_file: Path, lexicon: Path) -> Settings:
    return Settings(data=(str(text_file),), lexicon=str(lexicon), **QUICK)


@pytest.fixture(scope="session")
def run_path(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compared") / "Tiny run"
    shutil.copytree(trained.path, path)
    build_index(path, data=str(text_file), tokens=3000)
    train(tiny_settings(text_file, dense=True, tokens=10 * 256), path / "twin")
    return path


@pytest.fixture(scope="session")
def result(run_path: Path, quick: Settings) -> Result:
    """All five sources; tests read it, and the files in the run, and never write to them."""
    return measure(run_path, quick)
