"""delphi's latent cache, read back as delphi 0.1.3 reads it (see docs/formats.md)."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from topklm.export import delphi
from topklm.export.delphi import Firings, write_hookpoint


def random_firings(n_tokens: int, width: int, share: float = 0.2) -> Firings:
    """Firings in token order, some of them negative and some below delphi's threshold."""
    generator = np.random.default_rng(0)
    position, feature = np.nonzero(generator.random((n_tokens, width)) < share)
    value = generator.normal(size=len(position)).astype(np.float32)
    value[::50] = 1e-6
    return Firings(position, feature, value)


def written(path: Path, firings: Firings, tokens: np.ndarray, *, context: int, width: int) -> int:
    """Write a cache of one hookpoint."""

    def some(first: int, stop: int) -> Firings:
        chosen = (firings.feature >= first) & (firings.feature < stop)
        return Firings(*(part[chosen] for part in firings))

    return write_hookpoint(
        path, "layers.3", tokens, some, context=context, width=width, config={"model_name": "run"}
    )


def read_back(path: Path) -> dict[tuple[int, int], float]:
    """Read a hookpoint's files: (place in the text, feature) to value. Files are named by their features."""
    found = {}
    for file in path.glob("*.safetensors"):
        first, last = map(int, file.stem.split("_"))
        data = load_file(file)
        context = data["tokens"].shape[1]
        for (row, place, feature), value in zip(
            data["locations"].tolist(), data["activations"].tolist(), strict=True
        ):
            assert first + feature <= last
            found[row * context + place, first + feature] = value
    return found


@pytest.mark.parametrize("width", [40, 256, 600])
def test_every_firing_is_found_again_where_it_was(tmp_path: Path, width: int) -> None:
    tokens = np.arange(100, dtype=np.uint16)
    firings = random_firings(100, width)
    count = written(tmp_path, firings, tokens, context=16, width=width)
    found = read_back(tmp_path / "latents" / "layers.3")
    expected = {
        (int(position), int(feature)): float(np.float16(value))
        for position, feature, value in zip(*firings, strict=True)
        if position < 96 and abs(value) > 1e-5  # 100 tokens are 6 rows of 16; the rest is left out
    }
    assert found == expected
    assert count == len(expected)


def test_files_cover_all_features_and_hold_the_tokens_in_rows(tmp_path: Path) -> None:
    tokens = np.arange(64, dtype=np.uint16)
    written(tmp_path, random_firings(64, 600), tokens, context=16, width=600)
    files = sorted((tmp_path / "latents" / "layers.3").glob("*.safetensors"))
    edges = sorted(tuple(map(int, file.stem.split("_"))) for file in files)
    assert edges == [(0, 255), (256, 511), (512, 599)]
    for file in files:
        data = load_file(file)
        assert data["tokens"].dtype == np.int64
        assert data["tokens"].tolist() == tokens.reshape(-1, 16).tolist()
        assert data["locations"].dtype == np.uint16
        assert data["activations"].dtype == np.float16


def test_large_caches_have_wider_locations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delphi, "FEATURES_A_FILE", 2**17)
    one = Firings(np.array([3]), np.array([2**16 + 5]), np.array([1.5], np.float32))
    written(tmp_path, one, np.arange(8), context=8, width=2**17)
    assert read_back(tmp_path / "latents" / "layers.3") == {(3, 2**16 + 5): 1.5}
    data = load_file(tmp_path / "latents" / "layers.3" / f"0_{2**17 - 1}.safetensors")
    assert data["locations"].dtype == np.uint32


def test_features_that_never_fire_leave_an_empty_file_and_the_config_says_the_context(tmp_path: Path) -> None:
    none = Firings(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    assert written(tmp_path, none, np.arange(32), context=16, width=8) == 0
    place = tmp_path / "latents" / "layers.3"
    assert load_file(place / "0_7.safetensors")["locations"].shape == (0, 3)
    config = json.loads((place / "config.json").read_text())
    assert config == {"model_name": "run", "ctx_len": 16, "cache_ctx_len": 16}
