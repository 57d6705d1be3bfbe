"""The configuration: what is filled in, what is refused."""

import json
from pathlib import Path

import pytest

from samples import SHAPE
from topklm.model import TopKLMConfig


def test_layers_and_k_are_always_filled_in() -> None:
    config = TopKLMConfig(**SHAPE)
    assert (config.topk_layers, config.n_nontopk, config.topk_k) == ([0, 1], 2, 64)
    assert TopKLMConfig(**SHAPE, n_nontopk=0).topk_layers == [0, 1, 2, 3]
    assert TopKLMConfig(**SHAPE, topk_layers=[0, 2]).n_nontopk == 1
    assert TopKLMConfig(**SHAPE, topk_layers=[]).n_nontopk == 4


def test_k_may_differ_by_layer() -> None:
    config = TopKLMConfig(**SHAPE, topk_layers=[0, 2], topk_k=[4, 9])
    assert (config.k_at(0), config.k_at(2)) == (4, 9)
    with pytest.raises(ValueError, match="layer 1 has no TopK"):
        config.k_at(1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"topk_k": 0}, r"choose 1\.\.64"),
        ({"topk_k": 65}, r"choose 1\.\.64"),
        ({"topk_k": [4]}, "1 entries for 2 TopK layers"),
        ({"topk_k": [4, 0]}, r"choose 1\.\.64"),
        ({"topk_by": "size"}, "choose one of value, magnitude, positive"),
        ({"n_nontopk": 4}, r"choose 0\.\.3"),
        ({"n_nontopk": -1}, r"choose 0\.\.3"),
        ({"topk_layers": [4]}, r"within 0\.\.3"),
        ({"topk_layers": [1, 0]}, "ascending"),
        ({"topk_layers": [0, 0]}, "without repeats"),
        ({"topk_blend": 1.5}, r"0\.\.1"),
        ({"head_dim": None, "num_attention_heads": 5, "num_key_value_heads": 5}, "give head_dim"),
    ],
)
def test_a_wrong_field_says_what_is_allowed(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TopKLMConfig(**{**SHAPE, **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"topk_k": "many"}, "'topk_k' with value 'many'"),
        ({"head_dim": 7}, "must be even"),
        ({"num_key_value_heads": 3}, "num_attention_heads=4 is no multiple"),
        ({"num_key_value_heads": 0}, "no multiple"),
    ],
)
def test_a_field_that_cannot_be_right_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(Exception, match=message):
        TopKLMConfig(**{**SHAPE, **fields})


def test_saving_and_loading_keeps_every_field(tmp_path: Path) -> None:
    config = TopKLMConfig(**SHAPE, topk_layers=[0, 3], topk_k=[5, 6], topk_by="magnitude", topk_blend=0.5)
    config.save_pretrained(tmp_path)
    loaded = TopKLMConfig.from_pretrained(tmp_path)
    assert json.loads(loaded.to_json_string()) == json.loads(config.to_json_string())


def test_replacing_the_layers_on_loading_replaces_both_ways_of_saying_it(tmp_path: Path) -> None:
    TopKLMConfig(**SHAPE, n_nontopk=2).save_pretrained(tmp_path)
    assert TopKLMConfig.from_pretrained(tmp_path, n_nontopk=1).topk_layers == [0, 1, 2]
    assert TopKLMConfig.from_pretrained(tmp_path, topk_layers=[]).n_nontopk == 4
    assert TopKLMConfig.from_pretrained(tmp_path, num_hidden_layers=3).topk_layers == [0]
    with pytest.raises(ValueError, match=r"choose 1\.\.64"):
        TopKLMConfig.from_pretrained(tmp_path, topk_k=100)
    with pytest.raises(ValueError, match=r"choose 1\.\.32"):
        TopKLMConfig.from_pretrained(tmp_path, hidden_size=32)


def test_the_layers_given_decide_how_many_are_dense() -> None:
    config = TopKLMConfig(**SHAPE, n_nontopk=1)
    assert TopKLMConfig(**{**config.to_dict(), "topk_layers": [0]}).n_nontopk == 3
    config.topk_layers = [1]
    config.check_topk()
    assert config.n_nontopk == 2


def test_a_very_shallow_model_keeps_one_topk_layer() -> None:
    assert TopKLMConfig(**{**SHAPE, "num_hidden_layers": 2}).topk_layers == [0]
    assert TopKLMConfig(**{**SHAPE, "num_hidden_layers": 1}).topk_layers == [0]
