"""Turn a story's variables into the slots that its sentences use, labels included."""

import re
from functools import cache

from .content.names import TIMES
from .content.senses import SEASON_SENSE
from .registry import word_concepts, word_senses
from .template import Label
from .variables import Dice, Variables

Filler = tuple[str, tuple[Label, ...]]  # the text of a slot and its labels
Slots = dict[str, Filler]

_WORD = re.compile(r"\w+")
_OF_THE_SPEAKER = re.compile(r"\b(?:I|me|my|myself)\b")
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


def spoken_labels(text: str, marks: tuple[str, ...]) -> tuple[Label, ...]:
    """Return the labels of "I" and "my" in what somebody says; `marks` are the open concepts."""
    return tuple(
        (match.start(), match.end(), "pronoun:" + mark.removeprefix("speech:"))
        for mark in marks
        if mark.startswith("speech:")
        for match in _OF_THE_SPEAKER.finditer(text)
    )


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
