"""What verbs print: results on standard output, messages on standard error, one plain line each."""

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import Interrupted, TopKLMError
from ..core.files import finite
from ..core.processes import is_main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console
    from rich.text import Text

    from ..core.stats import Estimate

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def run_path(text: str) -> str:
    """Return a run's directory as text, also of the demo that ships."""
    from ..training.shipped import run_directory

    try:
        return str(run_directory(text))
    except TopKLMError as error:
        raise typer.BadParameter(str(error)) from None


def own_run_path(text: str) -> str:
    """Return a run's directory as text, for verbs that need its checkpoints and the text it learnt from."""
    from ..training.shipped import DEMO

    path = run_path(text)
    if name_of(path) == DEMO:
        raise typer.BadParameter(
            "the demo came without checkpoints and without its text; this needs a run of your own: "
            "topklm quickstart"
        )
    return path


def name_of(path: str) -> str:
    """Return what the user calls a run, for a command that is suggested."""
    from ..training.shipped import name_of

    return name_of(path)


RunPath = Annotated[
    str,
    typer.Argument(
        parser=run_path,
        metavar="RUN",
        help="A run's directory, or 'demo': the model that ships with topklm.",
        show_default=False,
    ),
]

OwnRunPath = Annotated[
    str, typer.Argument(parser=own_run_path, metavar="RUN", help="A run's directory.", show_default=False)
]


def whole(text: str) -> Any:
    """Declare an option that takes a whole number, with its help."""
    return typer.Option(help=text, parser=_whole_number, metavar="N")


def decimal(text: str) -> Any:
    """Declare an option that takes a number, with its help."""
    return typer.Option(help=text, parser=_decimal_number, metavar="X")


def _whole_number(text: str) -> int:
    try:
        return int(str(text).replace("_", ""))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no whole number") from None


def _decimal_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no number") from None


def say(message: str) -> None:
    """Print one message line on standard error; of several processes, the main one does."""
    if is_main():
        complain(message)


def complain(message: str) -> None:
    """Print one message line on standard error, whichever process this is."""
    from ..training.shipped import named

    message = named(message)
    sys.stderr.write(message.rstrip("\n") + "\n")
    sys.stderr.flush()


@contextlib.contextmanager
def resumable() -> "Iterator[None]":
    """Say, where work is interrupted that keeps what is done, how to go on. Raises Interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted; what is done is kept: the same command goes on from there") from None


def put(text: str) -> None:
    """Print a result on standard output; of several processes, the main one does."""
    if is_main():
        sys.stdout.write(text + "\n")


def put_json(content: Any) -> None:
    """Print a result as strict JSON: infinite and undefined numbers become null."""
    put(json.dumps(finite(content), indent=2, ensure_ascii=False, allow_nan=False))


def put_drawing(draw: "Callable[[bool, int | None], Text]") -> None:
    """Print a drawing on standard output, fitted to where it goes.

    draw: given whether there are colours and how wide a line may be (None: as long as it likes, into a
    pipe or file), returns the drawing.
    """
    from rich.console import Console

    console = Console(file=sys.stdout)
    colour = console.color_system is not None and not console.no_color
    console.print(draw(colour, console.width if console.is_terminal else None), soft_wrap=True)


def error_console() -> "Console | None":
    """Return a console on standard error, for progress bars; None but in the main process."""
    from rich.console import Console

    return Console(stderr=True) if is_main() else None


def number(estimate: "Estimate", digits: int = 3) -> str:
    """Write an estimate with its interval."""
    value, low, high = (f"{part:.{digits}f}" for part in estimate)
    return f"{value} [{low}, {high}]"
