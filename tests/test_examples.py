"""The example scripts that write documents do what they say."""

import re
import runpy
import shutil
from collections import Counter
from pathlib import Path

import pytest

from topklm import FeatureIndex, build_index, trace
from topklm.training import Run

SCRIPT = runpy.run_path(str(Path(__file__).parent.parent / "examples" / "twenty_cards.py"))


@pytest.fixture(scope="module")
def place(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that holds an index as a run does."""
    path = tmp_path_factory.mktemp("run")
    build_index(trained.path, out=path / "index", effects=False)
    return path


def test_cards_are_drawn_evenly_over_layers_and_densities_and_the_same_each_time(place: Path) -> None:
    index = FeatureIndex.open(place / "index")
    names = SCRIPT["choose"](index, 5, 0)
    assert names == SCRIPT["choose"](index, 5, 0)
    rows = {row["feature"]: row for row in index.features()}
    chosen = [rows[name] for name in names]
    assert Counter(row["site"] for row in chosen) == {0: 3, 1: 2}
    assert all(row["status"] == "live" for row in chosen)
    for site, wanted in ((0, 3), (1, 2)):
        densities = [row["density"] for row in chosen if row["site"] == site]
        assert densities == sorted(densities, reverse=True)
        live = [
            row["feature"]
            for row in index.features(sort="-density", where=f"site = {site} and status = 'live'")
        ]
        ranks = [live.index(row["feature"]) * wanted // len(live) for row in chosen if row["site"] == site]
        assert len(set(ranks)) >= wanted - 1  # one from each stretch, up to rounding at their ends


@pytest.mark.parametrize("ending", ["md", "html"])
def test_a_document_holds_every_card(place: Path, tmp_path: Path, ending: str) -> None:
    SCRIPT["main"](str(place), str(tmp_path / f"cards.{ending}"), count=4)
    text = (tmp_path / f"cards.{ending}").read_text(encoding="utf-8")
    index = FeatureIndex.open(place / "index")
    names = SCRIPT["choose"](index, 4, 0)
    heads = [f"## {name}\n" if ending == "md" else f"<h2>{name}</h2>" for name in names]
    assert [text.count(head) for head in heads] == [1] * 4
    assert "Chosen by rule" in text


def test_the_tracing_report_replaces_the_measured_part_alone(
    trained: Run, text_file: Path, tmp_path: Path
) -> None:
    report = runpy.run_path(str(Path(__file__).parent.parent / "examples" / "tracing_report.py"))
    run = tmp_path / "run"
    shutil.copytree(trained.path, run)
    traced = trace(run, data=str(text_file), tokens=1500)
    document = tmp_path / "docs" / "traces.md"
    document.parent.mkdir()
    document.write_text("# Traces\n\nBefore.\n\n## Measured\n\nOld.\n")
    report["main"](str(document), str(run))
    text = document.read_text(encoding="utf-8")
    assert text.startswith("# Traces\n\nBefore.\n\n## Measured\n\n")
    assert "Old." not in text
    value = traced.about["identity_match"]["value"]
    assert f"| TopK neurons | {value:.3f} [" in text
    for image in re.findall(r"\]\((images/[^)]+)\)", text):
        assert (document.parent / image).is_file()
    chosen = report["choose"](traced)
    assert len(set(chosen.values())) == len(chosen) >= 3
    assert all(f"**{name}**: {reason}." in text for reason, name in chosen.items())
    last = traced.life(chosen["the last to emerge"])
    assert all(
        (last.emergence or 99) >= (one.emergence or 0)
        for one in traced.lives([f"L0/N{index}" for index in range(32)])
        if one.moments[-1].status == "live" and one.feature not in chosen.values()
    )
