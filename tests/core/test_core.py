"""Names, statistics, files, locks."""

import importlib.util
import io
import math
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from topklm.core.errors import DiskFullError, InputError, RunError
from topklm.core.files import (
    PARTIAL,
    damage,
    disk_full_is_said,
    existing,
    locked,
    read_json,
    remove_partial,
    seal,
    whole_file,
    without_paths,
    write_json,
    write_text,
)
from topklm.core.hashing import hashed, uniform
from topklm.core.hub import hub_answers, pretrained_place
from topklm.core.lazy import lazy_names
from topklm.core.progress import counted
from topklm.core.site import Neuron
from topklm.core.stats import (
    EMERGED,
    LABELLED,
    LIVE,
    Estimate,
    bootstrap_difference,
    bootstrap_ratio,
    interval,
    is_live,
    poisson_weights,
)


@given(st.integers(0, 200), st.integers(0, 10_000))
def test_a_neurons_name_reads_back(layer: int, index: int) -> None:
    assert Neuron.parse(str(Neuron(layer, index))) == Neuron(layer, index)


@pytest.mark.parametrize("name", ["", "L3", "L3/17", "3/17", "L-1/N2", "L3/N17 ", "l3/n17"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="L3/N17"):
        Neuron.parse(name)


def test_neurons_sort_by_layer_and_index() -> None:
    assert sorted([Neuron(2, 1), Neuron(1, 30), Neuron(1, 4)]) == [Neuron(1, 4), Neuron(1, 30), Neuron(2, 1)]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.5, 50)), min_size=2, max_size=30))
def test_an_interval_includes_its_value(rows: list[tuple[float, float]]) -> None:
    top, bottom = zip(*rows, strict=True)
    estimate = bootstrap_ratio(top, bottom, resamples=50)
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate.value == pytest.approx(sum(top) / sum(bottom))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        sizes = generator.integers(5, 50, size=60)
        sums = np.array([generator.normal(2.0, 1.0, size=size).sum() for size in sizes])
        estimate = bootstrap_ratio(sums, sizes, resamples=300, seed=trial)
        hits += estimate.low <= 2.0 <= estimate.high
    assert 176 <= hits <= 199  # 95 % of 200 is 190; five standard errors below, and not always


def test_a_ratio_of_constants_has_no_width() -> None:
    assert bootstrap_ratio([2.0, 4.0], [1.0, 2.0]) == Estimate.exact(2.0)


def test_one_document_says_nothing_about_spread() -> None:
    estimate = bootstrap_ratio([3.0], [2.0])
    assert (estimate.low, estimate.high) == (-np.inf, np.inf)


def test_resampling_in_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    top, bottom = np.arange(1.0, 40.0), np.arange(39.0, 0.0, -1)
    whole = bootstrap_ratio(top, bottom)
    monkeypatch.setattr("topklm.core.stats.RESAMPLED_AT_ONCE", 100)
    assert bootstrap_ratio(top, bottom) == whole


@pytest.mark.parametrize(("top", "bottom"), [([1.0], [0.0]), ([1.0, 2.0], [1.0]), ([], [])])
def test_a_ratio_without_meaning_is_refused(top: list[float], bottom: list[float]) -> None:
    with pytest.raises(ValueError, match="denominator"):
        bootstrap_ratio(top, bottom)


