"""Addresses of pages, relative to the page at hand, so that they work below any root and from disk."""

from typing import Any, NamedTuple
from urllib.parse import quote, urlencode


class Links(NamedTuple):
    """Writes links for one page.

    >>> Links(depth=2)("neurons", q="dog"), Links()("neuron", "L3/N17"), Links(depth=2, static=True)("")
    ('../../neurons?q=dog', 'neuron/L3/N17', '../../index.html')
    """

    depth: int = 0
    """Folders between the root and the page."""
    static: bool = False
    """Whether pages are files: they end in .html, and what only a server answers has no link."""
    features: frozenset[str] | None = None
    """Of a static export: the features that have a page."""
    pages: frozenset[str] | None = None
    """Of a static export: the pages that there are."""

    def __call__(self, page: str, feature: str = "", /, **query: Any) -> str:
        """Return the address of a page; empty parts of the query are left out."""
        path = "/".join(part for part in (page, feature) if part)
        if self.static:
            return "../" * self.depth + (path or "index") + ".html"
        return ("../" * self.depth + quote(path) or "./") + self.query(**query)

    def reaches(self, page: str) -> bool:
        """Tell whether there is such a page."""
        return self.pages is None or page in self.pages

    def query(self, **query: Any) -> str:
        """Return the part from the question mark on."""
        pairs = [
            (name, str(one))
            for name, value in query.items()
            for one in (value if isinstance(value, list | tuple) else [value])
            if one is not None and one is not False and one != ""  # 0 is a layer and a step
        ]
        return "?" + urlencode(pairs) if pairs else ""

    def asset(self, path: str) -> str:
        """Return the address of a file that comes with the pages."""
        return "../" * self.depth + "static/" + path

    def has(self, feature: str) -> bool:
        """Tell whether a feature has a page."""
        return self.features is None or feature in self.features
