"""The stories as a training corpus: `stories`, or `stories:SEED`."""

from collections.abc import Iterator, Mapping

from ..core.errors import CorpusError
from .engine import Stories


def documents(argument: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield (text, labels) without end; the labels are the story's variables that are one word.

    argument: the seed, or nothing for 0. Raises CorpusError where it is no seed.
    """
    if argument and not argument.isdecimal():
        raise CorpusError(f"'stories:{argument}': the seed is a whole number, as in stories:7")
    try:
        return _told(Stories(int(argument or 0)))
    except ValueError as error:
        raise CorpusError(f"'stories:{argument[:40]}': {error}") from None


def _told(stories: Stories) -> Iterator[tuple[str, Mapping[str, str]]]:
    for story in stories:
        variables = story.variables._asdict()
        yield story.text, {name: value for name, value in variables.items() if isinstance(value, str)}
