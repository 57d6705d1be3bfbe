"""A headless Chromium, and the explorer served to it. Skips where a developer has no Chromium; CI has one."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from topklm.explorer.serve import bind

REQUIRED = "TOPKLM_BROWSER_TESTS"
"""An environment variable; `required`: a machine without Chromium fails instead of skipping."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS = {1280: 800, 390: 844}
"""Width of a window -> its height, in pixels: a laptop's and a telephone's."""
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
AXE = {"resultTypes": ["violations"], "preload": False}
"""Preloading asks for the stylesheets again, which pages on disk may not."""
PATIENCE = 90_000
"""Milliseconds that the browser waits for what is expected: machines are shared."""


def chromium() -> str:
    """Say where Chromium is, or skip the test; fail where it is required."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    message = f"there is no Chromium; install one of {', '.join(NAMES)} (Debian: apt-get install chromium)"
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def launched() -> Iterator[Browser]:
    """Start Chromium without a window."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free port of this machine; its address, with a slash at the end."""
    listener = bind("127.0.0.1", 0)
    listener.listen(64)
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


class Violation(NamedTuple):
    """What axe-core holds against a page."""

    rule: str
    impact: str
    where: str
    why: str


class Visitor:
    """One page of the browser that writes down every error and every request which leaves the machine."""

    def __init__(self, page: Page, root: str) -> None:
        self.page, self.root = page, root
        self.errors: list[str] = []
        self.strangers: list[str] = []
        """Addresses elsewhere that the page asked for; they are refused."""
        self.expected: set[int] = set()
        """Answers that the test provokes, such as 404: Chromium calls them errors."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.context.route("**/*", self._route)

    def go(self, address: str) -> int:
        """Open an address of the explorer; return the status. From disk: 200."""
        answer = self.page.goto(self.root + address.lstrip("/"))
        self.page.wait_for_load_state("networkidle")
        return 200 if answer is None or answer.status == 0 else answer.status

    def settle(self) -> None:
        """Wait for what loads late: pieces of the page that are fetched when they come into view."""
        self.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        self.page.wait_for_load_state("networkidle")
        expect(self.page.locator(".htmx-request, .later")).to_have_count(0)
        self.page.evaluate("window.scrollTo(0, 0)")

    def check(self) -> None:
        """Assert that there was no error so far, and that nothing was asked of another machine."""
        assert not self.errors, self.errors
        assert not self.strangers, self.strangers

    def looks(self) -> Iterator[str]:
        """Show the page at every width, light and dark; each look is named, as 1280-light."""
        for width, height in WIDTHS.items():
            self.page.set_viewport_size({"width": width, "height": height})
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme)
                yield f"{width}-{scheme}"

    def violations(self) -> list[Violation]:
        """Ask axe-core what is wrong with the page as it stands; only what is serious or critical."""
        found = Axe().run(self.page, options=AXE).response["violations"]
        return [
            Violation(one["id"], one["impact"], str(node["target"]), node.get("failureSummary", ""))
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(
            self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        )

    def _console(self, message: Any) -> None:
        if message.type not in ("error", "warning"):
            return
        if any(f"status of {status}" in message.text for status in self.expected):
            return
        self.errors.append(f"{message.type}: {message.text} ({self.page.url})")

    def _route(self, route: Route) -> None:
        asked = urlsplit(route.request.url)
        ours = urlsplit(self.root)
        here = (asked.scheme, asked.netloc) == (ours.scheme, ours.netloc)
        if here or asked.scheme in ("data", "blob"):
            route.continue_()
        else:
            self.strangers.append(route.request.url)
            route.abort()


@contextmanager
def visiting(browser: Browser, root: str) -> Iterator[Visitor]:
    """Open a page of 1,280 pixels, light, without motion; on leaving, `check` it."""
    context = browser.new_context(
        viewport={"width": 1280, "height": WIDTHS[1280]}, color_scheme="light", reduced_motion="reduce"
    )
    if root.startswith("http"):
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=root)
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    try:
        visitor = Visitor(context.new_page(), root)
        yield visitor
        visitor.check()
    finally:
        context.close()