def test_a_written_file_is_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": [1, "é"]})
    write_text(tmp_path / "a.json", '{"x": 2}')
    assert read_json(tmp_path / "a.json") == {"x": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_two_who_write_one_file_leave_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with whole_file(path) as first, whole_file(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # written last
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_reading_bad_json_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"x": \xff')
    for name in ("a.json", "b.json"):
        with pytest.raises(InputError, match=name):
            read_json(tmp_path / name)


def test_a_sealed_directory_notices_every_damage(tmp_path: Path) -> None:
    def sealed() -> Path:
        partial = tmp_path / f"{PARTIAL}x"
        (partial / "sub").mkdir(parents=True)
        (partial / "sub" / "a.bin").write_bytes(b"abc")
        (partial / "b.txt").write_text("b")
        seal(partial, tmp_path / "x")
        return tmp_path / "x"

    assert damage(sealed()) is None
    (sealed() / "b.txt").write_text("B")
    assert damage(tmp_path / "x") == "b.txt is damaged"
    (sealed() / "sub" / "a.bin").write_bytes(b"ab")
    assert damage(tmp_path / "x") == "sub/a.bin is damaged"
    (sealed() / "b.txt").unlink()
    assert damage(tmp_path / "x") == "b.txt is missing"
    (sealed() / "manifest.json").write_text("{")
    assert damage(tmp_path / "x") == "manifest.json is missing or damaged"
    assert damage(sealed(), required=["c.txt"]) == "c.txt is missing"
    (sealed() / "manifest.json").write_text("[]")
    assert damage(tmp_path / "x") == "manifest.json is missing or damaged"


def test_partial_files_are_swept(tmp_path: Path) -> None:
    (tmp_path / f"{PARTIAL}dir" / "sub").mkdir(parents=True)
    (tmp_path / f"{PARTIAL}file").touch()
    (tmp_path / "kept").touch()
    remove_partial(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_lock_keeps_other_processes_out_and_vanishes_with_its_own(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\nfrom topklm.core.files import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(RunError, match="another process"), locked(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with locked(tmp_path):
        pass


def test_a_full_disk_is_said_however_it_is_reported(tmp_path: Path) -> None:
    for error in (OSError(28, "No space left on device"), RuntimeError("I/O error: No space left on device")):
        with pytest.raises(DiskFullError, match="no space left"), disk_full_is_said(tmp_path):
            raise error
    with pytest.raises(ValueError, match="other"), disk_full_is_said(tmp_path):
        raise ValueError("other")
    with pytest.raises(InputError, match="mine"), disk_full_is_said(tmp_path):
        raise InputError("mine")


def test_a_full_device_raises_what_we_expect() -> None:
    if os.path.exists("/dev/full"):  # noqa: PTH110
        with pytest.raises(DiskFullError), disk_full_is_said(Path("/dev")), open("/dev/full", "w") as file:  # noqa: PTH123
            file.write("x" * 100_000)


def test_freed_memory_is_kept_for_the_next_tensor() -> None:
    program = """
import resource, sys, torch
from topklm.core.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
x = torch.zeros(2**24)  # 64 MB, above what glibc maps by default
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    x + 1
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {
        mode: int(subprocess.check_output([sys.executable, "-c", program, mode])) for mode in ("keep", "give")
    }
    assert faults["keep"] < faults["give"] / 2


def test_a_feature_is_live_above_the_density_and_not_at_it() -> None:
    firings = np.array([0, 1, 2])
    assert is_live(firings, 10_000).tolist() == [False, False, True]  # 1 of 10,000 is the density itself
    assert is_live(firings, 0).tolist() == [False, True, True]
    assert (LIVE, EMERGED, LABELLED) == (1e-4, 0.5, 0.5)  # the definitions; results depend on them


def test_a_difference_of_groups_needs_two_of_each_for_an_interval() -> None:
    assert bootstrap_difference([3.0], [1.0, 2.0]) == (1.5, -math.inf, math.inf)
    assert bootstrap_difference([2.0, 2.0], [1.0, 1.0]) == (1.0, 1.0, 1.0)
    wide = bootstrap_difference([0.0, 4.0] * 8, [1.0, 1.0])
    assert wide.value == 1.0
    assert -1 < wide.low < 1 < wide.high < 3
    with pytest.raises(ValueError, match="both sides"):
        bootstrap_difference([], [1.0])


def test_an_interval_is_the_middle_of_what_was_drawn_and_holds_the_value() -> None:
    drawn = [*range(101), math.nan, math.inf]
    assert interval(50.0, drawn) == pytest.approx((50.0, 2.5, 97.5))
    assert interval(50.0, drawn, level=0.5) == pytest.approx((50.0, 25.0, 75.0))
    assert interval(-7.0, drawn) == pytest.approx((-7.0, -7.0, 97.5))
    assert interval(200.0, drawn) == pytest.approx((200.0, 2.5, 200.0))
    assert interval(1.0, [1.0, 3.0])[1:] == pytest.approx((1.0, 2.95))
    assert interval(1.0, [1.0, math.nan]) == (1.0, -math.inf, math.inf)


def test_weights_of_resamples_are_poisson_and_do_not_depend_on_the_order_of_documents() -> None:
    weights = poisson_weights(np.arange(5000), resamples=40)
    assert weights.shape == (5000, 40)
    for count, share in ((0, math.exp(-1)), (1, math.exp(-1)), (2, math.exp(-1) / 2)):
        assert (weights == count).mean() == pytest.approx(share, abs=0.005)
    assert np.array_equal(poisson_weights([7, 3], resamples=40), weights[[7, 3]])
    assert not np.array_equal(poisson_weights([7], resamples=40, seed=1), weights[[7]])


@pytest.mark.parametrize("variable", ["1", "true", "YES"])
def test_the_hub_is_not_asked_where_it_is_switched_off(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    from huggingface_hub import constants

    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address)
        assert 0 < timeout <= 3
        raise OSError

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://localhost")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", variable)
    assert not hub_answers()
    assert not asked
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "0")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not hub_answers()
    assert not asked
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert not hub_answers()
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.example:8443")
    assert not hub_answers()
    assert asked == [("localhost", 80), ("hub.example", 8443)]
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert hub_answers()  # a proxy's answer would say nothing of the hub
    monkeypatch.setenv("NO_PROXY", "hub.example")
    assert not hub_answers()


def test_a_gguf_file_is_named_in_its_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pretrained_place("owner/name") == ("owner/name", {})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert pretrained_place("owner/name/a.gguf") == ("owner/name", {"gguf_file": "a.gguf"})
    assert pretrained_place("a.gguf") == (".", {"gguf_file": "a.gguf"})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs gguf"):
        pretrained_place("a.gguf")


def test_the_nearest_directory_that_exists(tmp_path: Path) -> None:
    assert existing(tmp_path) == tmp_path
    assert existing(tmp_path / "a" / "b") == tmp_path


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("/home/me/books.txt", "books.txt"),
        (r"C:\Users\me\books.txt", "books.txt"),
        ("books/a.txt", "books/a.txt"),
        (7, 7),
        (None, None),
        ({"data": ["/a/b", 1.5]}, {"data": ["b", 1.5]}),
    ],
)
def test_absolute_paths_are_left_out_of_what_others_read(content: object, left: object) -> None:
    assert without_paths(content) == left


@pytest.mark.parametrize(
    "said",
    [
        "[enforce fail at inline_container.cc:659] . unexpected pos 64 vs 0",
        "PytorchStreamWriter failed writing file data/0",
        "22 requested and 0 written",
    ],
)
def test_a_full_disk_is_known_by_what_torch_and_numpy_say(said: str, tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match="full"), disk_full_is_said(tmp_path):
        raise RuntimeError(said)
    with pytest.raises(RuntimeError, match="else"), disk_full_is_said(tmp_path):
        raise RuntimeError("something else")


def test_a_package_gives_names_when_they_are_asked_for() -> None:
    get, names = lazy_names("package", {"sqrt": "math", "Path": "pathlib"})
    assert get("sqrt") is math.sqrt
    assert names() == ["Path", "sqrt"]
    with pytest.raises(AttributeError, match="'package' has no attribute 'cube'"):
        get("cube")


def test_hashes_are_those_of_splitmix64() -> None:
    first, gamma = 0xE220A8397B1DCDAF, 0x9E3779B97F4A7C15  # its first three outputs from state 0 are known
    outputs = [first, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    states = np.array([(gamma * place - first) % 2**64 for place in range(3)], np.uint64)
    assert hashed(states).tolist() == outputs
    assert uniform(states).tolist() == [(output >> 11) / 2**53 for output in outputs]
    assert hashed([5], seed=1).tolist() != hashed([5]).tolist()
    assert hashed([5], seed=-1).tolist() == hashed([5], seed=2**64 - 1).tolist()


def test_an_increasing_function_moves_a_value_and_its_ends() -> None:
    assert Estimate(1.0, 0.0, 2.0).transformed(math.exp) == (math.e, 1.0, math.exp(2.0))
    assert Estimate(1.0, 0.0, 2.0).as_json() == {"value": 1.0, "low": 0.0, "high": 2.0}


@pytest.mark.parametrize("total", [None, 40_000])
def test_a_bar_shows_count_and_rate_and_nothing_without_a_console(total: int | None) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with counted(console, "reading", unit="tokens", total=total) as report:
        for done in range(0, 40_000, 10_000):
            report(done)
            time.sleep(0.15)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "reading" in shown
    assert "30,000 tokens" in shown
    assert re.search(r"\d tokens/s", shown)
    with counted(None, "reading", unit="tokens") as report:
        report(3)
