"""The file of names and notes: what is written is read back, damage is said, nothing is lost."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topklm.core.errors import InputError
from topklm.index.notes import Note, Notes


@given(name=st.text(max_size=60), note=st.text(max_size=200))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, name: str, note: str) -> None:
    clean_name, clean_note = (text.encode("utf-8", "ignore").decode() for text in (name, note))
    notes = Notes(tmp_path_factory.mktemp("notes"))
    notes.write("L1/N2", name=clean_name, note=clean_note)
    found = notes.of("L1/N2")
    assert (found.name, found.note) == (" ".join(clean_name.split()), clean_note.strip())


def test_a_damaged_file_is_said_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text('{"format": "topklm.notes/1", "notes": {"L1": 3}}')
    with pytest.raises(InputError, match=r"notes\.json"):
        Notes(tmp_path).write("L1/N2", name="x", note="")
    assert "L1" in path.read_text()
    assert Notes(tmp_path / "none").of("L1/N2") == Note()


def test_a_note_that_cannot_be_written_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("topklm.index.notes.write_json", full)
    with pytest.raises(InputError, match="cannot be written: No space left"):
        Notes(tmp_path).write("L0/N1", name="dogs", note="")
