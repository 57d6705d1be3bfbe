"""One code for all sources: the same numbers of each, whatever the batches; planted features are found."""

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from topklm.comparison import Settings, measure
from topklm.comparison.result import Result, ResultRow, read_result
from topklm.core.errors import InputError
from topklm.core.site import Feature, Neuron
from topklm.data.tokenizer import token_bytes
from topklm.features import FeatureSource
from topklm.index import FeatureIndex
from topklm.index.sources import NAMES
from topklm.model import SparseCodes
from topklm.training import load


class Planted:
    """Neuron 0 fires on digits alone, neuron 1 on everything at random; the others never."""

    name, revision, dtype, context, depth, sites = "planted", "1", "float32", 32, 1, (0,)
    kind: type[Feature] = Neuron

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        pieces = [piece.decode(errors="replace") for piece in token_bytes(tokenizer)]
        self.digits = torch.tensor([number for number, piece in enumerate(pieces) if re.search(r"\d", piece)])

    def width(self, site: int) -> int:
        return 4

    def codes(self, token_ids: Tensor, attention_mask: Tensor | None = None) -> dict[int, SparseCodes]:
        flat = token_ids.flatten()
        dense = torch.zeros(len(flat), 4)
        dense[:, 0] = torch.isin(flat, self.digits).float() * 2
        drawn = np.random.default_rng(int(flat.sum())).random(len(flat))
        dense[:, 1] = torch.from_numpy((drawn < 0.2) * drawn).float()
        return {0: SparseCodes.from_dense(dense)}


def numbers(rows: list[ResultRow], source: str) -> set[tuple[str, str]]:
    return {(row.metric, row.about) for row in rows if row.source == source and row.site == 0}


def test_every_source_is_measured_by_the_same_numbers(result: Result) -> None:
    assert list(result.sources) == list(NAMES)
    assert {row.site for row in result.rows} == {0, 1}
    expected = numbers(result.rows, "topk")
    assert {"labelled_features", "intruder", "absorption_fraction", "tpp/5", "probe_accuracy/state"} <= {
        metric for metric, _ in expected
    }
    for name in NAMES:
        # how well a concept's own probe does decides whether its absorption is defined
        defined = {one for one in numbers(result.rows, name) if "absorption" not in one[0]}
        assert defined == {one for one in expected if "absorption" not in one[0]}, name


def test_every_interval_holds_its_value(result: Result) -> None:
    for row in result.rows:
        assert row.low <= row.value <= row.high or math.isnan(row.value), row


def test_the_controls_fire_as_often_as_the_neurons(result: Result) -> None:
    fired = {
        row.source: row.value for row in result.rows if row.metric == "firings_per_token" and row.site == 0
    }
    assert fired["topk"] == fired["posthoc"] == fired["random"] == fired["shuffled"] == 8
    assert fired["dense"] == pytest.approx(8, rel=0.25)  # its thresholds come from the training text


