"""A file of settings becomes a list of runs, or one line that says why not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topklm.comparison.sweep_plan import KEYS, as_sweep, read_sweep
from topklm.core.errors import InputError
from topklm.training import preset


def test_factors_vary_one_at_a_time_around_the_base() -> None:
    sweep = as_sweep({"base": {"tokens": 5000}, "vary": {"k": [16, 64], "anneal": ["none"]}, "seeds": [0, 3]})
    runs = sweep.runs()
    assert [one.variant for one in runs] == ["base", "k=16", "k=64", "anneal=none"] * 2
    assert [one.settings.seed for one in runs] == [0] * 4 + [3] * 4
    assert runs[0].settings == preset("tiny", tokens=5000)
    assert runs[1].settings == preset("tiny", tokens=5000, k=16)
    assert runs[7].settings == preset("tiny", tokens=5000, anneal="none", seed=3)
    assert runs[6].place == Path("k=64/seed-3")


def test_a_grid_has_every_combination() -> None:
    sweep = as_sweep({"grid": {"width": [256, 512], "k": [16, 32]}, "include_base": False})
    assert list(sweep.variants) == [
        "width=256,k=16",
        "width=256,k=32",
        "width=512,k=16",
        "width=512,k=32",
    ]


def test_twins_lie_in_their_runs_and_only_sparse_models_have_them() -> None:
    content = {"list": {"own": {"dense": True, "lr": 1e-3}, "wide": {"width": 1024}}, "twins": "all"}
    runs = as_sweep(content).runs()
    assert [one.variant for one in runs] == ["base", "base (dense twin)", "own", "wide", "wide (dense twin)"]
    assert runs[1].place == Path("base/seed-0/twin")
    assert runs[1].settings == preset("tiny", dense=True)
    assert runs[4].settings == preset("tiny", dense=True, width=1024)
    content["twins"] = "base"
    assert len(as_sweep(content).runs()) == 4


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(1, 512), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from(["none", "k", "blend"]), min_size=1, max_size=3, unique=True),
    st.sampled_from(["none", "base", "all"]),
)
def test_no_two_runs_share_a_place_and_none_is_lost(
    seeds: list[int], ks: list[int], anneals: list[str], twins: str
) -> None:
    content = {"seeds": seeds, "vary": {"k": ks}, "grid": {"anneal": anneals, "n_nontopk": [1, 2]}}
    runs = as_sweep({**content, "twins": twins}).runs()
    variants = 1 + len(ks) + 2 * len(anneals)
    dense = {"none": 0, "base": 1, "all": variants}[twins]
    assert len(runs) == len(seeds) * (variants + dense)
    assert len({one.place for one in runs}) == len(runs)
    assert sum(one.settings.dense for one in runs) == len(seeds) * dense


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"bases": {}}, f"unknown key 'bases'; a sweep has {KEYS[0]}"),
        ({"base": {"kk": 3}}, "base: unknown setting 'kk'"),
        ({"base": {"preset": "huge"}}, "unknown preset 'huge'"),
        ({"base": {"seed": 3}}, "name seeds with seeds"),
        ({"vary": {"k": 3}}, "k: give a list"),
        ({"vary": {"k": [0]}}, "k=0: k=0 is not allowed"),
        ({"vary": {"k": [9999]}}, "topk_k=9999"),
        ({"vary": ["k"]}, "vary should be a mapping"),
        ({"vary": {"k": [16, 16]}}, "'k=16' is there twice"),
        ({"list": {"a/b": {"k": 3}}}, "'a/b' is no name for a directory"),
        ({"list": {"..": {"k": 3}}}, "'..' is no name for a directory"),
        ({"list": {"wide": 3}}, "wide should be settings"),
        ({"seeds": []}, "seeds=[] is not allowed"),
        ({"seeds": [1, 1]}, "seeds=[1, 1] is not allowed"),
        ({"seeds": ["a"]}, "seed"),
        ({"twins": "some"}, "twins='some' is not allowed"),
        ({"include_base": "false"}, "include_base='false' is not allowed"),
        ({"include_base": False}, "there is nothing to train"),
    ],
)
def test_what_is_wrong_is_said(content: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        as_sweep(content)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_is_read_and_named_where_it_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("base: {tokens: 1_000}\nvary:\n  k: [16]\n")
    assert list(read_sweep(path).variants) == ["base", "k=16"]
    for text in ("- 1", "base: [", "base: {k: nought}"):
        path.write_text(text)
        with pytest.raises(InputError) as caught:
            read_sweep(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_sweep(tmp_path / "absent.yaml")


def test_the_number_of_dense_blocks_and_the_layers_say_one_thing() -> None:
    content = {"base": {"topk_layers": [0]}, "vary": {"n_nontopk": [1, 2]}}
    runs = as_sweep(content).runs()
    assert [one.settings.model_config(vocab_size=300).topk_layers for one in runs] == [[0], [0, 1, 2], [0, 1]]
    with pytest.raises(InputError, match="n_nontopk or topk_layers, not both"):
        as_sweep({"list": {"both": {"n_nontopk": 1, "topk_layers": [0]}}})


def test_seeds_are_no_variant() -> None:
    with pytest.raises(InputError, match=r"'seed=1' has a seed; name seeds with seeds"):
        as_sweep({"vary": {"seed": [1, 2]}})


def test_presets_are_no_variant() -> None:
    with pytest.raises(InputError, match=r"'preset=tiny' has a preset; a preset belongs into base"):
        as_sweep({"vary": {"preset": ["tiny", "small"]}})
    assert as_sweep({"base": {"preset": "small"}, "vary": {"k": [8]}}).runs()[0].settings.width == 512
