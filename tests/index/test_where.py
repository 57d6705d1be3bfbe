"""Conditions: what they mean, and that nothing else gets through."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topklm.core.errors import InputError
from topklm.index.where import parse

COLUMNS = {"density": "number", "firings": "number", "status": "text", "top_token": "text"}
ROWS = [
    (0.5, 10, "live", " dog"),
    (0.25, 3, "live", "it's"),
    (0.0, 0, "dead", None),
    (0.00001, 1, "rare", ' "dog"'),
]


def test_a_number_of_thousands_of_digits_is_a_number() -> None:
    assert chosen("density < " + "9" * 5000) == chosen("density < 1e400") == [0, 1, 2, 3]


def chosen(text: str) -> list[int]:
    """The rows that meet a condition, asked of DuckDB."""
    condition = parse(text, COLUMNS)
    with duckdb.connect() as database:
        database.execute(
            "CREATE TABLE f (place INT, density DOUBLE, firings INT, status TEXT, top_token TEXT)"
        )
        database.executemany(
            "INSERT INTO f VALUES (?, ?, ?, ?, ?)", [(place, *row) for place, row in enumerate(ROWS)]
        )
        query = f"SELECT place FROM f WHERE {condition.sql} ORDER BY place"  # noqa: S608
        return [place for (place,) in database.execute(query, condition.values).fetchall()]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("density > 0.1", [0, 1]),
        ("density >= .25 and firings < 5", [1]),
        ("status = 'live' or status == \"rare\"", [0, 1, 3]),
        ("not status = 'live'", [2, 3]),
        ("NOT (status = 'live' AND firings > 5)", [1, 2, 3]),
        ("not not firings = 10", [0]),
        ("status in ('dead', 'rare')", [2, 3]),
        ("firings not in (10, 3)", [2, 3]),
        ("top_token like '%DOG%'", [0, 3]),
        ("top_token not like '%dog%'", [1]),
        ("top_token = 'it''s'", [1]),
        ('top_token = " ""dog"""', [3]),
        ("top_token is null", [2]),
        ("top_token is not null and density between 1e-6 and 0.3", [1, 3]),
        ("firings not between 1 and 5", [0, 2]),
        ("Density <> 0", [0, 1, 3]),
        ("firings > -1 and 3 <= firings", [0, 1]),
        ("firings != density", [0, 1, 3]),
        ("status = 'live' or status = 'dead' and firings > 0", [0, 1]),
    ],
)
def test_a_condition_means_what_sql_means_by_it(text: str, rows: list[int]) -> None:
    assert chosen(text) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a column or a value is expected"),
        ("entropy > 1", "there is no column 'entropy'; columns are density, firings, status, top_token"),
        ("density", "a comparison is missing"),
        ("density > ", "a column or a value is expected, not 'the end'"),
        ("density > 'much'", "is a number, which no text equals"),
        ("status > 3", "is a text, which no number equals"),
        ("density like 'a'", "'like' compares texts"),
        ("density > 1)", "is not expected there"),
        ("(density > 1", "')' is missing before 'the end'"),
        ("density in ()", "a column or a value is expected"),
        ("density in (1", "')' is missing"),
        ("density is live", "'null' is missing before 'live'"),
        ("density > 1; DROP TABLE f", "cannot be read"),
        ("density > 1 UNION SELECT 1", "is not expected there"),
        ("status = 'live", "cannot be read"),
        ("density > 1 -- and more", "cannot be read"),
        ("lower(status) = 'live'", "there is no column 'lower'"),
        ("(" * 200 + "density > 1" + ")" * 200, "nested too deeply"),
    ],
)
def test_what_is_no_condition_is_refused_with_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, COLUMNS)
    assert message in str(caught.value)
    assert "density > 0.001 and status = 'live'" in str(caught.value)


@settings(max_examples=300)
@given(
    st.text(alphabet="density firings'\"()=<>,.;-%1 andornotinlike\\\n", max_size=40) | st.text(max_size=20)
)
def test_any_text_is_a_condition_or_an_input_error(text: str) -> None:
    try:
        condition = parse(text, COLUMNS)
    except InputError:
        return
    assert condition.sql.count("?") == len(condition.values)
    outside = condition.sql.replace("?", "")
    assert "'" not in outside
    assert ";" not in outside
