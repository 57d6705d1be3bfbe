"""What a person meets in a browser: every page whole at two widths, light and dark, and a story."""

import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, expect

from .browser import Visitor, visiting

pytestmark = pytest.mark.slow

TEXT = "Day 3. The owl went to the field. There the owl saw 3 stones and the cow."
PAGES = {
    "overview": "",
    "neurons": "neurons",
    "found": "neurons?q=dog",
    "concept": "neurons?concept=animals",
    "neuron": "neuron/L0/N3",
    "latent": "neuron/L1/N2?source=random",
    "read": "read",
    "text": "read?" + urlencode({"text": TEXT, "at": 4}),
    "compare": "compare",
    "side-by-side": "compare?q=dog",
    "trace": "trace",
    "life": "trace?feature=L0/N3",
    "api": "api",
}
BROKEN = {
    "no-page": ("nothing/here", 404),
    "no-neuron": ("neuron/L9/N1", 422),
    "bad-condition": ("neurons?where=density+%3E", 422),
    "too-long": ("read?" + urlencode({"text": "x" * 2001}), 422),
}


@pytest.mark.parametrize("name", [*PAGES, *BROKEN])
def test_every_page_is_whole(visitor: Visitor, pictures: Path, name: str) -> None:
    """No console error, nothing from elsewhere, no serious violation of accessibility, no sideways scroll."""
    where, status = (PAGES[name], 200) if name in PAGES else BROKEN[name]
    visitor.expected = {status} - {200}
    assert visitor.go(where) == status
    visitor.settle()
    assert visitor.page.locator("h1").count() == 1
    for look in visitor.looks():
        visitor.page.screenshot(path=pictures / f"{name}-{look}.png", full_page=True)
        assert visitor.overflow() <= 0, look
        assert visitor.violations() == [], look


@pytest.mark.parametrize("name", ["overview", "found", "neuron", "text", "side-by-side", "trace"])
def test_a_picture_for_the_manual_is_small(visitor: Visitor, pictures: Path, name: str) -> None:
    """What docs/explorer.md shows: `--pictures DIR` keeps them, to be copied to docs/images."""
    visitor.go(PAGES[name])
    path = pictures / f"explorer_{name}.png"
    visitor.page.screenshot(path=path)
    assert path.stat().st_size < 150_000


def test_a_neuron_is_found_by_a_word_read_named_and_shared(browser: Browser, address: str) -> None:
    """The story: find the neuron for a word, read its card, name it, share the address."""
    with visiting(browser, address) as one:
        page = one.page
        one.go("")
        page.keyboard.press("/")
        page.keyboard.type("dog")
        page.keyboard.press("Enter")
        page.wait_for_url("**/neurons?q=dog")
        first = page.locator("table.neurons tbody tr").first
        expect(page.locator("#results")).to_contain_text("dog")
        feature = first.locator("a.feature").inner_text()
        first.locator("a.feature").click()
        expect(page.locator("h1")).to_have_text(feature)
        expect(page.locator(".examples .peak").first).to_be_visible()
        page.get_by_label("Your name for it").fill("dogs of the day")
        page.get_by_label("Your note").fill("also hens")
        page.get_by_role("button", name="Keep").click()
        expect(page.locator("#note [role=status]")).to_have_text("kept")
        page.get_by_role("button", name="Copy link").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        shared = page.evaluate("navigator.clipboard.readText()")
        assert shared == page.url
    with visiting(browser, address) as other:
        other.page.goto(shared)
        expect(other.page.locator("h1")).to_contain_text("dogs of the day")
        expect(other.page.get_by_label("Your note")).to_have_value("also hens")
        other.go("neurons?named=1")
        expect(other.page.locator("table.neurons")).to_contain_text("dogs of the day")


def test_the_table_keeps_all_of_its_state_in_the_address(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("neurons")
    page.get_by_label("Layer", exact=True).select_option("1")
    page.wait_for_url(re.compile(r"neurons\?layer=1$"))
    page.get_by_label("Condition").fill("density > 0.01")
    page.get_by_label("Condition").press("Enter")
    page.wait_for_url(re.compile("where=density"))
    expect(page.locator(".htmx-request")).to_have_count(0)
    page.locator("thead").get_by_role("link", name="maximum").click()
    page.wait_for_url(re.compile("sort=-maximum"))
    names = page.locator("a.feature").all_inner_texts()
    assert names
    assert {name.split("/")[0] for name in names} == {"L1"}
    shared = page.url.removeprefix(visitor.root)
    visitor.go(shared)
    assert page.locator("a.feature").all_inner_texts() == names
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("maximum")
    page.go_back()
    assert "q=" not in page.url


def test_a_text_is_read_by_clicks(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("read")
    page.get_by_label("A text").fill(TEXT)
    page.get_by_role("button", name="Read").click()
    expect(page.locator(".text a")).not_to_have_count(0)
    page.locator(".text a", has_text="owl").first.click()
    expect(page.locator("#at")).to_contain_text("owl")
    expect(page.get_by_role("heading", name="May come next")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Mark the tokens of")).first.click()
    expect(page.locator("#tokens")).to_contain_text("marked by L0/N")
    assert page.locator(".text .swatch").count() > 0


def test_every_page_is_reached_with_the_keyboard(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    visitor.go("")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip() == "Neurons":
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.keyboard.press("Enter")
    page.wait_for_url("**/neurons")


def test_the_theme_is_chosen_and_kept(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("")
    button = page.locator(".theme button")
    for _ in range(2):
        button.click()
    expect(button).to_have_text("dark")
    visitor.go("neurons")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"


def test_a_causal_effect_is_measured_where_it_is_asked_for(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("neuron/L0/N3")
    page.get_by_role("button", name="Measure it").click()
    expect(page.locator("#effect table")).to_be_visible(timeout=60_000)
    expect(page.locator("#effect thead")).to_contain_text("KL, nats")


def test_a_quiz_is_made_and_answered_blind(browser: Browser, writable_full: str) -> None:
    with visiting(browser, writable_full) as visitor:
        page = visitor.page
        visitor.go("compare")
        page.get_by_role("button", name="Make a quiz").click()
        page.wait_for_url(re.compile("/quiz/[0-9a-f]{16}$"))
        assert not re.search(r"L\d/N\d", page.content())
        page.locator("fieldset").first.locator("input").first.check()
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save answers as a file").click()
        answers = json.loads(saved.value.path().read_text())
        assert answers["quiz"] == page.url.rsplit("/", 1)[1]
        assert len(answers["answers"]) == 1
        visitor.go("compare")
        expect(page.locator("main")).to_contain_text("Made before")


def test_an_explorer_that_has_ended_is_said(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("neurons")
    page.context.set_offline(True)
    page.get_by_label("Layer", exact=True).select_option("1")
    expect(page.get_by_role("alert")).to_contain_text("does it still run?")
    visitor.errors.clear()  # Chromium's own word for it
