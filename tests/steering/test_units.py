"""Strengths such as 2x: looked up in the index, which must be the subject's own."""

import shutil
from pathlib import Path

import pytest
import torch

from topklm.core.errors import InputError
from topklm.features import LayerNeurons
from topklm.index import FeatureIndex
from topklm.steering import steer
from topklm.training import Loaded, load


def test_2x_is_twice_the_99th_percentile_of_the_firings(loaded: Loaded, own_index: FeatureIndex) -> None:
    name = own_index.features(sort="-density", limit=1)[0]["feature"]
    p99 = own_index.card(name).quantiles["0.99"]
    for subject, index in ((loaded, None), (loaded.model, own_index)):
        made = steer(subject, name, set_to="2x", index=index)
        assert made.rows[0][0].set_to == pytest.approx(2 * p99)


def test_a_source_and_an_index_must_belong_together(loaded: Loaded, own_index: FeatureIndex) -> None:
    source = LayerNeurons(loaded.model, loaded.tokenizer, revision="another")
    with pytest.raises(InputError, match=r"is the index of .*, not of another"):
        steer(source, "L1/N3", set_to="1x", index=own_index)


def test_without_an_index_a_run_says_how_to_build_one(steered: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(steered, path, ignore=shutil.ignore_patterns("index", "twin", "checkpoints"))
    loaded = load(path)
    with pytest.raises(InputError, match="build one with 'topklm index RUN'"):
        steer(loaded, "L1/N3", set_to="1x")
    ids = torch.ones(1, 4, dtype=torch.long)
    with steer(loaded, "L1/N3", set_to=1.0) as model:
        assert model(ids).logits.shape[1] == 4


def test_a_feature_that_never_fires_has_no_unit(
    loaded: Loaded, own_index: FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa

    for value, said in ((None, "it never fires"), (-0.5, "its 99th percentile is -0.5")):
        table = pa.table({"q99": pa.array([value], pa.float64())})
        monkeypatch.setattr(FeatureIndex, "ask", lambda *_, table=table: table)
        with pytest.raises(
            InputError, match=f"L1/N3 has no unit of strength: {said} .*; give a plain number"
        ):
            steer(loaded, "L1/N3", set_to="1x", index=own_index)
