"""The sessions with other tools in docs/interoperability.md run as they stand, one after the other."""

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from topklm.sae.lens import quiet
from topklm.training import Run

DOCUMENT = Path(__file__).parent.parent / "docs" / "interoperability.md"


@pytest.fixture(scope="module")
def session(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names that the document's Python leaves behind."""
    place = tmp_path_factory.mktemp("session")
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch, quiet(), warnings.catch_warnings():
        patch.chdir(place)
        for number, block in enumerate(blocks):
            path = place / f"session_{number}.py"  # nnsight reads the source of its with blocks
            path.write_text(block.replace("runs/quickstart", str(trained.path)), encoding="utf-8")
            exec(compile(path.read_text(), str(path), "exec"), names)  # noqa: S102
    return names


def test_every_session_runs(session: dict[str, Any]) -> None:
    assert session["sae"].cfg.architecture() == "abstopk"


def test_the_tools_see_the_same_code(session: dict[str, Any]) -> None:
    code = session["own"].to_dense()
    assert int((code != 0).sum(-1).max()) == 8
    differing = ((session["codes"].flatten(0, 1) != 0) != (code != 0)).any(-1).float().mean()
    assert differing == 0
    assert bool((session["before"] != 0).all())
    assert session["latents"].codes(session["ids"])[1] == session["own"]
