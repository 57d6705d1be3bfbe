"""Docstrings here are plain Markdown; Sphinx reads them as reStructuredText. This turns one into the other.

Only what our docstrings use: code in backticks, blocks of code by indentation, characters that mean nothing
in Markdown.
"""

import re
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"`([^`]+)`")
NAME = re.compile(r"([a-z_]+):(?= )")
SPECIAL = re.compile(r"([|\\]|(?<=\w)_(?!\w))")


def restructured(lines: list[str]) -> list[str]:
    """Return a Markdown docstring's lines as reStructuredText.

    >>> restructured(["Keep `k` of |x|.", "", "    topk(x, 8)", "", "End."])
    ['Keep ``k`` of \\\\|x\\\\|.', '', '.. code-block:: python', '', '    topk(x, 8)', '', 'End.']
    """
    written: list[str] = []
    inside = "prose"  # or code, list, names
    after_blank = True
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        indented = line.startswith("    ")
        if line and not indented:
            inside = kind(line, inside, after_blank, hanging=following.startswith("    "))
        elif indented and after_blank and inside == "prose":
            written += [".. code-block:: python", ""]
            inside = "code"
        if inside == "names":
            line = f"  {line.strip()}" if indented else NAME.sub(r"- `\1`:", line)
        written.append(line if inside == "code" else plain(line))
        after_blank = not line.strip()
    return written


def kind(line: str, before: str, after_blank: bool, *, hanging: bool) -> str:
    """Return what a line that is not indented belongs to."""
    if re.match(r"(- |\d+\. |>>> )", line):
        return "list"
    if NAME.match(line) and (before == "names" or (after_blank and hanging)):
        return "names"
    return before if before == "list" and not after_blank else "prose"


def plain(line: str) -> str:
    """Return a line of prose, its code marked and its special characters made ordinary."""
    parts = CODE.split(line)
    for number, part in enumerate(parts):
        if number % 2:
            parts[number] = f"``{part}``" + ("\\ " if parts[number + 1][:1].isalnum() else "")
        else:
            parts[number] = part if line.lstrip().startswith((">>>", "...")) else SPECIAL.sub(r"\\\1", part)
    return "".join(parts)


def process(app: Sphinx, what: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    """Change a docstring in place, as autodoc asks for it."""
    lines[:] = restructured(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of it."""
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
