"""The documents: links lead somewhere, and the README's Python runs."""

import re
import shutil
from pathlib import Path

import pytest

from topklm import build_index, load
from topklm.cli.main import app
from topklm.training import Run

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


def anchors(path: Path) -> set[str]:
    """The anchors a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_named_in_the_text_exist(path: Path) -> None:
    for name in re.findall(r"`((?:src|docs|tests|examples|benchmarks)/[\w./-]+\.\w+)`", path.read_text()):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", ["README.md", "docs/start.md"])
def test_a_newcomers_python_runs(
    page: str, trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(trained.path, tmp_path / "run")
    build_index(load(run), tokens=1_000)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block.replace("runs/quickstart", str(run)), page, "exec"), {})  # noqa: S102
    assert capsys.readouterr().out


def test_every_verb_is_in_the_readme_or_a_how_to() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages if page.name != "log.md")
    verbs = {command.name for command in app.registered_commands}
    verbs |= {group.name for group in app.registered_groups}
    assert len(verbs) > 20
    assert {
        verb for verb in verbs if f"topklm {verb} " not in text and f"topklm {verb}\n" not in text
    } == set()
