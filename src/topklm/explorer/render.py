"""Templates and the numbers in them. Everything is escaped; nothing is computed."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from .. import __version__
from ..core.site import Feature
from ..reports.page import histogram_words, shade
from ..reports.shading import DARK_PAGE, LIGHT_PAGE, STEPS, step
from ..reports.text import amount, count, percent, quantile, signed, visible
from . import figures
from .links import Links
from .workspace import DENSE, SHIPPED, Workspace

PAGES = (
    ("", "Overview"),
    ("neurons", "Neurons"),
    ("read", "Read"),
    ("steer", "Steer"),
    ("compare", "Compare"),
    ("trace", "Trace"),
)


@cache
def environment() -> Environment:
    """Return what fills in the templates."""
    found = Environment(
        loader=PackageLoader("topklm.explorer"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "amount": amount,
        "count": count,
        "number": lambda value: f"{value:,}",
        "percent": percent,
        "quantile": quantile,
        "shade": shade,
        "signed": signed,
        "visible": visible,
        "words": lambda name: name.replace("_", " "),
    }
    found.globals |= {
        "step_of": step,
        "zip": zip,
        "figures": figures,
        "pages": PAGES,
        "version": __version__,
        "histogram_words": histogram_words,
        "parse": Feature.parse,
    }
    return found


def draw(workspace: Workspace, template: str, links: Links, here: str, **content: Any) -> str:
    """Fill in a template. here: which of the pages it belongs to."""
    page = environment().get_template(template)
    dense = DENSE if workspace.settings.get("dense") else ""
    shipped = SHIPPED if workspace.shipped else ""
    return page.render(run=workspace.name, link=links, here=here, dense=dense, shipped=shipped, **content)


def answer(
    workspace: Workspace,
    template: str,
    here: str,
    *,
    depth: int = 0,
    status: int = 200,
    **content: Any,
) -> HTMLResponse:
    """Answer with a page. depth: folders between the root and the page's address."""
    return HTMLResponse(draw(workspace, template, Links(depth), here, **content), status)


@cache
def shades() -> str:
    """Return the stylesheet of the shading steps: `p1` to `p9`, `n1` to `n9`, light and dark."""
    lines = [f"mark, .swatch {{ color: light-dark({LIGHT_PAGE.text}, {DARK_PAGE.text}); }}"]
    for level in range(-STEPS, STEPS + 1):
        if level:
            light, dark = LIGHT_PAGE.background(level), DARK_PAGE.background(level)
            lines.append(
                f".{shade(level)} {{ background: light-dark({light}, {dark}); "
                f"fill: light-dark({light}, {dark}); }}"
            )
    return "\n".join(lines) + "\n"
