"""The reference of the command line, made from the program's own help whenever the site is built."""

import re
from collections.abc import Iterator
from typing import Any

import typer
from sphinx.application import Sphinx

from topklm.cli.main import app as program

PLACE = "<!-- the verbs -->"


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every verb with its whole name, those of groups too."""
    for verb, one in command.commands.items():
        if hasattr(one, "commands"):
            yield from commands(one, f"{name} {verb}")
        else:
            yield f"{name} {verb}", one


def help_of(command: Any, name: str) -> str:
    """Return what `NAME --help` prints, 100 columns wide."""
    with command.make_context(name, ["--help"], resilient_parsing=True, max_content_width=100) as context:
        return str(command.get_help(context)).rstrip()


def reference() -> str:
    """Return the reference as Markdown: a heading and the help of every verb."""
    parts = []
    for name, command in commands(typer.main.get_command(program), "topklm"):
        text = re.sub(r"^Usage: .*? \[OPTIONS\]", f"Usage: {name} [OPTIONS]", help_of(command, name))
        parts.append(f"## {name}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the verbs into the page that has a place for them."""
    if PLACE in source[0]:
        source[0] = source[0].replace(PLACE, reference())


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of it."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
