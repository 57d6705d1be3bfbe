"""References made from the program whenever the site is built: the command line, settings of training."""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from typing import Any

import typer
from sphinx.application import Sphinx

from topklm.cli.main import app as program
from topklm.training import TrainSettings, preset
from topklm.training.presets import PRESETS


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


def verbs() -> str:
    """Return the command line as Markdown: a heading and the help of every verb."""
    parts = []
    for name, command in commands(typer.main.get_command(program), "topklm"):
        text = re.sub(r"^Usage: .*? \[OPTIONS\]", f"Usage: {name} [OPTIONS]", help_of(command, name))
        parts.append(f"## {name}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def settings() -> str:
    """Return a table: every setting, what it means, and its value in each preset."""
    presets = {name: asdict(preset(name)) for name in PRESETS}
    rows = [("setting", "what it is", *(f"`{name}`" for name in presets))]
    rows.append(tuple("---" for _ in rows[0]))
    for one in fields(TrainSettings):
        values = [shown(found[one.name]) for found in presets.values()]
        rows.append((f"`{one.name}`", one.metadata["help"], *values))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def shown(value: Any) -> str:
    """Write a setting's value as it stands in a file of settings."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return str(value) or '""'


PLACES: dict[str, Callable[[], str]] = {"<!-- the verbs -->": verbs, "<!-- the settings -->": settings}


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the references into the pages that have a place for them."""
    for place, reference in PLACES.items():
        if place in source[0]:
            source[0] = source[0].replace(place, reference())


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of it."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
