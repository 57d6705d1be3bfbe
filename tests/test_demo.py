"""The model that ships: whole, small enough, of one piece with its index, its card and its twin."""

import re
from pathlib import Path

import pytest
import torch

from topklm import FeatureIndex, load
from topklm.cli.main import main
from topklm.training import Run, shipped
from topklm.training.run import WEIGHTS
from topklm.training.shipped import name_of

ROOT = Path(__file__).parent.parent
MOST = 12_000_000


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's copy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Run("demo").path


def size(path: Path) -> int:
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


def test_it_is_as_small_as_it_may_be() -> None:
    assert (shipped.PACKED / WEIGHTS).stat().st_size < MOST
    assert size(shipped.PACKED / "index") < MOST
    assert size(shipped.PACKED) < 2.05 * MOST


def test_it_reads_its_own_language_as_a_code_of_k_entries(demo: Path) -> None:
    model, tokenizer, run = load("demo")
    assert run.settings.preset == "small"
    ids = tokenizer(
        "Once upon a time there was an old king who had three sons.", return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        assert model(ids, labels=ids).loss < 3.5
    codes = model.codes(ids)
    assert list(codes) == [0, 1, 2, 3]
    assert all(bool((one.counts == run.settings.k).all()) for one in codes.values())


def test_its_index_is_of_these_weights_and_knows_the_sea(demo: Path) -> None:
    index = FeatureIndex.open(demo / "index")
    assert index.revision == Run(demo).revision
    assert all(one["status"] == "live" for one in index.features(limit=2048))
    card = index.card("L3/N245")
    assert " sea" in [one.token for one in card.top_tokens[:3]]
    assert all(one.examples for one in card.bins)


def test_its_card_names_the_weights_and_no_path_of_a_machine(demo: Path) -> None:
    card = (shipped.PACKED / "README.md").read_text(encoding="utf-8")
    assert str(Run(demo).revision) in card
    for path in shipped.PACKED.rglob("*"):
        if path.suffix in (".json", ".md", ".jsonl"):
            assert not re.search(r"/(tmp|home|work|root|Users)/", path.read_text(encoding="utf-8")), path.name


@pytest.mark.skipif(not (ROOT / "models").is_dir(), reason="the twin is in the repository alone")
def test_its_twin_is_its_twin(demo: Path) -> None:
    twin, run = Run(ROOT / "models" / "demo-twin"), Run(demo)
    assert twin.settings.dense
    ours, theirs = run.settings.as_json(), twin.settings.as_json()
    assert {name for name in ours if ours[name] != theirs[name]} == {"dense"}
    assert run.about["corpus"] == twin.about["corpus"]
    assert run.about["tokenizer_sha256"] == twin.about["tokenizer_sha256"]


def test_what_is_suggested_names_it_as_the_user_did(demo: Path, tmp_path: Path) -> None:
    assert name_of(demo) == "demo"
    assert name_of(tmp_path / "demo") == str(tmp_path / "demo")
    (Path.cwd() / "demo").mkdir()
    assert name_of(demo) == str(demo)


@pytest.mark.parametrize("command", ["trace demo", "sae train demo", "sae eval demo", "compare demo"])
def test_what_it_came_without_is_said_at_once(
    demo: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 2
    assert "came without checkpoints" in capsys.readouterr().err
    assert not (demo / "trace").exists()
