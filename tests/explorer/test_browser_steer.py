"""The page Steer as a person meets it: from a word to a neuron to a steered text, with mouse or keyboard."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

import topklm
from topklm.explorer.steered import Scribe
from topklm.steering.edits import load_edits

from .browser import Visitor

pytestmark = pytest.mark.slow
DONE = re.compile(r"^written in")


def write(page: Page) -> list[str]:
    """Write, and return the texts."""
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.locator("#state")).to_have_text(DONE, timeout=60_000)
    return page.locator("#texts .passage").all_inner_texts()


@pytest.fixture
def page(visitor: Visitor) -> Iterator[Page]:
    visitor.go("steer")
    yield visitor.page
    visitor.page.evaluate("localStorage.clear()")


def test_from_a_word_to_a_steered_text(visitor: Visitor, page: Page, pictures: Path, full: Path) -> None:
    page.get_by_label("How the text begins").fill("The cat")
    page.get_by_label("A word, a concept").fill("dog")
    page.get_by_label("A word, a concept").press("Enter")
    found = page.locator("#found button").first
    feature = found.inner_text().removeprefix("Add ")
    found.click()
    slider = page.get_by_role("slider", name=f"Strength of {feature}")
    slider.fill("4")
    expect(page.locator("#edits output")).to_have_text("4x")
    page.get_by_label("Mark the words of").fill("animals")
    page.get_by_label("Tokens").fill("24")
    plain, steered = write(page)
    assert plain.startswith("The cat")
    assert plain != steered
    assert page.locator("#texts h2").all_inner_texts() == ["unsteered", f"{feature}=4x"]
    expect(page.locator("#texts dl")).to_have_count(2)
    assert "perplexity" in page.locator("#texts dl").last.inner_text()
    for look in visitor.looks():
        page.screenshot(path=pictures / f"steer-{look}.png", full_page=True)
        assert visitor.overflow() <= 0, look
        assert visitor.violations() == [], look
    assert write(page) == [plain, steered]  # the same seed


def test_a_ladder_shows_every_strength(visitor: Visitor, pictures: Path) -> None:
    page = visitor.page
    visitor.go("neurons?q=dog")
    page.locator("a.feature").first.click()
    page.get_by_role("link", name="Steer with it").click()
    page.get_by_label("How the text begins").fill("The cat")
    page.get_by_label("a ladder of strengths").check()
    page.get_by_label("Tokens").fill("16")
    assert len(write(page)) == 8
    assert page.locator("#texts h2").last.inner_text().endswith("=4x")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.screenshot(path=pictures / "steer-ladder.png", full_page=True)


def test_settings_leave_as_python_as_a_file_and_as_a_link(
    visitor: Visitor, page: Page, tmp_path: Path
) -> None:
    page.get_by_label("How the text begins").fill("The cat")
    page.get_by_label("A word, a concept").fill("L0/N3")
    page.get_by_label("A word, a concept").press("Enter")
    page.get_by_role("button", name="Copy as Python").click()
    expect(page.locator("#state")).to_have_text("copied as Python")
    code = page.evaluate("navigator.clipboard.readText()")
    assert "topklm.Edit('L0/N3', set_to='1x')" in code
    compile(code, "snippet", "exec")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save edits.json").click()
    download.value.save_as(tmp_path / "edits.json")
    assert load_edits(tmp_path / "edits.json") == [topklm.Edit("L0/N3", set_to="1x")]
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#state")).to_have_text("link copied")
    page.goto(page.evaluate("navigator.clipboard.readText()"))
    expect(page.get_by_label("How the text begins")).to_have_value("The cat")
    expect(page.locator("#edits .feature")).to_have_text("L0/N3")


def test_a_link_holds_every_kind_of_edit(visitor: Visitor, page: Page) -> None:
    chosen = (("L0/N3", "set_to"), ("L1/N4", "add"), ("L0/N5", "scale"), ("L1/N6", "ablate"))
    for name, action in chosen:
        page.get_by_label("A word, a concept").fill(name)
        page.get_by_label("A word, a concept").press("Enter")
        page.get_by_label(f"What is done to {name}").select_option(action)
    page.get_by_label("Strength of L1/N4").fill("-2")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#state")).to_have_text("link copied")
    page.goto(page.evaluate("navigator.clipboard.readText()"))
    for name, action in chosen:
        expect(page.get_by_label(f"What is done to {name}")).to_have_value(action)
    expect(page.get_by_label("Strength of L1/N4")).to_have_value("-2")


def test_strengths_keep_their_unit_and_their_value(visitor: Visitor, page: Page) -> None:
    edits = [("edit", one) for one in ("L0/N3=0.1x", "L1/N4=3", "L0/N5=-2x", "L1/N6=add:-7")]
    visitor.go("steer?" + urlencode(edits))
    shown = page.locator("#edits output")
    expect(shown).to_have_text(["0.1x", "3", "-2x", "-7"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#state")).to_have_text("link copied")
    page.goto(page.evaluate("navigator.clipboard.readText()"))
    expect(shown).to_have_text(["0.1x", "3", "-2x", "-7"])


def test_tries_are_kept_in_the_browser_and_taken_up_again(visitor: Visitor, page: Page) -> None:
    page.get_by_label("How the text begins").fill("<b>x</b> {{7*7}} 🐕")
    page.get_by_label("A word, a concept").fill("L0/N3")
    page.get_by_label("A word, a concept").press("Enter")
    page.get_by_label("Tokens").fill("8")
    texts = write(page)
    assert texts[0].startswith("<b>x</b> {{7*7}} 🐕")
    visitor.go("steer")
    page.locator("#past button").click()
    expect(page.locator("#edits .feature")).to_have_text("L0/N3")
    assert write(page) == texts
    page.get_by_role("button", name="Forget them").click()
    expect(page.locator("#history")).to_be_hidden()


def test_all_is_done_with_the_keyboard(page: Page) -> None:
    page.get_by_label("How the text begins").focus()
    page.keyboard.type("The cat")
    page.keyboard.press("Tab")
    page.keyboard.type("L0/N3")
    page.keyboard.press("Enter")
    expect(page.locator("#edits li")).to_have_count(1)
    page.get_by_role("slider").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#edits output")).to_have_text("2x")
    page.get_by_label("Tokens").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_have_text(DONE, timeout=60_000)
    page.get_by_role("button", name="Remove L0/N3").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#no-edits")).to_be_visible()


def test_what_does_not_work_is_said(visitor: Visitor, page: Page) -> None:
    visitor.expected = {422}
    page.get_by_label("How the text begins").fill("The cat")
    page.get_by_label("A word, a concept").fill("L9/N3")
    page.get_by_label("A word, a concept").press("Enter")
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("there is no L9/N3")


def test_a_text_is_stopped_and_its_place_is_free(
    visitor: Visitor, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Scribe.take
    monkeypatch.setattr(Scribe, "take", lambda *given: (sleep(0.5), take(*given)))
    page.get_by_label("How the text begins").fill("The cat")
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.locator("#texts article")).to_have_count(1)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#state")).to_have_text("stopped")
    page.wait_for_timeout(1000)
    queue = json.loads(page.request.get(visitor.root + "api/v1/steer/queue").text())
    assert queue["writing"] == 0


def test_an_address_fills_in_the_form_and_nothing_else(visitor: Visitor) -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    visitor.go(
        "steer?" + urlencode({"prompt": hostile, "edit": ["L0/N3=2x", hostile], "concept": hostile}, True)
    )
    expect(visitor.page.get_by_label("How the text begins")).to_have_value(hostile)
    expect(visitor.page.locator("#edits li")).to_have_count(1)
    assert visitor.page.locator("main img").count() == 0
