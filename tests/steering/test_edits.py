"""Edits as data: what they say survives JSON and the command line; what makes no sense is refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from topklm.core.errors import InputError
from topklm.core.site import Direction, Feature, Latent, Neuron
from topklm.steering.edits import Edit, check_together, load_edits, parse_edit, save_edits
from topklm.steering.places import Places, positions_of

numbers = st.floats(allow_nan=False, allow_infinity=False)
strengths = st.one_of(numbers, numbers.map(lambda number: f"{number!r}x"))
features = st.builds(
    lambda kind, layer, index: kind(layer, index),
    st.sampled_from([Neuron, Latent, Direction]),
    st.integers(0, 99),
    st.integers(0, 9999),
)
positions = st.one_of(
    st.sampled_from(["all", "prompt", "generated", "3:9", ":4", "7:"]),
    st.lists(st.booleans(), min_size=1, max_size=9),
    st.builds(lambda start, size: slice(start, start + size), st.integers(0, 50), st.integers(1, 50)),
)
changes = st.one_of(
    st.fixed_dictionaries({"set_to": strengths}),
    st.fixed_dictionaries({"add": strengths}),
    st.fixed_dictionaries({"scale": numbers}),
    st.just({"ablate": True}),
)
flags = st.sampled_from([{}, {"before_topk": True}, {"keep_k": True}, {"keep_error": False}])
edits = st.builds(
    lambda feature, change, places, flag: Edit(feature, positions=places, **change, **flag),
    features,
    changes,
    positions,
    flags,
)


@given(edits)
def test_an_edit_survives_json(edit: Edit) -> None:
    assert Edit.from_json(json.loads(json.dumps(edit.to_json()))) == edit


@given(edits, st.floats(1e-3, 1e3))
def test_a_resolved_edit_is_absolute_and_stays_so(edit: Edit, p99: float) -> None:
    written = str(edit.set_to if edit.action == "set_to" else edit.add)
    if edit.in_percentiles and not math.isfinite(float(written[:-1]) * p99):
        with pytest.raises(InputError, match="too large"):
            edit.resolved(p99)
        return
    resolved = edit.resolved(p99)
    assert not resolved.in_percentiles
    assert resolved.resolved(7.0) == resolved
    assert (resolved.action, resolved.positions) == (edit.action, edit.positions)
    if edit.in_percentiles:
        assert resolved.line[1] == float(written[:-1]) * p99


def test_edits_are_stored_with_a_checkpoint_and_read_back(tmp_path: Path) -> None:
    kept = [Edit("L1/N3", set_to="2x"), Edit("L0/N4", scale=0.5, positions=slice(2, 5))]
    assert save_edits(kept, tmp_path) == tmp_path / "edits.json"
    assert load_edits(tmp_path) == load_edits(tmp_path / "edits.json") == kept
    (tmp_path / "edits.json").write_text('{"format": "other/1"}')
    with pytest.raises(InputError, match=r"not of the format topklm\.edits/1"):
        load_edits(tmp_path)
    (tmp_path / "edits.json").write_text('{"format": "topklm.edits/1", "edits": 3}')
    with pytest.raises(InputError, match="edits is missing or no list"):
        load_edits(tmp_path)


def test_the_command_lines_form() -> None:
    assert parse_edit("L3/N17=2x", "set_to") == Edit("L3/N17", set_to="2x")
    assert parse_edit("L3/N17=-1.5", "add") == Edit("L3/N17", add=-1.5)
    assert parse_edit("L3/F7=3", "scale") == Edit("L3/F7", scale=3.0)
    assert parse_edit("L3/N17", "ablate") == Edit("L3/N17", ablate=True)
    assert [str(Edit("L3/N17", **one)) for one in ({"set_to": "2x"}, {"add": 1.5}, {"scale": 0.5})] == [
        "L3/N17=2x",
        "L3/N17+1.5",
        "L3/N17*0.5",
    ]
    for bad in ("L3/N17", "L3/N17=", "=2x", "x=1", "L3/N17=two"):
        with pytest.raises(InputError):
            parse_edit(bad, "set_to")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "give exactly one of set_to, add, scale, ablate, not none"),
        ({"set_to": 1, "add": 2}, "give exactly one of set_to, add, scale, ablate, not set_to and add"),
        ({"set_to": 1, "ablate": True}, "not set_to and ablate"),
        ({"set_to": float("nan")}, "set_to=nan is no strength; give a finite number, or a multiple"),
        ({"add": float("inf")}, "add=inf is no strength"),
        ({"scale": "-inf"}, "scale='-inf' is no strength; give a finite number"),
        ({"set_to": "nanx"}, "set_to='nanx' is no strength"),
        ({"set_to": "lots"}, "set_to='lots' is no strength"),
        ({"set_to": True}, "set_to=True is no strength"),
        ({"set_to": 10**400}, "is no strength"),
        ({"scale": "2x"}, "scale='2x' is a factor already; write scale=2"),
        ({"ablate": 1}, "ablate=1 is neither true nor false"),
        ({"set_to": 1, "positions": "late"}, "positions='late' are none; give all, prompt, generated"),
        ({"set_to": 1, "positions": "9:3"}, "positions 9:3 hold no token"),
        ({"set_to": 1, "positions": slice(-3, None)}, "tokens are counted from the beginning"),
        ({"set_to": 1, "positions": slice(0, 9, 2)}, "are none; give all"),
        ({"set_to": 1, "positions": [[True], [False]]}, "one boolean a token of one text; .* give rows="),
        ({"set_to": 1, "positions": torch.tensor([1.0, 2.0])}, "are none; give all"),
        ({"set_to": 1, "before_topk": True, "keep_k": True}, "before TopK k is kept anyway"),
    ],
)
def test_what_makes_no_edit_is_said_in_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        Edit("L3/N17", **change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (3, "an edit is a JSON object with a feature"),
        ({"set_to": 1}, "an edit is a JSON object with a feature"),
        ({"feature": "L3/N17", "set": 1}, "an edit has no field 'set'"),
        ({"feature": "N17", "set_to": 1}, "'N17' is no feature"),
    ],
)
def test_json_is_checked_strictly(content: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Edit.from_json(content)


@pytest.mark.parametrize(
    ("first", "second", "meet"),
    [
        ("all", "prompt", True),
        ("prompt", "generated", False),
        ("prompt", "3:5", True),
        ("3:5", "5:9", False),
        ("3:6", "5:9", True),
        ("3:", [True, True], False),
        ([False, True], [True, True], True),
        ([False, True], [True, False], False),
    ],
)
def test_edits_contradict_where_they_meet(first: Any, second: Any, meet: bool) -> None:
    both = [Edit("L1/N3", set_to=2, positions=first), Edit("L1/N3", ablate=True, positions=second)]
    others = [Edit("L1/N4", set_to=2), Edit("L0/N3", set_to=2), Edit("L1/N3", add=1, before_topk=True)]
    if meet:
        with pytest.raises(InputError, match="L1/N3=2 and L1/N3 ablated contradict each other"):
            check_together(both)
    else:
        check_together(both + others)


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 5), st.integers(1, 5))
def test_a_slice_and_its_mask_choose_the_same_tokens(padding: list[bool], start: int, size: int) -> None:
    mask = torch.tensor([sorted(padding)]).long()
    places = Places(0, mask.shape[1], mask.shape[1], mask.device, mask)
    as_mask = [start <= place < start + size for place in range(start + size)]
    chosen = places.chosen(positions_of(slice(start, start + size)))
    assert torch.equal(chosen, places.chosen(positions_of(as_mask)))
    assert int(chosen.sum()) == max(0, min(start + size, int(mask.sum())) - start)
    assert not bool((places.chosen("all") & (mask == 0)).any())


def test_every_kind_of_feature_is_named_and_read() -> None:
    for name in ("L3/N17", "L3/F17", "L3/D17"):
        assert str(Feature.parse(name)) == name


def test_edits_are_not_written_over_another_file(tmp_path: Path) -> None:
    other = tmp_path / "train.json"
    other.write_text('{"format": "topklm.run/1"}', encoding="utf-8")
    with pytest.raises(InputError, match="choose another file"):
        save_edits([parse_edit("L0/N1=3", "set_to")], other)
    assert other.read_text(encoding="utf-8") == '{"format": "topklm.run/1"}'
