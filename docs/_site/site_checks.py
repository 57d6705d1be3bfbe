"""What the finished site must hold to: links lead somewhere, and a page loads nothing from elsewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "embed": "src", "link": "href"}
ELSEWHERE = ("http:", "https:", "//")


class Page(HTMLParser):
    """A page's anchors, its links, and the files that it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names or asks for."""
        given = {key: value for key, value in attrs if value is not None}
        self.anchors.update(given[key] for key in ("id", "name") if key in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in LOADS and LOADS[tag] in given:
            self.loaded.append(given[LOADS[tag]])


def faults(site: Path) -> list[str]:
    """Return what is wrong with a built site, a line each; external links are not followed."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        here = path.relative_to(site)
        found += [f"{here} loads {url}" for url in page.loaded if url.startswith(ELSEWHERE)]
        for link in page.links + page.loaded:
            if re.match(r"[a-z]+:|//", link):
                continue
            file, _, anchor = unquote(link).partition("#")
            target = (path.parent / file.partition("?")[0]).resolve() if file else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                found.append(f"{here} links to {link}, which is not there")
            elif anchor and target in pages and anchor not in pages[target].anchors:
                found.append(f"{here} links to {link}, an anchor that is not there")
    for path in sorted(site.rglob("*.css")):
        urls = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(site)} loads {url}" for url in urls if url.startswith(ELSEWHERE)]
    return found


def check(app: Sphinx, failure: Exception | None) -> None:
    """Fail the build where the site has faults."""
    if failure is None and app.builder.format == "html" and (found := faults(Path(app.outdir))):
        raise SphinxError("\n".join(found))


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of it."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
