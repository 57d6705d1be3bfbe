"""The reference of training settings, made from their own declarations whenever the site is built."""

from dataclasses import asdict, fields
from typing import Any

from sphinx.application import Sphinx

from topklm.training import TrainSettings, preset
from topklm.training.presets import PRESETS

PLACE = "<!-- the settings -->"


def shown(value: Any) -> str:
    """Write a value as it stands in a file of settings."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return str(value) or '""'


def reference() -> str:
    """Return a table: every setting, what it means, and its value in each preset."""
    presets = {name: asdict(preset(name)) for name in PRESETS}
    rows = [("setting", "what it is", *(f"`{name}`" for name in presets))]
    rows.append(tuple("---" for _ in rows[0]))
    for one in fields(TrainSettings):
        values = [shown(found[one.name]) for found in presets.values()]
        rows.append((f"`{one.name}`", one.metadata["help"], *values))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the table into the page that has a place for it."""
    if PLACE in source[0]:
        source[0] = source[0].replace(PLACE, reference())


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of it."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
