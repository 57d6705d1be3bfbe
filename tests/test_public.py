"""The public surface is what it says, and cheap to import."""

import subprocess
import sys

import pytest

import topklm


def test_all_names_are_sorted_documented_and_there() -> None:
    assert topklm.__all__ == sorted(topklm.__all__)
    assert 20 <= len(topklm.__all__) <= 45
    for name in topklm.__all__:
        assert getattr(topklm, name).__doc__, name


def test_what_can_be_imported_is_what_all_says() -> None:
    public = {name for name in dir(topklm) if not name.startswith("_")}
    assert public == set(topklm.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        topklm.nonsense  # noqa: B018


@pytest.mark.parametrize("module", ["topklm", "topklm.training", "topklm.cli.main"])
def test_importing_is_quick_because_heavy_things_come_late(module: str) -> None:
    code = f"import sys, {module}; print([name for name in ('torch', 'transformers') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
