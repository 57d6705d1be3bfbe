"""What a person writes of features: a name and a note, in a file beside a run's index, `notes.json`."""

import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import InputError
from ..core.files import locked, write_json
from ..core.forms import read_form
from ..core.site import Feature

FORMAT = "topklm.notes/1"
LONGEST_NAME, LONGEST_NOTE = 120, 10_000
"""Characters."""


class Note(NamedTuple):
    """What a person wrote of one feature."""

    name: str = ""
    note: str = ""
    changed: str = ""
    """When it was written, UTC, as 2026-01-31T12:00:00Z; empty for none."""


class Notes:
    """The notes of one run. They outlive its index, and are kept by feature name.

    notes = Notes("runs/quickstart")
    notes.write("L3/N17", name="dogs", note="also wolves")
    """

    def __init__(self, run: Path | str) -> None:
        self.path = Path(run) / "notes.json"
        self._lock = threading.Lock()

    def all(self) -> dict[str, Note]:
        """Return every note, in order of layer and index. Raises InputError for a file that is damaged."""
        if not self.path.is_file():
            return {}
        advice = "mend it or move it away"
        content = read_form(self.path, FORMAT, advice=advice)
        try:
            notes = {str(Feature.parse(name)): Note(**one) for name, one in content["notes"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(f"{self.path} is damaged: its notes cannot be read; {advice}") from None
        return dict(sorted(notes.items(), key=lambda one: _order(one[0])))

    def of(self, feature: str) -> Note:
        """Return a feature's note, an empty one where there is none."""
        return self.all().get(feature, Note())

    def write(self, feature: str, *, name: str, note: str) -> Note:
        """Keep a name and a note; two empty ones delete it.

        Raises InputError for one that is too long, or where the file cannot be written.
        """
        key = str(Feature.parse(feature))
        name, note = " ".join(name.split()), note.strip()
        for what, text, most in (("name", name, LONGEST_NAME), ("note", note, LONGEST_NOTE)):
            if len(text) > most:
                raise InputError(f"the {what} has {len(text):,} characters; write at most {most:,}")
        written = Note(name, note, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        try:
            with self._lock, locked(self.path.parent, wait=True, name=".notes.lock"):
                notes = self.all()
                if name or note:
                    notes[key] = written
                else:
                    notes.pop(key, None)
                    written = Note()
                write_json(self.path, self._content(notes))
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from None
        return written

    def exported(self) -> dict[str, Any]:
        """Return the file's content."""
        return self._content(self.all())

    def _content(self, notes: dict[str, Note]) -> dict[str, Any]:
        return {"format": FORMAT, "notes": {name: one._asdict() for name, one in notes.items()}}


def _order(name: str) -> tuple[int, str, int]:
    feature = Feature.parse(name)
    return feature.layer, feature.LETTER, feature.index
