"""Cards as HTML: everything escaped, nothing fetched, readable by machines and people."""

import re
from html.parser import HTMLParser

from hypothesis import given, settings

from card_samples import HARD_TOKENS, cards, dead_card, live_card
from topklm.reports.card import Card
from topklm.reports.page import page, style
from topklm.reports.shading import contrast
from topklm.reports.text import visible

EMPTY = {"meta", "link"}


class Reader(HTMLParser):
    """Collects the tags and the text of an HTML text, and each example's text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.examples: list[str] = []
        self.tokens: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)
        if ("class", "text") in attrs:
            self.examples.append("")
        if ("class", "token") in attrs:
            self.tokens.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if self.open[-2:] in (["p", "mark"], ["p", "span"]) and self.examples:
            self.examples[-1] += data
        if self.open and self.open[-1] == "bdi":
            self.tokens[-1] += data

    def values(self, name: str) -> list[str]:
        """All values of an attribute."""
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


@settings(max_examples=50, deadline=None)
@given(cards())
def test_any_token_is_text_on_the_page_and_nothing_else(card: Card) -> None:
    plain = [tag for tag, _ in Reader(page([live_card()], title="t")).tags]
    read = Reader(page([card], title="t"))
    examples = [example for one in card.bins for example in one.examples]
    assert read.examples == ["".join(map(visible, example.tokens)) for example in examples]
    listed = [one.token for one in (*card.top_tokens, *card.promoted, *card.suppressed)]
    listed += [one.top_token for one in (*card.similar, *card.other_layers) if one.density > 0]
    assert read.tokens == [visible(token) for token in listed]
    assert {tag for tag, _ in read.tags} <= {*plain, "span"}


def test_nothing_is_fetched_and_nothing_runs() -> None:
    html = page([live_card(), dead_card()], title="<b>Cards</b> & more")
    read = Reader(html)
    assert re.findall(r"(?i)https?:|//|url\(|@import|javascript:", html) == []
    assert not {tag for tag, _ in read.tags} & {"script", "iframe", "img", "object", "embed", "form"}
    assert all(link == "data:," or link.startswith("#") for link in read.values("href"))
    assert read.values("src") == []
    assert [name for _, attributes in read.tags for name in attributes if name.startswith("on")] == []
    assert "default-src 'none'" in html
    assert "<b>Cards</b> & more" in read.text


def test_links_between_cards_lead_to_cards_on_the_page() -> None:
    first, second = live_card(), live_card(feature="L3/N99")
    read = Reader(page([first, second], title="t"))
    ids = read.values("id")
    assert ids == ["L3-N17", "L3-N99"]
    links = [link for link in read.values("href") if link.startswith("#")]
    assert {link.removeprefix("#") for link in links} == set(ids)
    assert len(links) == 4  # the table of contents, and each card that names the other as similar


def test_a_dead_neuron_has_a_card_that_says_so() -> None:
    read = Reader(page([dead_card()], title="t"))
    assert "never fired on these tokens" in read.text
    assert "nan" not in read.text
    assert read.examples == []


def test_the_histogram_says_its_numbers_in_words() -> None:
    card = live_card()
    read = Reader(page([card], title="t"))
    label = next(attributes["aria-label"] for tag, attributes in read.tags if tag == "svg")
    assert label is not None
    assert label.endswith(f"Firings a bar: {', '.join(map(str, card.histogram_counts))}.")
    assert sum(tag == "rect" for tag, _ in read.tags) == sum(number > 0 for number in card.histogram_counts)


def test_a_notebook_shows_a_card_with_its_style() -> None:
    html = live_card()._repr_html_()
    read = Reader(html)
    assert read.text.count("L3/N17") == 1
    assert all(
        f".topklm .{shade}" in html for shade in read.values("class") if re.fullmatch(r"[pn]\d", shade)
    )
    rules = re.findall(r"(?m)^([^@{}\n][^{}\n]*) \{", html.split("</style>")[0].removeprefix("<style>"))
    assert rules
    assert all(part.strip().startswith(".topklm") for rule in rules for part in rule.split(","))  # ours alone


def test_hard_tokens_are_escaped_in_attributes_too() -> None:
    for token in HARD_TOKENS:
        read = Reader(page([live_card(corpus=token, source=token, labels=(token,))], title=f'"{token}"'))
        assert visible(token) in read.text


def test_text_links_and_bars_stand_out_from_the_page_in_light_and_dark() -> None:
    grounds = re.findall(r"--ground: (#\w+);(.*?)[}]", str(style()), re.DOTALL)
    assert len(grounds) == 2
    for ground, rest in grounds:
        ground = ground if len(ground) == 7 else "#" + "".join(2 * letter for letter in ground[1:])
        colours = dict(re.findall(r"--(\w+): (#\w{6});", rest))
        assert min(contrast(ground, colours[name]) for name in ("text", "quiet", "link")) >= 4.5
        assert contrast(ground, colours["bar"]) >= 3
