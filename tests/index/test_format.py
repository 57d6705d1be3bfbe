"""The format on disk: the frozen index of version 1 stays readable, and its description complete."""

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from topklm.index import FeatureIndex
from topklm.index.format import COLUMNS

FIXTURE = Path(__file__).parent / "fixture-1"
FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"


@pytest.fixture(scope="module")
def frozen() -> FeatureIndex:
    """The index of format 1, whole to the last byte."""
    return FeatureIndex.open(FIXTURE, verify=True)


def test_the_frozen_index_answers_every_question(frozen: FeatureIndex) -> None:
    about = frozen.about
    assert about["format"] == "topklm.index/1"
    assert frozen.n_tokens == frozen.sql("SELECT count(*) AS n FROM tokens")["n"][0].as_py() >= 600
    rows = frozen.features(sort="-density")
    assert len(rows) == 2 * 20
    assert sum(row["firings"] for row in rows) == about["firings"] == 8 * frozen.n_tokens
    for row in rows:
        card = frozen.card(row["feature"])
        assert card.firings == row["firings"] == sum(one.firings for one in card.bins)
        assert bool(card.promoted) == bool(card.bins) == (card.status != "dead")
    word = rows[0]["top_token"]
    found = frozen.search(word)
    assert found.occurrences > 0
    assert found.hits
    assert frozen.where(frozen.n_tokens - 1).text
    assert frozen.card("L0/N0").facts == {"token_entropy": 2.5}
    assert frozen.card("L0/N0").labels == ("an example",)


def test_the_frozen_index_reads_without_topklm() -> None:
    features = pq.read_table(FIXTURE / "features.parquet").to_pylist()
    firings = pq.read_table(FIXTURE / "firings_by_feature.parquet").to_pylist()
    for feature in features:
        own = [row for row in firings if (row["site"], row["index"]) == (feature["site"], feature["index"])]
        assert len(own) == feature["firings"]
        values = [row["value"] for row in own]
        assert values == sorted(values, reverse=True)
        assert (values[0] if values else None) == feature["maximum"]


def test_the_fixture_is_small() -> None:
    assert sum(path.stat().st_size for path in FIXTURE.iterdir()) < 200_000


def test_every_column_is_described() -> None:
    text = FORMATS.read_text(encoding="utf-8")
    sections = dict(re.findall(r"### ([^\n]+)\n(.*?)(?=\n### |\Z)", text, re.DOTALL))
    for table, columns in COLUMNS.items():
        [body] = [body for title, body in sections.items() if f"{table}.parquet" in title]
        for column in columns:
            quantile = re.fullmatch(r"q\d\d", column) and "`q01` ... `q99`" in body
            assert quantile or f"`{column}`" in body, (table, column)
    described = set(re.findall(r"`(\w+)`", sections["index.json"]))
    assert set(FeatureIndex.open(FIXTURE).about) <= described
