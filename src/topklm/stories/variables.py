"""Draw the hidden variables of a story, and turn them into the slots that its sentences use."""

import re
from collections.abc import Callable
from functools import cache
from math import log2
from typing import NamedTuple, TypeVar

from topklm.stories.content.names import (
    DEADLINES,
    MEN,
    MOODS,
    RELATIONS,
    SEASONS,
    TIMES,
    WARNINGS,
    WOMEN,
)
from topklm.stories.content.plots import PLOTS
from topklm.stories.content.senses import SEASON_SENSE
from topklm.stories.content.topics import TOPICS
from topklm.stories.content.traits import TRAITS
from topklm.stories.registry import word_concepts, word_senses
from topklm.stories.template import Label

T = TypeVar("T")
Filler = tuple[str, tuple[Label, ...]]  # the text of a slot and its labels
Slots = dict[str, Filler]


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


_WORD = re.compile(r"\w+")
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
        narrator="first" if dice.chance(0.4) else "third",
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


_PRONOUNS = {
    "f": ("she", "her", "her", "herself"),
    "m": ("he", "him", "his", "himself"),
    "I": ("I", "me", "my", "myself"),
}
_PRONOUN_SLOTS = ("he", "him", "his", "self")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def labels_of(text: str, topic: str) -> tuple[Label, ...]:
    """Return the lexical and sense labels of a text under a topic, in order of their starts."""
    words, senses = word_concepts(), word_senses(topic)
    labels: list[Label] = []
    for match in _WORD.finditer(text):
        word = match.group().lower()
        labels += [(match.start(), match.end(), concept) for concept in words.get(word, ())]
        labels += [(match.start(), match.end(), concept) for concept in senses.get(word, ())]
    return tuple(labels)


@cache
def person_slots(role: str, name: str, gender: str, *, speaker: bool, holds: bool) -> Slots:
    """Return the slots of one person (hero, friend or other); the `speaker` tells the story."""
    number = {"hero": "1", "friend": "2", "other": "3"}[role]
    letter = {"hero": "H", "friend": "F", "other": "O"}[role]
    extra = ("holder",) if holds else ()

    def filler(text: str, length: int, *concepts: str) -> Filler:
        return text, tuple((0, length, concept) for concept in (*concepts, *extra))

    gender_name = word_concepts()[name.lower()]
    named = filler(name, len(name), f"name:{role}", *gender_name)
    owner = filler(name + "'s", len(name), f"name:{role}", *gender_name)
    slots: Slots = {letter: named, letter + "s": owner, letter + "o": named, letter + "n": named}
    pronouns = _PRONOUNS["I" if speaker else gender]
    for slot, text in zip(_PRONOUN_SLOTS, pronouns, strict=True):
        slots[slot + number] = filler(text, len(text), f"pronoun:{role}")
    slots["He" + number] = filler(_capital(pronouns[0]), len(pronouns[0]), f"pronoun:{role}")
    if role == "hero":
        # The hero and the friend together.
        both = ("we", "us", "our") if speaker else ("they", "them", "their")
        for slot, text in zip(("they", "them", "their"), both, strict=True):
            slots[slot] = (
                text,
                tuple((0, len(text), f"pronoun:{who}") for who in ("friend", "hero")),
            )
        slots["They"] = _capital(both[0]), slots["they"][1]
    if speaker:
        slots["H"], slots["Ho"], slots["Hs"] = (slots[key] for key in ("he1", "him1", "his1"))
    return slots


@cache
def thing_slot(thing: str, topic: str, *, lost: bool) -> Filler:
    """Return the filler of the central thing, marked while it is lost."""
    extra = ((0, len(thing), "thing:lost"),) if lost else ()
    return thing, labels_of(thing, topic) + extra


@cache
def _plain(text: str, topic: str) -> Filler:
    return text, labels_of(text, topic)


@cache
def _place_slots(place: str, letter: str, topic: str) -> Slots:
    preposition, noun = place.split(" ", 1)
    there = f"{preposition} the {noun}"
    return {letter: _plain(noun, topic), "at" + letter: _plain(there, topic)}


@cache
def _season_slot(season: str, topic: str) -> Filler:
    sense = SEASON_SENSE.get(season)
    if sense is None:
        return _plain(season, topic)
    return season, ((0, len(season), sense),)


@cache
def _item_slots(items: tuple[str, ...], topic: str) -> Slots:
    slots: Slots = {}
    for number, item in enumerate(items, start=1):
        slots[f"i{number}"] = _plain(item, topic)
        slots[f"n{number}"] = _plain("the " + item.split(" ", 1)[1], topic)
    return slots


_THEN = {"morning": "that morning", "noon": "that day", "evening": "that evening"}


def story_slots(variables: Variables, dice: Dice) -> Slots:
    """Return the slots that stay the same through the story."""
    v, topic = variables, variables.topic
    slots = {
        "rel": _plain(v.relation, topic),
        "role": _plain(v.role, topic),
        "goal": _plain(v.goal, topic),
        "task": _plain(v.task, topic),
        "due": _plain(v.due, topic),
        "warning": _plain(v.warning, topic),
        "trait": _plain(v.trait, topic),
        "season": _season_slot(v.season, topic),
        "when": _plain(dice.one(TIMES[v.time]), topic),
        "then": _plain(_THEN.get(v.time, "that night"), topic),
        "T": thing_slot(v.thing, topic, lost=False),
    }
    slots |= _place_slots(v.place, "P", topic) | _place_slots(v.far, "Q", topic)
    slots |= _item_slots(v.items, topic)
    return slots
