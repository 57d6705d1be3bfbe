"""Figures are written whole, and refuse what does not fit."""

from pathlib import Path

import numpy as np
import pytest

from topklm.reports.figures import states_figure


@pytest.mark.parametrize(("name", "head"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_a_figure_is_written_in_the_format_of_its_ending(tmp_path: Path, name: str, head: bytes) -> None:
    states = np.eye(3, 20)
    states_figure(["a", "b", "c"], {"sparse": states, "empty": states * 0}, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(head)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_rows_and_labels_must_agree(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 rows for 3 tokens"):
        states_figure(["a", "b", "c"], {"x": np.eye(2)}, tmp_path / "a.png")
