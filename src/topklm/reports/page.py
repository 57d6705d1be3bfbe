"""Cards as HTML: a page that stands alone (no script, no request), or a piece for a notebook."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .card import Card
from .shading import DARK_PAGE, LIGHT_PAGE, STEPS, Ramp, scale, step
from .text import amount, count, percent, quantile, signed, visible

BAR_HEIGHT = 60
TOP_TOKENS = 12


def page(cards: Sequence[Card], *, title: str, note: str = "") -> str:
    """Write a page of cards, with a table of contents where there are several.

    note: a sentence below the title, such as the rule by which the cards were chosen.
    """
    here = frozenset(card.feature for card in cards)
    drawn = [_card(card, here) for card in cards]
    template = environment().get_template("page.html")
    return template.render(title=title, note=note, cards=cards, drawn=drawn, style=style())


def notebook(card: Card) -> str:
    """Write a card as a piece of HTML that brings its own style."""
    inner = _card(card, frozenset([card.feature]))
    return f'<style>{style()}</style><div class="topklm">{inner}</div>'


def style() -> Markup:
    """Return the stylesheet of a card: everything in it is below the class `topklm`."""
    sheet = files(__package__).joinpath("templates", "style.css").read_text(encoding="utf-8")
    dark = f"@media (prefers-color-scheme: dark) {{\n{_shades(DARK_PAGE)}}}\n"
    return Markup(sheet + _shades(LIGHT_PAGE) + dark)  # noqa: S704  # nothing in it comes from outside


def shade(level: int) -> str:
    """Return the class of a shading step: `p1` to `p9`, `n1` to `n9` for negative ones."""
    return "" if level == 0 else f"{'p' if level > 0 else 'n'}{abs(level)}"


def histogram_words(card: Card) -> str:
    """Say in words what the histogram shows."""
    counts, edges = card.histogram_counts, card.histogram_edges
    if not counts:
        return ""
    most = counts.index(max(counts))
    return (
        f"Histogram of {count(sum(counts), 'firing')} by activation, {amount(edges[0])} to "
        f"{amount(edges[-1])}, in {len(counts)} bars; most, {counts[most]:,}, between {amount(edges[most])} "
        f"and {amount(edges[most + 1])}. Firings a bar: {', '.join(map(str, counts))}."
    )


def _card(card: Card, here: frozenset[str]) -> Markup:
    highest = max(card.histogram_counts, default=0)
    bars = [max(1, round(BAR_HEIGHT * number / highest)) if number else 0 for number in card.histogram_counts]
    drawn = {"card": card, "here": here, "bars": bars, "scale": scale(card), "top": TOP_TOKENS}
    template = environment().get_template("card.html")
    # the template escapes whatever it is given
    return Markup(template.render(histogram_words=histogram_words(card), **drawn))  # noqa: S704


def _shades(ramp: Ramp) -> str:
    return "".join(
        f".topklm .{shade(level)} {{ background: {ramp.background(level)}; color: {ramp.text}; }}\n"
        for level in range(-STEPS, STEPS + 1)
        if level
    )


@cache
def environment() -> Environment:
    """Return what fills in the templates; it escapes whatever it is given."""
    environment = Environment(
        loader=PackageLoader("topklm.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "amount": amount,
        "anchor": lambda name: name.replace("/", "-"),
        "count": count,
        "percent": percent,
        "quantile": quantile,
        "shade": shade,
        "signed": signed,
        "visible": visible,
    }
    environment.globals |= {"step": step, "zip": zip}
    return environment
