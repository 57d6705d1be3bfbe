"""Running a command as a user does, for tests of verbs."""

import json
from typing import Any

import pytest

from topklm.cli.main import main

Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture, *arguments: str) -> str:
    """Return what a command that must succeed prints on standard output."""
    capsys.readouterr()
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def as_json(capsys: Capture, *arguments: str) -> dict[str, Any]:
    """Return the result of a command that must succeed, as it gives it to programs."""
    found: dict[str, Any] = json.loads(printed(capsys, *arguments, "--json"))
    return found
