"""From a word to a steered text in the explorer, with a picture of each step, as in docs/explorer.md.

    python examples/explorer_session.py runs/tiny docs/images --word laughed --neuron L0/N494 --strength 1.5

Needs the extras `explore` and `dev`, and a Chromium.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

PATIENCE = 120_000
"""Milliseconds that the browser waits: the first text loads the model."""


def session(page: Page, address: str, asked: argparse.Namespace) -> None:
    """Find the neuron by its word, steer with it, look at a ladder of strengths."""
    page.goto(address + "steer")
    page.get_by_label("How the text begins").fill(asked.prompt)
    page.get_by_label("A word, a concept").fill(asked.word)
    page.get_by_role("button", name="Find neurons").click()
    expect(page.locator("#found li").first).to_be_visible()
    page.get_by_role("button", name=f"Add {asked.neuron}", exact=True).click()
    page.get_by_role("slider").fill(str(asked.strength))
    page.get_by_label("Mark the words of").fill(asked.concept)
    page.get_by_label("Tokens").fill("50")
    page.get_by_label("Seed").fill(str(asked.seed))
    write(page, asked.out / "explorer_steer.png")
    page.get_by_label("a ladder of strengths").check()
    write(page, asked.out / "explorer_ladder.png", only="#texts")


def write(page: Page, picture: Path, only: str = "main") -> None:
    """Let the model write, and take a picture of a part of the page."""
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.locator("#state")).to_contain_text("written in")
    page.locator("#texts dl").last.scroll_into_view_if_needed()
    page.evaluate("document.activeElement.blur()")
    page.locator(only).screenshot(path=picture)


def main() -> None:
    """Serve the run, and visit it."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--word", required=True)
    parser.add_argument("--neuron", required=True, help="One that the search for the word finds.")
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--concept", default="")
    parser.add_argument("--prompt", default="Once upon a time")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    command = [sys.executable, "-m", "topklm", "explore", str(asked.run), "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = next(line for line in server.stderr if "http://" in line)
        address = line.partition("http://")[1] + line.partition("http://")[2].split()[0]
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1100, "height": 900}, color_scheme="light")
                page.set_default_timeout(PATIENCE)
                expect.set_options(timeout=PATIENCE)
                session(page, address, asked)
                browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
