"""A report as blocks, written twice from the same: as Markdown, and as a page that stands alone."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from .page import environment, style


class Heading(NamedTuple):
    """Begins a section."""

    text: str


class Paragraph(NamedTuple):
    """Plain text, without markup."""

    text: str


class Table(NamedTuple):
    """Cells of text: the first columns words, the others numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    """How many columns are words."""


class Figure(NamedTuple):
    """A drawing in a file."""

    path: Path
    """An SVG file."""
    says: str
    """What there is to see, for those who do not."""


class Markdown(NamedTuple):
    """Text with Markdown's markup; a page shows it as it is written."""

    text: str


Block = Heading | Paragraph | Markdown | Table | Figure
MARKUP = re.compile(r"([\\`*<])")
"""What Markdown would take for more than a letter, inside a line."""


def plain(text: str) -> str:
    r"""Write text on one line, so that Markdown leaves it as it is.

    >>> print(plain("a <b> of 2*3"))
    a \<b> of 2\*3
    """
    return MARKUP.sub(r"\\\1", " ".join(text.split()))


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """Write a Markdown table; columns of words to the left, all others to the right."""
    rule = ["---" if place < words else "---:" for place in range(len(head))]
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, rule, *rows)
    ]
    return "\n".join(lines)


def as_markdown(title: str, blocks: Sequence[Block], *, beside: Path) -> str:
    """Write a document as Markdown. beside: the directory from which figures are found."""
    parts = [f"# {plain(title)}"]
    for block in blocks:
        match block:
            case Heading(text):
                parts.append(f"## {plain(text)}")
            case Paragraph(text):
                parts.append(plain(text))
            case Markdown(text):
                parts.append(text)
            case Table(head, rows, words):
                cells = [[plain(cell) for cell in row] for row in (head, *rows)]
                parts.append(markdown_table(cells[0], cells[1:], words=words))
            case Figure(path, says):
                parts.append(f"![{plain(says)}]({quote(path.relative_to(beside).as_posix())})")
    return "\n\n".join(parts) + "\n"


def as_page(title: str, blocks: Sequence[Block]) -> str:
    """Write a document as a page that stands alone: no script, no request, figures within."""
    drawn = [_for_page(block) for block in blocks]
    return environment().get_template("document.html").render(title=title, blocks=drawn, style=style())


def _for_page(block: Block) -> dict[str, object]:
    if isinstance(block, Figure):
        code = base64.b64encode(block.path.read_bytes()).decode()
        return {"kind": "figure", "source": f"data:image/svg+xml;base64,{code}", "says": block.says}
    return {"kind": type(block).__name__.lower(), **block._asdict()}
