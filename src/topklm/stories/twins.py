"""Twin stories: the same story told twice, with some hidden variables changed, and where they differ.

All else is held fast: the same dice fall for both. The tasks made of them: topklm.evaluation.
"""

import random
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .engine import Span, _compiled, _people, _Teller
from .slots import story_slots
from .variables import Variables

_WORD = re.compile(r"\S+")
_EDGES = ' .,:;?!"'


class Said(NamedTuple):
    """One sentence of a told story."""

    pool: str
    which: int
    """Its number in the pool"""
    start: int
    """In characters, of the sentence itself; the space before it is not part of it"""
    end: int
    first: int
    """Its first part, the number of parts before it"""


class Told(NamedTuple):
    """A story told with chosen variables, sentence by sentence."""

    text: str
    spans: tuple[Span, ...]
    variables: Variables
    said: tuple[Said, ...]
    parts: tuple[str, ...]
    """What was written one after the other: literal text and fillers of slots; together the text"""


class Site(NamedTuple):
    """A place at which twin stories differ."""

    first: str
    """What the first story says here"""
    second: str
    before_first: str
    """The first story up to here, without the space before `first`"""
    before_second: str
    concepts: frozenset[str]
    """What the first story's words stand for"""
    pool: str


class _Retold(_Teller):
    """Tells the story of given dice with other variables."""

    def __init__(self, seed: int, index: int, change: Callable[[Variables], Variables]) -> None:
        super().__init__(random.Random(seed * (1 << 64) + index))
        self.variables = change(self.variables)
        self.slots = story_slots(self.variables, self.dice)
        self.slots.update(_people(self.variables, ""))
        self.grammar = self.grammar._replace(
            tense=self.variables.tense, first_person=self.variables.narrator == "first"
        )
        self.said: list[Said] = []

    def say(self, pool: str) -> None:
        used, first, start = set(self.used), len(self.parts), self.length + bool(self.parts)
        super().say(pool)
        ((_, which),) = self.used - used
        self.said.append(Said(pool, which, start, self.length, first))


def variables_of(seed: int, index: int) -> Variables:
    """Return the variables that the dice of a story draw."""
    return _Teller(random.Random(seed * (1 << 64) + index)).variables


def retell(seed: int, index: int, change: Callable[[Variables], Variables]) -> Told:
    """Tell story `index` of `seed` with its variables changed.

    change: gets the variables drawn, returns those to tell; it must keep them consistent (a topic's places,
    a good trait's worth). Where two changes leave the plot and the lengths alike, the two texts run parallel.
    """
    teller = _Retold(seed, index, change)
    story = teller.tell()
    return Told(story.text, story.spans, teller.variables, tuple(teller.said), tuple(teller.parts))


def sentences_with(told: Told, *, pool: str, seed: int) -> list[str]:
    """Write every sentence of a pool as the people of a told story would have it in their topic."""
    teller = _Retold(seed, 0, lambda _: told.variables)
    found = []
    for nodes in _compiled(pool, told.variables.topic, teller.grammar):
        teller.parts, teller.spans, teller.length = [], [], 0
        teller.write(nodes)
        text = "".join(teller.parts)
        found.append(text[:1].upper() + text[1:])
    return found


def sites(first: Told, second: Told) -> Iterator[Site]:
    """Yield the places at which twin stories say different things, up to where they stop being parallel.

    Only places that follow a space, and whose last two words before are the same in both.
    """
    for one, other in zip(first.said, second.said, strict=False):
        if (one.pool, one.which) != (other.pool, other.which):
            return
        ends = [_end_of(told, said) for told, said in ((first, one), (second, other))]
        if ends[0] - one.first != ends[1] - other.first:
            return
        places = [len("".join(told.parts[: said.first])) for told, said in ((first, one), (second, other))]
        for number in range(ends[0] - one.first):
            pair = first.parts[one.first + number], second.parts[other.first + number]
            if pair[0] != pair[1]:
                yield from _within(first, second, pair, (places[0], places[1]), one.pool)
            places = [place + len(part) for place, part in zip(places, pair, strict=True)]


def _end_of(told: Told, said: Said) -> int:
    later = [other.first for other in told.said if other.first > said.first]
    return min(later, default=len(told.parts))


def _within(
    first: Told, second: Told, pair: tuple[str, str], places: tuple[int, int], pool: str
) -> Iterator[Site]:
    """Yield the words at which two parallel parts differ."""
    words = [list(_WORD.finditer(part)) for part in pair]
    if len(words[0]) != len(words[1]):
        return
    for one, other in zip(*words, strict=True):
        bare = one.group().strip(_EDGES), other.group().strip(_EDGES)
        if bare[0] == bare[1] or not all(bare):
            continue
        starts = [
            place + match.start() + match.group().index(word)
            for place, match, word in zip(places, (one, other), bare, strict=True)
        ]
        before = first.text[: starts[0]], second.text[: starts[1]]
        if not all(text.endswith(" ") for text in before) or not _same_lead(*before):
            continue
        end = starts[0] + len(bare[0])
        concepts = frozenset(s.concept for s in first.spans if s.start < end and s.end > starts[0])
        yield Site(bare[0], bare[1], before[0][:-1], before[1][:-1], concepts, pool)


def _same_lead(first: str, second: str) -> bool:
    """Tell whether two texts end with the same two words, so that no trigram tells them apart."""
    return first.split()[-2:] == second.split()[-2:]
