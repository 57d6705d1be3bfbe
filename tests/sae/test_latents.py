"""Latents of SAELens's SAEs are features like any other: same protocol, codes as SAELens gives them."""

import builtins
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from topklm import InputError, SparseCodes, build_index, steer
from topklm.core.site import Latent
from topklm.features import FeatureSource, SteerableSource
from topklm.sae import SAELatents
from topklm.sae.lens import saelens
from topklm.training import Run, load

Saved = Callable[..., Path]


@pytest.mark.parametrize("kind", ["Standard", "TopK", "JumpReLU", "AbsTopK"])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_codes_are_what_saelens_encodes_of_the_blocks_output(
    name: str, kind: str, ids: Tensor, make_sae: Any, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(name)
    sae = make_sae(kind)
    source = SAELatents(model, None, {1: sae})
    assert isinstance(source, SteerableSource)
    assert source.name == "sae_2x"
    hidden = model(ids, output_hidden_states=True).hidden_states[2].flatten(0, 1)
    codes = source.codes(ids)[1]
    expected = sae.encode(hidden)
    assert bool((expected != 0).any())
    torch.testing.assert_close(codes.to_dense(), expected)
    torch.testing.assert_close(source.decode(1, codes), sae.decode(expected))


def test_many_rows_are_encoded_in_pieces_as_at_once(
    llama: Any, make_sae: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SAELatents(llama, None, {1: make_sae()})
    hidden = torch.randn(3, 7, source.stream, generator=torch.Generator().manual_seed(0))
    whole = source.encode(1, hidden)
    monkeypatch.setattr("topklm.sae.latents.AT_ONCE", 5 * source.width(1))
    torch.testing.assert_close(source.encode(1, hidden).to_dense(), whole.to_dense())
    torch.testing.assert_close(source.decode(1, whole), source.saes[1].decode(whole.to_dense()))
    assert source.decode(1, whole[:0]).shape == (0, source.stream)


@pytest.mark.parametrize(
    ("hook_name", "site"),
    [
        ("blocks.2.hook_resid_post", 2),
        ("blocks.2.hook_resid_pre", 1),
        ("blocks.2.hook_out", 2),
        ("blocks.1.hook_in", 0),
        ("model.layers.2", 2),
        ("transformer.h.0", 0),
        ("layers.3", 3),
    ],
)
def test_the_site_is_the_block_that_hands_the_stream_on(
    hook_name: str, site: int, llama: Any, saved: Saved
) -> None:
    source = SAELatents.load(llama, None, saved(hook_name=hook_name))
    assert source.sites == (site,)


def test_a_directory_of_saes_is_read_at_all_their_sites(llama: Any, saved: Saved) -> None:
    parent = saved("a", hook_name="blocks.2.hook_resid_post").parent
    saved("b", hook_name="blocks.0.hook_resid_post", d_sae=32, k=4)
    source = SAELatents.load(llama, None, parent)
    assert source.sites == (0, 2)
    assert (source.width(0), source.width(2)) == (32, 128)
    assert source.name == "sae"


def test_the_revision_names_weights_and_activation_but_not_the_place(llama: Any, make_sae: Any) -> None:
    first = SAELatents(llama, None, {1: make_sae()}).revision
    assert SAELatents(llama, None, {1: make_sae(hook_name="model.layers.1")}).revision == first
    assert SAELatents(llama, None, {2: make_sae()}).revision != first
    assert SAELatents(llama, None, {1: make_sae(k=7)}).revision != first
    other = make_sae()
    other.b_enc.data[0] += 1
    assert SAELatents(llama, None, {1: other}).revision != first


def test_a_latent_is_indexed_and_steered_like_a_neuron(trained: Run, make_sae: Any, tmp_path: Path) -> None:
    model, tokenizer, run = load(trained.path)
    width = model.config.hidden_size
    sae = make_sae(d_in=width, d_sae=3 * width, k=4)
    source = SAELatents(model, tokenizer, {1: sae})
    index = build_index(source, data=run.settings.data, tokens=500, out=tmp_path / "index")
    assert index.kind is Latent
    assert index.source == "sae_3x"
    assert index.about["firings"] > 0
    name = index.features(sort="-density")[0]["feature"]
    assert index.card(name).feature == name
    assert str(name).startswith("L1/F")
    ids = torch.tensor([[5, 6, 7]])
    seen: dict[str, Tensor] = {}

    def keep(place: str) -> Any:
        return model.model.layers[2].register_forward_pre_hook(
            lambda module, inputs: seen.__setitem__(place, inputs[0].detach().clone())
        )

    plain = keep("plain")
    model(ids)
    plain.remove()
    before = sae.encode(seen["plain"])[..., Latent.parse(str(name)).index]
    with steer(source, str(name), set_to=3.0):
        edited = keep("edited")
        model(ids)
        edited.remove()
    change = (3.0 - before)[..., None] * sae.W_dec[Latent.parse(str(name)).index]
    torch.testing.assert_close(seen["edited"] - seen["plain"], change, atol=1e-5, rtol=1e-4)


def test_without_saelens_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "sae_lens":
            raise ModuleNotFoundError("No module named 'sae_lens'", name="sae_lens")
        return real(name, *rest)

    monkeypatch.setattr("topklm.sae.lens.importlib.import_module", missing)
    with pytest.raises(InputError, match=r"pip install 'topklm\[sae\]'"):
        saelens()


BAD = {
    "another width": ({"d_in": 32}, "reads 32 entries, but the model's stream is 64 wide"),
    "another depth": ({"hook_name": "blocks.9.hook_resid_post"}, "layer 9, but the model has 4 layers"),
    "attention": ({"hook_name": "blocks.1.attn.hook_z"}, "no residual stream"),
    "embeddings": ({"hook_name": "blocks.0.hook_resid_pre"}, "before the first block"),
    "no name": ({"hook_name": None}, "reads None"),
    "unfolded": ({"normalize_activations": "expected_average_only_in"}, "unfinished checkpoint"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_sae_that_does_not_fit_is_refused(case: str, llama: Any, saved: Saved) -> None:
    fields, message = BAD[case]
    with pytest.raises(InputError, match=re.escape(message)):
        SAELatents.load(llama, None, saved(**fields))


def test_a_transcoder_is_refused(llama: Any, saved: Saved) -> None:
    path = saved()
    config = json.loads((path / "cfg.json").read_text())
    config["metadata"]["hook_name_out"] = "blocks.2.hook_resid_post"
    (path / "cfg.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="transcoder"):
        SAELatents.load(llama, None, path)


def test_an_sae_that_normalises_each_token_is_read_but_not_written(
    llama: Any, make_sae: Any, ids: Tensor
) -> None:
    source: FeatureSource = SAELatents(llama, None, {1: make_sae(normalize_activations="layer_norm")})
    codes = source.codes(ids)[1]
    assert isinstance(codes, SparseCodes)
    with pytest.raises(InputError, match="read but not written back"):
        source.decode(1, codes)  # type: ignore[attr-defined]


def damage(path: Path, how: str) -> None:
    """Damage an SAE's directory."""
    config, weights = path / "cfg.json", path / "sae_weights.safetensors"
    if how == "no weights":
        weights.unlink()
    elif how == "no configuration":
        config.unlink()
    elif how == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "no JSON":
        config.write_text("{")
    elif how == "a list":
        config.write_text("[]")
    elif how == "unknown class":
        config.write_text(config.read_text().replace('"topk"', '"nonsense"'))
    elif how == "other shape":
        config.write_text(config.read_text().replace('"d_sae": 128', '"d_sae": 120'))
    else:
        for file in path.iterdir():
            file.unlink()


@pytest.mark.parametrize(
    "how",
    [
        "no weights",
        "no configuration",
        "cut weights",
        "no JSON",
        "a list",
        "unknown class",
        "other shape",
        "empty",
    ],
)
def test_a_corrupt_directory_is_named_in_one_line(how: str, llama: Any, saved: Saved) -> None:
    path = saved()
    damage(path, how)
    with pytest.raises(InputError) as caught:
        SAELatents.load(llama, None, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused(llama: Any, make_sae: Any, tmp_path: Path) -> None:
    sae = make_sae()
    sae.b_enc.data[3] = float("nan")
    sae.save_model(tmp_path / "nan")
    with pytest.raises(InputError, match="not finite"):
        SAELatents.load(llama, None, tmp_path / "nan")


def test_two_saes_of_one_site_are_refused(llama: Any, saved: Saved) -> None:
    with pytest.raises(InputError, match="two SAEs read layer 1"):
        SAELatents.load(llama, None, saved("a"), saved("b"))
    with pytest.raises(InputError, match="no SAE directory"):
        SAELatents.load(llama, None, "nowhere")
