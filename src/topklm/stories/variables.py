"""Draw the hidden variables of a story. How they become words: slots.py."""

from collections.abc import Callable
from functools import cache
from math import log2
from typing import NamedTuple, TypeVar

from .content.names import (
    DEADLINES,
    MEN,
    MOODS,
    RELATIONS,
    SEASONS,
    TIMES,
    WARNINGS,
    WOMEN,
)
from .content.plots import PLOTS
from .content.topics import TOPICS
from .content.traits import TRAITS

T = TypeVar("T")


class Variables(NamedTuple):
    """What a story is about; the rest of it is a choice of wording."""

    topic: str
    plot: str
    """loan, lost, errand, contest, favour or secret"""
    tense: str
    """past or present"""
    narrator: str
    """first (the hero tells the story) or third"""
    season: str
    time: str
    """morning, noon, evening or night"""
    mood: str
    """cheerful, gloomy, anxious or calm"""
    trait: str
    """The hero's trait, which decides the outcome"""
    worth: str
    """good or bad: whether the trait is one that leads to a good end"""
    luck: str
    """fair, or turned: the outcome is not quite what the trait deserves"""
    outcome: str
    """happy, sad or bittersweet; follows from worth and luck"""
    hero: str
    hero_gender: str
    friend: str
    friend_gender: str
    relation: str
    """What the friend is to the hero: sister, uncle, neighbour, ..."""
    other: str
    other_gender: str
    role: str
    """What the third person is: captain, baker, ..."""
    place: str
    far: str
    """Where the journey goes, if there is one"""
    thing: str
    """What is lent, lost, carried or given, if anything is"""
    items: tuple[str, ...]
    """Three smaller things, with their articles"""
    goal: str
    task: str
    due: str
    warning: str
    lie: str
    """lie or truth: whether the third person took the thing and denies it (plot lost)"""


class Dice:
    """Uniform choices from a source of numbers in [0, 1), with the bits that they cost."""

    __slots__ = ("bits", "number")

    def __init__(self, number: Callable[[], float]):
        self.number = number
        self.bits = 0.0

    def one(self, options: tuple[T, ...]) -> T:
        """Return one of the options, all equally likely."""
        count = len(options)
        self.bits += log2(count)
        return options[int(self.number() * count)]

    def chance(self, share: float) -> bool:
        """Return True with probability `share`."""
        hit = self.number() < share
        self.bits -= log2(share if hit else 1 - share)
        return hit

    def other(self, options: tuple[T, ...], taken: tuple[T, ...]) -> T:
        """Return one of the options that is not taken."""
        # Drawing again costs less than a new tuple; the bits are those of the options left.
        left = len(options) - sum(item in options for item in taken)
        self.bits += log2(left)
        while True:
            option = options[int(self.number() * len(options))]
            if option not in taken:
                return option


_PLOT_NAMES = tuple(PLOTS)
_TIME_NAMES = tuple(TIMES)
_NAMES = {"f": WOMEN, "m": MEN}
_GENDERS = ("f", "m")
_TENSES = ("past", "present")


def draw(dice: Dice) -> Variables:
    """Draw the hidden variables of one story."""
    one = dice.one
    topic = one(TOPICS)
    trait = one(TRAITS)
    worth = "good" if trait.good else "bad"
    luck = "turned" if dice.chance(0.3) else "fair"
    hero_gender = one(_GENDERS)
    hero = one(_NAMES[hero_gender])
    relation, friend_gender = one(RELATIONS)
    if friend_gender == "-":
        friend_gender = one(_GENDERS)
    friend = dice.other(_NAMES[friend_gender], (hero,))
    other_gender = one(_GENDERS)
    first = one(topic.items)
    second = dice.other(topic.items, (first,))
    return Variables(
        topic=topic.name,
        plot=one(_PLOT_NAMES),
        tense=one(_TENSES),
        narrator="first" if dice.chance(0.45) else "third",
        season=one(SEASONS),
        time=one(_TIME_NAMES),
        mood=one(MOODS),
        trait=trait.name,
        worth=worth,
        luck=luck,
        outcome="bittersweet" if luck == "turned" else "happy" if trait.good else "sad",
        hero=hero,
        hero_gender=hero_gender,
        friend=friend,
        friend_gender=friend_gender,
        relation=relation,
        other=dice.other(_NAMES[other_gender], (hero, friend)),
        other_gender=other_gender,
        role=one(topic.roles),
        place=one(topic.places),
        far=one(topic.far),
        thing=one(topic.things),
        items=(first, second, dice.other(topic.items, (first, second))),
        goal=one(topic.goals),
        task=one(topic.tasks),
        due=one(DEADLINES),
        warning=one(WARNINGS),
        lie="lie" if dice.chance(0.5) else "truth",
    )


@cache
def _bits_of_slots(topic: str) -> tuple[tuple[frozenset[str], float], ...]:
    """Return, for variables that not every story shows, their slots and their bits."""
    t = next(t for t in TOPICS if t.name == topic)
    table = {
        ("T",): len(t.things),
        ("Q", "atQ"): len(t.far),
        ("role",): len(t.roles),
        ("goal",): len(t.goals),
        ("task",): len(t.tasks),
        ("i3", "n3"): len(t.items) - 2,
        ("due",): len(DEADLINES),
        ("warning",): len(WARNINGS),
        ("season",): len(SEASONS),
        ("when", "then"): len(TIMES),
        ("when",): len(TIMES["noon"]),
        ("lie",): 2,
    }
    return tuple((frozenset(slots), log2(count)) for slots, count in table.items())


def unseen_bits(topic: str, used: set[str]) -> float:
    """Return the bits of variables that a story drew but does not show, given the slots it used.

    The text does not depend on them, so their choices are no part of its path.
    """
    return sum(bits for slots, bits in _bits_of_slots(topic) if slots.isdisjoint(used))
