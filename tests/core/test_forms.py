"""A JSON file is read where it has the form its readers need, else refused with the field that is amiss."""

import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from topklm.core.errors import InputError, RunError
from topklm.core.forms import NUMBER, Shape, misfit, read_form

FORM = "topklm.example/1"
SHAPE: dict[str, Shape] = {"name": str, "share": NUMBER, "sites": [{"site": int}], "by": {"key": object}}
WHOLE: dict[str, Any] = {
    "format": FORM,
    "name": "x",
    "share": 0.5,
    "sites": [{"site": 3}],
    "by": {"key": None},
}


def test_what_fits_is_returned_whole(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({**WHOLE, "more": 1}))
    assert read_form(path, FORM, SHAPE) == {**WHOLE, "more": 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "topklm.other/1"}, "is not of the format topklm.example/1; delete it"),
        ({"name": 3}, "is damaged: name is missing or no str"),
        ({"share": "much"}, "is damaged: share is missing or no int or float"),
        ({"share": True}, "is damaged: share is missing or no int or float"),
        ({"sites": {}}, "is damaged: sites is missing or no list"),
        ({"sites": [{"site": 1}, {"site": None}]}, "is damaged: sites[1].site is missing or no int"),
        ({"sites": [4]}, "is damaged: sites[0] is missing or no object"),
        ({"by": []}, "is damaged: by is missing or no object"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({**WHOLE, **change}))
    with pytest.raises(RunError) as raised:
        read_form(path, FORM, SHAPE, advice="delete it", error=RunError)
    assert str(raised.value) == f"{path} {said}"


@pytest.mark.parametrize("content", ["[]", "null", '"topklm.example/1"', "3"])
def test_no_object_is_of_no_format(content: str, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(content)
    with pytest.raises(InputError, match="is not of the format"):
        read_form(path, FORM)


@pytest.mark.parametrize("field", sorted(SHAPE))
def test_a_field_that_is_absent_is_a_misfit(field: str) -> None:
    content = {name: value for name, value in WHOLE.items() if name != field}
    problem = misfit(content, SHAPE)
    if field == "by":
        assert problem == "by is missing or no object"
    else:
        assert problem is not None
        assert problem.startswith(f"{field} is missing or no ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@hypothesis.given(JSON)
def test_every_value_fits_the_shape_that_asks_for_nothing_else(value: Any) -> None:
    def shape_of(one: Any) -> Shape:
        if isinstance(one, dict):
            return {name: shape_of(inner) for name, inner in one.items()}
        return [object] if isinstance(one, list) else type(one)

    assert misfit(value, shape_of(value)) is None
    assert misfit(value, object) is None
