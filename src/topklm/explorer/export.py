"""Static pages of a run that open from disk without a server: the same templates, links between files."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import InputError
from ..core.files import (
    MANIFEST,
    disk_full_is_said,
    new_partial,
    read_json,
    seal,
    write_json,
    write_text,
)
from .links import Links
from .pages import compare, neuron, neurons, overview, trace
from .render import draw, shades
from .table import Asked, Table, rows_of
from .workspace import Missing, Workspace

FORMAT = "topklm.explore-export/1"
ABOUT = "export.json"
STATIC = Path(__file__).parent / "static"
SERVER_ONLY = ("htmx",)
"""Scripts that only a server's pages use, by the beginning of their name."""
CONCEPTS = 8
"""Concepts for which the sources stand side by side."""


class Page(NamedTuple):
    """One file of the export."""

    path: str
    text: str


def export(
    workspace: Workspace,
    directory: Path | str,
    *,
    neurons: int = 200,
    say: Callable[[str], None] = lambda message: None,
) -> Path:
    """Write a run's pages into a new directory, or in place of an earlier export; return its first page.

    neurons: how many get a page: those with a note first, then those that tell a concept best (without
    concepts: the densest). What is not there (index, trace, metrics) has no page. The directory appears when
    it is whole. Raises InputError where something else lies there.
    """
    if not 1 <= neurons <= 100_000:
        raise InputError(f"neurons={neurons} is not allowed; choose 1 to 100000")
    directory = Path(directory).absolute()
    _check_place(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with disk_full_is_said(directory.parent), new_partial(directory) as partial:
        count = _write_pages(workspace, neurons, partial)
        seal(partial, directory)
    say(f"{count} pages")
    return directory / "index.html"


def _write_pages(workspace: Workspace, neurons: int, directory: Path) -> int:
    """Write all files of an export; return how many are pages."""
    _copy_assets(directory)
    count = 0
    for page in pages(workspace, neurons):
        path = directory / page.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page.text, encoding="utf-8")
        count += 1
    write_json(directory / ABOUT, {"format": FORMAT, "run": workspace.name, "pages": count})
    return count


def pages(workspace: Workspace, count: int) -> Iterator[Page]:
    """Draw the pages, one after the other."""
    table = chosen(workspace, count)
    features = frozenset(row["feature"] for row in table.rows)
    traced = _there(lambda: trace.content(workspace))
    compared = comparison(workspace)
    parts = {"neurons": bool(features), "compare": compared is not None, "trace": traced is not None}
    known = frozenset(name for name, there in parts.items() if there) | {""}

    def page(path: str, template: str, here: str, content: dict[str, Any]) -> Page:
        links = Links(path.count("/"), static=True, features=features, pages=known)
        return Page(path, draw(workspace, template, links, here, **content))

    yield page("index.html", "overview.html", "", overview.content(workspace))
    if compared is not None:
        yield page("compare.html", "compare.html", "compare", compared)
    if traced is not None:
        yield page("trace.html", "trace.html", "trace", traced)
    if features:
        yield page("neurons.html", "neurons.html", "neurons", _table(workspace, table))
    for feature in sorted(features):
        yield page(f"neuron/{feature}.html", "neuron.html", "neurons", _card(workspace, feature))


def chosen(workspace: Workspace, count: int) -> Table:
    """Choose the neurons that get a page, as rows of the table; none where there is no index."""
    index = _there(workspace.index)
    if index is None:
        return Table([], 0, "", 1, 1)
    sort = "-concept_f1" if "concept_f1" in index.columns else "-density"  # chosen_by says it
    named = rows_of(workspace, Asked(named=True, sort=sort), limit=count).rows
    best = rows_of(workspace, Asked(sort=sort), limit=count).rows
    there = {row["feature"] for row in named}
    rows = (named + [row for row in best if row["feature"] not in there])[:count]
    return Table(rows, index.layout.features, "", 1, 1)


def comparison(workspace: Workspace) -> dict[str, Any] | None:
    """Collect what the page that compares shows: the numbers, and the sources for some concepts."""
    numbers = compare.numbers(workspace)
    known = _there(lambda: workspace.index().concepts()) or []
    best = sorted(known, key=lambda row: -row["f1"])[:CONCEPTS] if len(workspace.sources) > 1 else []
    if isinstance(numbers, Missing) and not best:
        return None
    sides = [(row["concept"], compare.columns(workspace, "", row["concept"], shown=1)) for row in best]
    return {"q": "", "concept": "", "concepts": [], "sides": sides, "sources": workspace.sources,
            "verdict": numbers, "quizzes": []}  # fmt: skip


def _table(workspace: Workspace, table: Table) -> dict[str, Any]:
    content = neurons.content(workspace, Asked(), limit=1)
    names = {name for name, _ in content["columns"]}
    by = "how well they tell a concept" if "concept_f1" in names else "density"
    return {**content, "table": table, "chosen_by": by}


def _card(workspace: Workspace, feature: str) -> dict[str, Any]:
    content = neuron.content(workspace, feature)
    if content["traced"]:
        content["life"] = _there(lambda: neuron.life(workspace, workspace.index().locate(feature)))
        content["traced"] = content["life"] is not None
    return content


def _there(make: Callable[[], Any]) -> Any:
    """Return what is made, None where it is not there. Raises InputError where it is there and damaged."""
    try:
        return make()
    except Missing:
        return None


def _check_place(directory: Path) -> None:
    """Raise InputError unless nothing lies there, or an earlier export and no other file."""
    if not directory.exists():
        return
    ours = {MANIFEST}
    if (directory / MANIFEST).is_file() and (directory / ABOUT).is_file():
        ours |= set(read_json(directory / MANIFEST).get("sha256", {}))
    there = [path for path in directory.rglob("*") if path.is_file()] if directory.is_dir() else [directory]
    for path in sorted(there):
        if not directory.is_dir() or str(path.relative_to(directory)) not in ours:
            raise InputError(
                f"{path} is not of an earlier export, which alone is replaced; choose another place"
            )


def _copy_assets(directory: Path) -> None:
    for path in sorted(STATIC.rglob("*")):
        if path.is_file() and not path.name.startswith(SERVER_ONLY):
            target = directory / "static" / path.relative_to(STATIC)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    write_text(directory / "static" / "shades.css", shades())
