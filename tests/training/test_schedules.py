"""Schedules of k and of checkpoints; settings and presets."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topklm.core.errors import InputError
from topklm.training import PRESETS, TrainSettings, preset
from topklm.training.schedules import evenly, sparsity_at, trace_steps


@given(st.integers(1, 500), st.integers(1, 64), st.sampled_from(["none", "k", "blend"]), st.floats(0, 1))
def test_annealing_only_gets_sparser_and_ends_as_plain_topk(
    steps: int, k: int, anneal: str, share: float
) -> None:
    path = [
        sparsity_at(step, steps=steps, k=k, width=64, anneal=anneal, share=share) for step in range(steps + 1)
    ]
    assert path[-1] == (k, 1.0)
    for before, after in pairwise(path):
        assert k <= after.k <= before.k <= 64
        assert 0 <= before.blend <= after.blend <= 1


def test_annealing_k_starts_at_the_full_width_and_blending_at_the_identity() -> None:
    assert sparsity_at(0, steps=100, k=8, width=64, anneal="k") == (64, 1.0)
    assert sparsity_at(25, steps=100, k=4, width=64, anneal="k") == (16, 1.0)
    assert sparsity_at(50, steps=100, k=8, width=64, anneal="k") == (8, 1.0)
    assert sparsity_at(0, steps=100, k=8, width=64, anneal="blend") == (8, 0.0)
    assert sparsity_at(25, steps=100, k=8, width=64, anneal="blend") == (8, 0.5)
    assert sparsity_at(0, steps=100, k=8, width=64) == (8, 1.0)


@given(st.integers(1, 5000), st.integers(1, 40))
def test_even_steps_lie_within_the_run_and_include_its_end(steps: int, count: int) -> None:
    found = evenly(steps, count)
    assert found == sorted(set(found))
    assert found[0] >= 1
    assert found[-1] == steps
    assert len(found) == min(steps, count)


@given(st.integers(1, 5000), st.integers(1, 40))
def test_tracing_steps_start_at_zero_and_double_at_first(steps: int, count: int) -> None:
    found = trace_steps(steps, count)
    assert found == sorted(set(found))
    assert found[0] == 0
    assert found[-1] == steps
    assert set(evenly(steps, count)) <= set(found)
    doubling = [step for step in found if step < evenly(steps, count)[0]]
    assert doubling == [0] + [2**power for power in range(len(doubling) - 1)]
    assert 2 ** (len(doubling) - 1) >= evenly(steps, count)[0]


def test_settings_survive_json() -> None:
    for name in PRESETS:
        settings = preset(name, topk_layers=[0, 1], seed=3)
        assert TrainSettings.from_json(json.loads(json.dumps(settings.as_json()))) == settings


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_makes_a_model_configuration_and_whole_steps(name: str) -> None:
    settings = preset(name)
    config = settings.model_config(vocab_size=1000)
    assert config.topk_layers == list(range(settings.depth - settings.n_nontopk))
    assert config.hidden_size % settings.k == 0 or settings.k < config.hidden_size / 8
    assert settings.steps > 100
    assert replace(settings, dense=True).model_config(vocab_size=1000).topk_layers == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 0}, "k=0"),
        ({"tokens": 0}, "tokens=0"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"lr": -1.0}, "positive"),
        ({"anneal": "slowly"}, "one of none, k, blend"),
        ({"precision": "fp8"}, "one of auto, bf16, fp32"),
        ({"attention": "flash"}, "one of auto, eager, sdpa"),
        ({"batch_tokens": 100}, "no multiple of context"),
        ({"warmup_share": 2.0}, "0..1"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**32}, "seed=4294967296"),
        ({"tokens": 10**30}, "choose 1..1,000,000,000,000,000"),
        ({"threads": 10**12}, r"choose 0\.\.1024"),
        ({"device_tokens": 1536}, "one process cannot take 4 at a time"),
        ({"k": "8"}, "k='8' should be int"),
        ({"kk": 3}, "unknown setting 'kk'"),
    ],
)
def test_a_bad_setting_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        preset("tiny", **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 1000}, r"choose 1\.\.512"),
        ({"n_nontopk": 4}, r"choose 0\.\.3"),
        ({"topk_layers": [7]}, r"within 0\.\.3"),
        ({"topk_by": "size"}, "choose one of value"),
        ({"head_dim": 5}, "^head_dim=5 must be even"),
        ({"dense": True, "k": 1000}, r"choose 1\.\.512"),
    ],
)
def test_an_impossible_model_is_one_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        preset("tiny", **changes).model_config(vocab_size=300)
    assert "\n" not in str(caught.value)


def test_settings_take_what_python_users_write() -> None:
    settings = preset("tiny", data=Path("a.txt"), validation=("b.txt",), seed=np.int64(3), lr=1)
    assert (settings.data, settings.validation, settings.seed, settings.lr) == (["a.txt"], ["b.txt"], 3, 1.0)
    json.dumps(settings.as_json())
    assert preset("tiny", depth=2, dense=True).model_config(vocab_size=300).topk_layers == []


def test_unknown_names_and_types_in_a_settings_file_are_refused() -> None:
    with pytest.raises(InputError, match="unknown setting 'kk'"):
        TrainSettings.from_json({"kk": 1})
    with pytest.raises(InputError, match=r"k='8' should be int"):
        TrainSettings.from_json({"k": "8"})
    with pytest.raises(InputError, match="should be bool"):
        TrainSettings.from_json({"dense": 1})
    with pytest.raises(InputError, match="unknown preset 'huge'"):
        preset("huge")