def test_files_hold_the_same_rows_and_strict_json(result: Result, run_path: Path) -> None:
    text = (run_path / "metrics" / "metrics.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    content = json.loads(text)
    assert content["format"] == "topklm.metrics/1"
    table = pq.read_table(run_path / "metrics" / "metrics.parquet")
    assert len(table) == len(content["rows"]) == len(result.rows)
    assert table.schema.metadata[b"format"] == b"topklm.metrics/1"
    assert [repr(row) for row in read_result(run_path).rows] == [repr(row) for row in result.rows]
    assert not list((run_path / "metrics").glob(".partial*"))


def test_what_is_measured_is_not_measured_again(
    result: Result, run_path: Path, quick: Settings, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(run_path / "metrics", tmp_path / "m"))
    (out / "metrics.json").unlink()
    (out / "sources" / "random.json").unlink()  # as if killed before this one was done
    said: list[str] = []
    again = measure(run_path, quick, sources=("topk", "random"), out=out, say=said.append)
    assert "topk: measured already" in said
    assert "random: measured already" not in said
    expected = [row for row in result.rows if row.source in ("topk", "random")]
    for one, other in zip(expected, again.rows, strict=True):
        assert one[:4] == other[:4]
        assert other.value == pytest.approx(one.value, abs=1e-3, nan_ok=True), one


def test_stretches_and_passes_change_nothing(
    result: Result, run_path: Path, quick: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topklm.comparison.reading.STRETCH", 1)
    monkeypatch.setattr("topklm.comparison.reading.HELD", 0)
    monkeypatch.setattr("topklm.concepts.labels.BATCH_TOKENS", 500)
    again = measure(run_path, quick, sources=("topk",), out=tmp_path)
    before = [row for row in result.rows if row.source == "topk"]
    for one, other in zip(before, again.rows, strict=True):
        assert one[:4] == other[:4]
        assert other.value == pytest.approx(one.value, abs=1e-3, nan_ok=True), one


def test_planted_features_come_out_as_planted(run_path: Path, quick: Settings, tmp_path: Path) -> None:
    source = Planted(load(run_path).tokenizer)
    assert isinstance(source, FeatureSource)
    found = measure(run_path, quick, sources=(), further=[source], out=tmp_path)
    features = pq.read_table(tmp_path / "features" / "planted.parquet").to_pylist()
    assert (features[0]["concept"], features[0]["concept_f1"]) == ("token:digit", 1.0)
    assert features[0]["name"] == "token:digit"
    assert features[1]["concept_f1"] < 0.5
    assert features[1]["name_kind"] == "none"
    assert features[2]["concept"] is None
    best = pq.read_table(tmp_path / "concepts" / "planted.parquet").to_pylist()
    assert {row["index"]: row["f1"] for row in best if row["concept"] == "token:digit"}[0] == 1.0
    values = {row.metric: row.value for row in found.rows if row.about in ("", "live features")}
    assert values["labelled_features"] == 0.5  # of two live ones
    assert values["dead_features"] == 0.5
    assert 0.5 <= values["label_f1"] < 1


def test_without_a_twin_its_controls_are_left_out_and_named(
    trained: Any, quick: Settings, tmp_path: Path
) -> None:
    found = measure(trained.path, quick, sources=("dense", "random"), out=tmp_path)
    assert list(found.sources) == ["random"]
    assert "needs the dense twin" in found.left_out["dense"]
    with pytest.raises(InputError, match="no source can be measured"):
        measure(trained.path, quick, sources=("posthoc",), out=tmp_path)


def test_signs_are_features_of_their_own_where_k_is_taken_by_magnitude(
    text_file: Path, quick: Settings, tmp_path: Path
) -> None:
    from samples import tiny_settings
    from topklm.training import train

    run = train(tiny_settings(text_file, topk_by="magnitude", tokens=4 * 256), tmp_path / "run")
    measure(run, quick, sources=("topk",))
    rows = pq.read_table(run.path / "metrics" / "features" / "topk.parquet").to_pylist()
    assert len(rows) == 2 * 2 * 32
    assert {(row["index"], row["sign"]) for row in rows if row["site"] == 1} == {
        (index, sign) for index in range(32) for sign in (1, -1)
    }
    assert any(row["density"] > 0 for row in rows if row["sign"] < 0)


def test_names_and_concepts_are_asked_of_the_index(result: Result, run_path: Path) -> None:
    index = FeatureIndex.open(run_path / "index")
    columns = ("concept", "concept_f1", "name", "name_score", "token_entropy", "coherence")
    assert set(columns) <= set(index.columns)
    assert (index.columns["concept"], index.columns["concept_f1"]) == ("text", "number")
    kept = pq.read_table(run_path / "metrics" / "features" / "topk.parquet").to_pylist()
    rows = {row["feature"]: row for row in index.features()}
    for one in kept:
        row = rows[f"L{one['site']}/N{one['index']}"]
        assert row["concept"] == one["concept"]
        assert row["concept_f1"] == one["concept_f1"]
    on = index.features(where="concept = 'animals'")
    assert [row["feature"] for row in on] == [
        f"L{one['site']}/N{one['index']}" for one in kept if one["concept"] == "animals"
    ]
    best = index.by_concept("animals")
    assert [row["f1"] for row in best] == sorted((row["f1"] for row in best), reverse=True)
    found = index.by_concept("places")[0]["feature"]
    oracle = {row["concept"]: row["oracle_f1"] for row in index.concepts_of(found)}
    assert 0.8 < oracle["places"] <= 1  # four words, most of them one token
    named = [one for one in kept if one["name_kind"] != "none"]
    assert len(index.labelled()) == len(named) > 0
    with pytest.raises(InputError, match="there is no concept 'animalz'; did you mean animals"):
        index.by_concept("animalz")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tokens": 0}, "tokens=0 is not allowed"),
        ({"labels": ("genre",)}, "no column 'genre'; they have none"),
        ({"lexicon": "no.yaml"}, "there is no lexicon no.yaml"),
        ({"data": ("nowhere.txt",)}, "there is no file or corpus 'nowhere.txt'"),
    ],
)
def test_what_cannot_be_had_is_said(
    run_path: Path, quick: Settings, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    from dataclasses import replace

    with pytest.raises(InputError, match=said):
        measure(run_path, replace(quick, **changes), sources=("topk",), out=tmp_path / "m")
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_lexicon_of_which_nothing_occurs_leaves_the_classes_of_tokens(
    run_path: Path, quick: Settings, tmp_path: Path
) -> None:
    from dataclasses import replace

    path = tmp_path / "none.csv"
    path.write_text("never,xyzzy\n")
    said: list[str] = []
    settings = replace(quick, lexicon=str(path))
    measure(run_path, settings, sources=("random",), out=tmp_path / "m", say=said.append)
    assert any("concepts never occur here and are left out: never" in line for line in said)
