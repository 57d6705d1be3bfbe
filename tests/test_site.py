"""The site's own parts: what they make of docstrings, help and pages; the whole is built by `make docs`."""

import doctest
import re
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

import topklm
from topklm.cli.main import app
from topklm.training import TrainSettings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def parts() -> dict[str, ModuleType]:
    """The site's modules, which lie beside the pages and not in the package."""
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "_site"))
        names = ("references", "docstrings", "site_checks")
        found = {name: __import__(name) for name in names}
    for name in names:
        del sys.modules[name]
    return found


def test_every_public_name_has_its_place_in_the_reference() -> None:
    text = (DOCS / "reference" / "topklm.md").read_text(encoding="utf-8")
    named = re.findall(r"\.\. auto(?:class|function|exception):: (\w+)", text)
    assert sorted(named) == topklm.__all__


def test_every_verb_is_in_the_reference_with_its_options(parts: dict[str, ModuleType]) -> None:
    text = parts["references"].verbs()
    verbs = [command.name for command in app.registered_commands]
    assert len(verbs) > 15
    for verb in [*verbs, "sae train", "sae eval"]:
        assert f"## topklm {verb}\n" in text
        assert f"Usage: topklm {verb} [OPTIONS]" in text
    assert all("--help" in part for part in text.split("\n## "))


def test_every_setting_is_in_the_reference_with_its_value_in_each_preset(
    parts: dict[str, ModuleType],
) -> None:
    rows = [line.strip("| ").split(" | ") for line in parts["references"].settings().splitlines()]
    assert rows[0] == ["setting", "what it is", "`tiny`", "`small`", "`base`", "`large`"]
    assert [row[0].strip("`") for row in rows[2:]] == [one.name for one in fields(TrainSettings)]
    assert all(len(row) == len(rows[0]) for row in rows)
    k = next(row for row in rows if row[0] == "`k`")
    assert k[2:] == ["32", "32", "128", "128"]


def test_a_markdown_docstring_becomes_restructured_text(parts: dict[str, ModuleType]) -> None:
    assert doctest.testmod(parts["docstrings"]).failed == 0
    lines = [
        "Words.",
        "",
        "k: entries kept;",
        "    at least 1.",
        "by: how.",
        "",
        "Then `x`s and a_.",
        "",
        "- one",
    ]
    assert parts["docstrings"].restructured(lines) == [
        "Words.",
        "",
        "- ``k``: entries kept;",
        "  at least 1.",
        "- ``by``: how.",
        "",
        "Then ``x``\\ s and a\\_.",
        "",
        "- one",
    ]


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<a href="gone.html">x</a>', "links to gone.html, which is not there"),
        ('<a href="#gone">x</a>', "links to #gone, an anchor that is not there"),
        ('<a href="other.html#gone">x</a>', "links to other.html#gone, an anchor that is not there"),
        ('<script src="https://cdn.example/x.js"></script>', "loads https://cdn.example/x.js"),
        ('<img src="//cdn.example/x.png">', "loads //cdn.example/x.png"),
        ('<link rel="stylesheet" href="http://cdn.example/x.css">', "loads http://cdn.example/x.css"),
    ],
)
def test_a_fault_of_the_built_site_is_found(
    parts: dict[str, ModuleType], tmp_path: Path, html: str, fault: str
) -> None:
    good = '<h1 id="here"></h1><a href="#here"></a><a href="other.html#there"></a><a href="https://arxiv.org"></a>'
    (tmp_path / "page.html").write_text(good)
    (tmp_path / "other.html").write_text('<p id="there"><a href="page.html"></a>')
    assert parts["site_checks"].faults(tmp_path) == []
    (tmp_path / "page.html").write_text(good + html)
    assert parts["site_checks"].faults(tmp_path) == [f"page.html {fault}"]


def test_style_sheets_load_nothing_from_elsewhere(parts: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text('@import "https://fonts.example/a.css"; b {background: url(b.png)}')
    assert parts["site_checks"].faults(tmp_path) == ["a.css loads https://fonts.example/a.css"]
