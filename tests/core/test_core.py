"""Names, statistics, files, locks."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topklm.core.errors import DiskFullError, InputError, RunError
from topklm.core.files import (
    PARTIAL,
    damage,
    disk_full_is_said,
    locked,
    read_json,
    remove_partial,
    seal,
    whole_file,
    write_json,
    write_text,
)
from topklm.core.site import Neuron
from topklm.core.stats import Estimate, bootstrap_ratio


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
