"""Parts of an index that were made elsewhere, on a machine that shares no disk with this one."""

import shutil
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import PARTIAL, read_json
from .format import WORK
from .parts import is_whole


def take_parts(there: Path, here: Path) -> int:
    """Copy the whole parts of the unfinished index `there` into the unfinished index `here`; return how many.

    A part that is whole here already stays. Raises InputError where `there` holds no unfinished index, or one
    of another text, model or cut.
    """
    if not (there / WORK / "plan.json").is_file():
        raise InputError(f"{there} holds no unfinished index; make its share with --shard I/N")
    ours, theirs = (_decided(read_json(one / WORK / "plan.json")) for one in (here, there))
    for name, value in ours.items():
        if theirs.get(name) != value:
            raise InputError(
                f"{there} holds parts of another index: {name} is {theirs.get(name)!r} there, {value!r} here"
            )
    taken = 0
    for part in sorted((there / WORK / "parts").glob("part-*")):
        place = here / WORK / "parts" / part.name
        if is_whole(place) or not is_whole(part):
            continue
        partial = place.with_name(PARTIAL + part.name)
        for stale in (partial, place):
            shutil.rmtree(stale, ignore_errors=True)
        shutil.copytree(part, partial)
        partial.rename(place)
        taken += 1
    return taken


def _decided(plan: dict[str, Any]) -> dict[str, Any]:
    """Return all that decides a part's content; where the text's file lies does not, its hash does."""
    request = {f"request {name}": value for name, value in plan["request"].items() if name != "data"}
    return {**{name: value for name, value in plan.items() if name != "request"}, **request}
