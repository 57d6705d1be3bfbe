"""What training chooses by the machine where the settings leave it open."""

from pathlib import Path

import pytest

from samples import tiny_settings
from topklm.training.machine import Machine, available_threads


@pytest.mark.parametrize(
    ("wanted", "threads"), [(None, 4), ("", 4), ("1", 1), ("3,2", 3), ("9", 4), ("0", 4), ("x", 4), ("-1", 4)]
)
def test_threads_are_the_cores_at_hand_or_as_many_as_openmp_is_told(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None, threads: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 2, 3}, raising=False)
    if wanted is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert available_threads() == threads
    assert Machine.for_settings(tiny_settings(Path("a.txt"), threads=0)).threads == threads
    assert Machine.for_settings(tiny_settings(Path("a.txt"), threads=2)).threads == 2
