"""Neuronpedia's rows: columns of its database and no others, and the card's content in them."""

import doctest
import gzip
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings

from card_samples import cards, dead_card, live_card
from topklm.export import neuronpedia
from topklm.export.neuronpedia import (
    BATCH,
    Place,
    about,
    activation_rows,
    explanation_rows,
    feature_row,
    write_source,
)
from topklm.reports.card import Card

TEXT, FLOAT, INTEGER, TEXTS, FLOATS, INTEGERS = str, float, int, [str], [float], [int]
# Columns that are written, with their types, from Neuronpedia's schema (apps/webapp/prisma/schema.prisma)
COLUMNS: dict[str, dict[str, Any]] = {
    "Neuron": {
        "modelId": TEXT,
        "layer": TEXT,
        "index": TEXT,
        "creatorId": TEXT,
        "sourceSetName": TEXT,
        "maxActApprox": FLOAT,
        "frac_nonzero": FLOAT,
        "pos_str": TEXTS,
        "pos_values": FLOATS,
        "neg_str": TEXTS,
        "neg_values": FLOATS,
        "freq_hist_data_bar_heights": FLOATS,
        "freq_hist_data_bar_values": FLOATS,
        "topkCosSimIndices": INTEGERS,
        "topkCosSimValues": FLOATS,
    },
    "Activation": {
        "id": TEXT,
        "modelId": TEXT,
        "layer": TEXT,
        "index": TEXT,
        "creatorId": TEXT,
        "tokens": TEXTS,
        "values": FLOATS,
        "maxValue": FLOAT,
        "maxValueTokenIndex": INTEGER,
        "minValue": FLOAT,
        "binMin": FLOAT,
        "binMax": FLOAT,
        "binContains": FLOAT,
        "qualifyingTokenIndex": INTEGER,
        "dataIndex": TEXT,
    },
    "Explanation": {
        "id": TEXT,
        "modelId": TEXT,
        "layer": TEXT,
        "index": TEXT,
        "authorId": TEXT,
        "description": TEXT,
    },
}
# Columns without a default, which a row must have
NEEDED = {
    "model": {"id", "creatorId", "layers", "neuronsPerLayer", "owner"},
    "release": {"name", "description", "creatorName", "creatorId", "urls"},
    "sourceset": {"modelId", "name", "description", "creatorName", "creatorId", "urls"},
    "source": {"id", "modelId", "setName", "creatorId"},
}
PLACE = Place("stories", 3, "topk")


def fits(value: object, kind: object) -> bool:
    """Whether a value of JSON goes into a column."""
    if isinstance(kind, list):
        return isinstance(value, list) and all(fits(part, kind[0]) for part in value)
    if kind is float:
        return isinstance(value, int | float)
    return type(value) is kind


def lines(path: Path) -> list[dict[str, Any]]:
    """Read compressed JSON lines."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


@settings(max_examples=50, deadline=None)
@given(cards())
def test_rows_have_the_columns_of_the_database_and_their_types(card: Card) -> None:
    rows = [("Neuron", feature_row(PLACE, card)), ("Neuron", feature_row(PLACE, dead_card()))]
    rows += [("Activation", row) for row in activation_rows(PLACE, card)]
    rows += [("Explanation", row) for row in explanation_rows(PLACE, card)]
    for table, row in rows:
        assert row.keys() == COLUMNS[table].keys()
        for name, value in row.items():
            assert fits(value, COLUMNS[table][name]), (table, name, value)
        written = json.dumps(row, ensure_ascii=False, allow_nan=False)
        assert "\x00" not in written
        written.encode()  # Postgres takes no lone surrogate


def test_a_row_says_what_the_card_says() -> None:
    card = live_card()
    row = feature_row(PLACE, card)
    assert (row["modelId"], row["layer"], row["index"]) == ("stories", "3-topk", "17")
    assert row["pos_str"] == [one.token for one in card.promoted]
    assert row["frac_nonzero"] == card.density
    assert len(row["freq_hist_data_bar_values"]) == len(row["freq_hist_data_bar_heights"]) == 20
    assert row["freq_hist_data_bar_values"][0] == 0.1
    assert row["topkCosSimIndices"] == [99, 4]
    rows = list(activation_rows(PLACE, card))
    examples = [example for one in card.bins for example in one.examples]
    assert len(rows) == len(examples) == len({row["id"] for row in rows})
    for written, example in zip(rows, examples, strict=True):
        assert written["tokens"] == list(example.tokens)
        assert written["values"] == [float(f"{value:.6g}") for value in example.activations]
        assert written["maxValueTokenIndex"] == written["qualifyingTokenIndex"] == example.peak
        assert 0 <= written["binContains"] <= 1
    assert [row["description"] for row in explanation_rows(PLACE, card)] == ["animals", "dog"]


def test_a_source_is_a_directory_of_rows_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_source(
            tmp_path / name, PLACE, [live_card(), dead_card()], layers=6, width=512, n_tokens=9, corpus="c"
        )
    first, second = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("a", "b")
    )
    assert first == second
    root = tmp_path / "a" / "stories" / "3-topk"
    assert {str(path.relative_to(root)) for path in root.rglob("*.*")} == {
        *(f"{name}.jsonl" for name in NEEDED),
        *(f"{name}/batch-0.jsonl.gz" for name in ("features", "activations", "explanations")),
    }
    assert [row["index"] for row in lines(root / "features" / "batch-0.jsonl.gz")] == ["17", "3"]
    for name, needed in NEEDED.items():
        row = json.loads((root / f"{name}.jsonl").read_text())
        assert needed <= row.keys()
        assert row == about(PLACE, layers=6, width=512, n_tokens=9, corpus="c")[name]


def test_many_features_are_several_files_and_no_label_is_no_file(tmp_path: Path) -> None:
    some = (live_card(feature=f"L3/N{index}", bins=(), labels=()) for index in range(BATCH + 1))
    write_source(tmp_path, PLACE, some, layers=6, width=BATCH + 1, n_tokens=9, corpus="c")
    root = tmp_path / "stories" / "3-topk"
    found = [row["index"] for n in (0, 1) for row in lines(root / "features" / f"batch-{n}.jsonl.gz")]
    assert found == [str(index) for index in range(BATCH + 1)]
    assert not (root / "explanations").exists()
    assert not (root / "activations").exists()


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(neuronpedia).failed == 0
