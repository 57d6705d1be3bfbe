"""`topklm stories`: labelled stories on the screen or in a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import InputError
from .output import AsJson, error_console, put, put_json, say, whole

if TYPE_CHECKING:
    from rich.text import Text

    from ..stories import Story

COLOURS = ("red", "green", "yellow", "blue", "magenta", "cyan")


def stories(
    n: Annotated[int, whole("How many.")] = 3,
    seed: Annotated[int, whole("Seed; every seed has its own endless row of stories.")] = 0,
    show_labels: Annotated[
        bool, typer.Option("--show-labels", help="Colour the concepts, and list them below.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write them, with all labels, to a .parquet file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell small labelled stories: the built-in corpus, in which every concept is known."""
    from ..core.files import disk_full_is_said
    from ..core.progress import counted
    from ..stories import Stories, write_parquet

    if n < 1:
        raise InputError(f"--n {n} is not allowed; choose 1 or more")
    if not 0 <= seed < 2**64:
        raise InputError(f"--seed {seed} is not allowed; choose 0 to 2**64 - 1")
    told = Stories(seed).take(n)
    if out is not None and (as_json or show_labels):
        raise InputError("--out writes a file and nothing on the screen: leave out --json and --show-labels")
    if out is not None:
        if out.suffix != ".parquet":
            raise InputError(f"--out {out}: name a .parquet file")
        if not out.parent.is_dir():
            raise InputError(f"--out {out}: there is no directory {out.parent}")
        with (
            disk_full_is_said(out.parent),
            counted(error_console(), "telling", unit="stories", total=n) as report,
        ):
            write_parquet(_reported(told, report), out)
        say(f"done: {n:,} stories in {out}")
    elif as_json:
        put_json({"format": "topklm.stories/1", "seeds": [seed], "stories": [_as_json(one) for one in told]})
    elif show_labels:
        from rich.console import Console

        console = Console(highlight=False)
        for story in told:
            console.print(coloured(story), "\n", soft_wrap=True)
            for line in legend(story):
                console.print(line, soft_wrap=True)
            console.print()
    else:
        put("\n\n".join(story.text for story in told))


def coloured(story: "Story") -> "Text":
    """Colour each piece of a story by the shortest span that covers it."""
    from rich.text import Text

    from ..stories import pieces

    text = Text()
    place = 0
    for piece, concepts in pieces(story.text, story.spans):
        covering = [
            span for span in story.spans if span.start <= place < span.end and span.concept in concepts
        ]
        shortest = min(covering, key=lambda span: span.end - span.start, default=None)
        text.append(piece, style=colour(shortest.concept) if shortest else "")
        place += len(piece)
    return text


def legend(story: "Story") -> list["Text"]:
    """List a story's concepts, each with the texts that stand for it."""
    from rich.text import Text

    found: dict[str, list[str]] = {}
    for span in story.spans:
        shown = story.text[span.start : span.end]
        found.setdefault(span.concept, [])
        if shown not in found[span.concept]:
            found[span.concept].append(shown)
    return [
        Text.assemble("  ", (concept, colour(concept)), ": ", " | ".join(texts))
        for concept, texts in sorted(found.items())
    ]


def colour(concept: str) -> str:
    """Choose a concept's colour, always the same one."""
    return COLOURS[sum(map(ord, concept)) % len(COLOURS)]


def _as_json(story: "Story") -> dict[str, Any]:
    return {
        "text": story.text,
        "spans": [span._asdict() for span in story.spans],
        "variables": story.variables._asdict(),
        "path_bits": story.path_bits,
    }


def _reported(told: Any, report: Any) -> Any:
    for number, story in enumerate(told, start=1):
        yield story
        report(number)
