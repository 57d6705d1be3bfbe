"""List the packages that topklm needs, with their licences: docs/licences.md.

python examples/licences.py docs/licences.md

Read from what is installed here, so install all extras first: explore, sae, eval, convert.
What a package itself needs is followed; a package stands under the first part that needs it.
"""

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from topklm.core.files import write_text
from topklm.reports.document import markdown_table

PARTS = ("", "explore", "sae", "eval", "convert")
CLASSIFIER = "License :: OSI Approved :: "


def needed(name: str, extra: str, seen: set[str]) -> Iterator[str]:
    """Yield the installed packages that a package needs, itself included, each once."""
    for text in importlib.metadata.requires(name) or ():
        one = Requirement(text)
        if one.marker is not None and not one.marker.evaluate({"extra": extra}):
            continue
        other = canonicalize_name(one.name)
        if other in seen:
            continue
        seen.add(other)
        try:
            importlib.metadata.version(other)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform, or not wanted here
        yield other
        for extra_of_it in ("", *sorted(one.extras)):
            yield from needed(other, extra_of_it, seen)


def licence(name: str) -> str:
    """Say a package's licence as it states it, in one line."""
    about = importlib.metadata.metadata(name)
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    classified = [one for one in about.get_all("Classifier") or () if one.startswith(CLASSIFIER)]
    if classified:
        return ", ".join(one.removeprefix(CLASSIFIER) for one in classified)
    stated = (about.get("License") or "").strip().splitlines()
    return stated[0] if stated else "not stated"


def main(path: str) -> None:
    """Write the page."""
    seen = {"topklm"}
    parts = [
        "# Licences of dependencies",
        "As each package states it, in the versions that the tests run with; written by "
        "`python examples/licences.py docs/licences.md`. topklm itself is under Apache-2.0.",
    ]
    for part in PARTS:
        rows = [
            (name, importlib.metadata.version(name), licence(name))
            for name in sorted(needed("topklm", part, seen))
        ]
        parts += [
            f"## {f'Extra `{part}`' if part else 'Always'}",
            markdown_table(("package", "version", "licence"), rows),
        ]
    write_text(Path(path), "\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
