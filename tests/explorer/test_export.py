"""Static pages: whole, linked among themselves, from disk, and never in place of something else."""

import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from commands import printed
from topklm.cli.main import main
from topklm.core.errors import InputError, RunError
from topklm.explorer import Workspace
from topklm.explorer import export as export_module
from topklm.explorer.export import export

from .browser import visiting
from .conftest import HARD


@pytest.fixture(scope="session")
def site(explored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(Workspace(explored), tmp_path_factory.mktemp("export") / "site", neurons=64).parent


def test_every_link_leads_to_a_file(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) == 64 + 2
    for page in pages:
        for link in re.findall(r'(?:href|src|action|hx-get|hx-post)="([^"]*)"', page.read_text()):
            parts = urlsplit(link)
            assert not parts.scheme, link
            assert not parts.netloc, link
            assert not parts.query, link
            if parts.path:
                assert (page.parent / unquote(parts.path)).is_file(), f"{page}: {link}"


def test_what_only_a_server_answers_is_not_offered(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert "htmx" not in text.replace("htmx-config", "")
        assert "<form" not in text
        assert ">Read<" not in text
    assert not list(site.rglob("htmx*"))


def test_pages_hold_no_markup_of_the_corpus_and_no_path(site: Path, explored: Path) -> None:
    text = "".join(page.read_text() for page in site.rglob("*.html"))
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
    assert HARD not in text
    assert str(explored.parent) not in text


def test_a_damaged_index_is_no_missing_one(writable: Path, tmp_path: Path) -> None:
    table = writable / "index" / "features.parquet"
    table.write_bytes(table.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"features\.parquet"):
        export(Workspace(writable), tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_neurons_with_a_note_come_first(writable: Path, tmp_path: Path) -> None:
    workspace = Workspace(writable)
    workspace.notes.write("L1/N30", name="mine", note="seen <b>twice</b>")
    site = export(workspace, tmp_path / "site", neurons=2).parent
    pages = [path.name for path in site.glob("neuron/*/*")]
    assert len(pages) == 2
    assert "N30.html" in pages
    assert "seen &lt;b&gt;twice" in (site / "neuron/L1/N30.html").read_text()


def test_a_run_without_an_index_has_an_overview(writable: Path, tmp_path: Path) -> None:
    shutil.rmtree(writable / "index")
    first = export(Workspace(writable), tmp_path / "site")
    assert "topklm index run" in first.read_text()
    assert [path.name for path in first.parent.glob("*.html")] == ["index.html"]


def test_an_export_is_replaced_and_nothing_else(
    writable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    export(Workspace(writable), site, neurons=5)
    export(Workspace(writable), site, neurons=3)
    assert len(list(site.glob("neuron/*/*"))) == 3

    def broken(*_: object, **__: object) -> str:
        raise OSError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(export_module, "draw", broken)
        with pytest.raises(OSError, match="gone"):
            export(Workspace(writable), site, neurons=4)
    assert len(list(site.glob("neuron/*/*"))) == 3
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    (site / "CNAME").write_text("mine")
    with pytest.raises(InputError, match="CNAME is not of an earlier export"):
        export(Workspace(writable), site)
    assert (site / "CNAME").is_file()
    for taken in (tmp_path, writable / "train.json"):
        with pytest.raises(InputError, match="not of an earlier export"):
            export(Workspace(writable), taken)


def test_the_command_writes_pages_and_says_where(
    explored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    said = printed(capsys, "explore", str(explored), "--export", str(site), "--neurons", "3")
    assert Path(said.strip()) == site / "index.html"
    assert len(list(site.glob("neuron/*/*"))) == 3
    assert main(["explore", str(explored), "--export", str(tmp_path / "other"), "--neurons", "0"]) == 2
    assert "neurons=0 is not allowed" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_two_exports_into_one_directory_are_one_too_many(
    writable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    export(Workspace(writable), site, neurons=3)
    partial = tmp_path / ".partial-site"
    (partial / "neuron").mkdir(parents=True)  # of one that was killed
    (partial / "neuron" / "old.html").write_text("old")
    sealing = export_module.seal

    def meanwhile(*paths: Path) -> None:
        with pytest.raises(RunError, match="another process is writing"):
            export(Workspace(writable), site, neurons=7)
        sealing(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(export_module, "seal", meanwhile)
        export(Workspace(writable), site, neurons=5)
    assert len(list(site.glob("neuron/*/*"))) == 5
    assert not list(site.rglob("old.html"))
    assert not list(site.rglob(".lock"))
    assert not partial.exists()


def test_an_export_opens_from_disk(browser: Browser, full: Path, pictures: Path, tmp_path: Path) -> None:
    """Overview, table with its filter, a card, comparison, trace: without a server, an error or a request."""
    site = export(Workspace(full), tmp_path / "site", neurons=40).parent
    with visiting(browser, site.as_uri() + "/") as visitor:
        page = visitor.page
        visitor.go("index.html")
        for title in ("Trace", "Compare", "Overview", "Neurons"):
            page.get_by_role("navigation", name="Pages").get_by_role("link", name=title).click()
            expect(page.get_by_role("link", name=title).first).to_have_attribute("aria-current", "page")
            for look in visitor.looks():
                page.screenshot(path=pictures / f"export-{title.lower()}-{look}.png", full_page=True)
                assert visitor.overflow() <= 0
                assert visitor.violations() == []
        rows = page.locator(".neurons tbody tr:visible")
        expect(rows).to_have_count(40)
        page.get_by_label("Rows with the words").fill("a name of mine")
        expect(rows).to_have_count(1)
        rows.get_by_role("link").click()
        expect(page.locator("h1")).to_contain_text("L0/N3")
        expect(page.locator(".life table")).to_be_visible()
        assert visitor.violations() == []
        page.get_by_role("link", name="Overview").click()
        expect(page.locator("h1")).to_have_text("animals")
