"""What an index sums up: layers, concepts, top tokens of some features."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from samples import Truth
from topklm.index import FeatureIndex


def test_layers_give_the_spread_of_what_fires(index: FeatureIndex, truth: Truth) -> None:
    layers = index.layers()
    assert [one["site"] for one in layers] == list(index.layout.sites)
    for one in layers:
        density = (truth.values[one["site"]] != 0).mean(axis=0)
        assert one["density"] == pytest.approx(np.quantile(density[density > 0], [0.1, 0.5, 0.9]))
        assert one["dead"] == (density == 0).sum()
        assert "token_entropy" not in one  # nobody measured it


def test_concepts_are_listed_by_name_and_by_feature(index: FeatureIndex, tmp_path: Path) -> None:
    shutil.copytree(index.path, tmp_path / "index")
    copy = FeatureIndex.open(tmp_path / "index")
    assert copy.concepts() == []
    rows = [("b", 0, 3, 0.5), ("b", 1, 4, 0.7), ("a", 0, 3, 0.2)]
    copy.add_concepts(
        [
            {"concept": name, "site": site, "index": number, "f1": f1, "average_precision": 0.1}
            for name, site, number, f1 in rows
        ]
    )
    assert copy.concepts() == [
        {"concept": "a", "feature": "L0/N3", "f1": 0.2},
        {"concept": "b", "feature": "L1/N4", "f1": 0.7},
    ]
    assert [row["concept"] for row in copy.concepts_of("L0/N3")] == ["b", "a"]
    assert copy.concepts_of("L0/N4") == []


def test_what_the_token_alone_tells_stands_beside_a_concept_where_it_is_known(
    index: FeatureIndex, tmp_path: Path
) -> None:
    shutil.copytree(index.path, tmp_path / "index")
    copy = FeatureIndex.open(tmp_path / "index")
    row = {"concept": "a", "site": 0, "index": 3, "f1": 0.5, "average_precision": 0.1}
    copy.add_concepts([row, {**row, "concept": "b", "f1": 0.4, "oracle_f1": 0.9}])
    assert [one["oracle_f1"] for one in copy.concepts_of("L0/N3")] == [None, 0.9]
    path = tmp_path / "index" / "concepts.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["oracle_f1"]), path)  # as it was written before
    assert [one["oracle_f1"] for one in FeatureIndex.open(copy.path).concepts_of("L0/N3")] == [None, None]


def test_top_tokens_are_those_of_the_card(index: FeatureIndex) -> None:
    found = index.top_tokens(["L1/N2", "L0/N3"])
    assert set(found) == {"L1/N2", "L0/N3"}
    for name, tokens in found.items():
        assert [one["text"] for one in tokens] == [one.token for one in index.card(name).top_tokens]
    assert index.top_tokens([]) == {}
