"""Read a story-like text without a language model: topic, people, mood, outcome, concepts.

Words carry their lexical concepts, ambiguous words the sense that the topic gives them. Every
other concept is recognised by its cues: short runs of words that the generator uses (almost)
nowhere else. They are learnt once per process from the sentences themselves, so they are never out
of date. Generated text need not be perfect: a concept needs a few of its many cues.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from itertools import chain
from typing import NamedTuple

from .align import align
from .content.names import DEADLINES, MEN, WARNINGS, WOMEN
from .content.topics import TOPICS
from .engine import Stories, sample_sentences
from .inflect import verbs
from .registry import AMBIGUOUS, CONCEPTS, word_concepts, word_senses

Run = tuple[str, ...]

_WORD = re.compile(r"\w+(?:'s)?|[.,:?!\"]")
_SHORTEST, _LONGEST = 2, 5  # words and marks in a cue
_N_SAMPLES = 6  # of every sentence
_N_STORIES = 300  # whole ones, to see what happens to stand side by side
_SEED = (1 << 64) - 1  # far from the seeds that people choose
_ENOUGH = 5  # half words of cues that a concept needs, so that no single cue decides
_SHARE = 0.4  # of a run that must lie inside the concept
_PRECISION = 0.98  # share of a cue's occurrences that touch its concept
_BEFORE_SEASON = frozenset({"that", "every", "is", "was", "in"})
_QUOTE = re.compile(r'"[^"]*"')
_PERSONAL = re.compile(r"\b(?:he|him|his|she|her|himself|herself)\b", re.IGNORECASE)
_DENIAL = {"lie": "denial", "denial:true": "denial"}
_NAMES = ("name:hero", "name:friend", "name:other")  # in the order in which a story needs them
# Labels of single words, or decided by the sentence before: most of a cue lies around them.
_MARKS = frozenset({"giver", "receiver", "pronoun:friend", "pronoun:other", "irony"})
_RULED = frozenset({"holder", "thing:lost", "pronoun:hero", *_NAMES})
# Concepts that come only with a central thing that somebody holds.
_HANDED = frozenset({"giver", "receiver", "secret", "search", "loss"})
_PRONOUNS = {
    **dict.fromkeys(("he", "she", "i"), "<he>"),
    **dict.fromkeys(("him", "her", "me", "his", "my"), "<him>"),
    **dict.fromkeys(("they", "we"), "<they>"),
    **dict.fromkeys(("them", "us"), "<them>"),
    **dict.fromkeys(("himself", "herself", "myself"), "<self>"),
}


class Judgement(NamedTuple):
    """What a text says, as far as its words show it."""

    topic: str
    """Empty if no word belongs to a topic"""
    people: tuple[str, ...]
    """Names in order of first mention"""
    mood: str
    """cheerful, gloomy, anxious, calm, or empty"""
    outcome: str
    """happy, sad, bittersweet, or empty"""
    concepts: frozenset[str]
    """Names of the concepts that occur"""


@cache
def _normal_forms() -> dict[str, str]:
    """Map names, pronouns and verb forms to one form each: cues should not depend on them."""
    forms = {form: verb.base for verb in verbs().values() for form in verb}
    forms |= dict.fromkeys(("is", "was", "am", "are", "were"), "be")
    forms |= _PRONOUNS
    forms |= {name.lower() + end: "<name>" for name in (*WOMEN, *MEN) for end in ("", "'s")}
    return forms


@cache
def _fillers() -> dict[str, list[tuple[list[str], str]]]:
    """Return what fills the slots of things, places, deeds: by first word, the longest first."""
    kinds: dict[str, Iterable[str]] = {"<due>": DEADLINES, "<warning>": WARNINGS}
    for topic in TOPICS:
        kinds |= {
            f"<thing>{topic.name}": topic.things,
            f"<role>{topic.name}": topic.roles,
            f"<goal>{topic.name}": topic.goals,
            f"<task>{topic.name}": topic.tasks,
            f"<item>{topic.name}": [item.split(" ", 1)[1] for item in topic.items],
            f"<place>{topic.name}": [p.split(" ", 1)[1] for p in (*topic.places, *topic.far)],
        }
    table: defaultdict[str, list[tuple[list[str], str]]] = defaultdict(list)
    for kind, texts in kinds.items():
        for text in texts:
            words = _WORD.findall(text.lower())
            table[words[0]].append((words, kind[: kind.index(">") + 1]))
    for options in table.values():
        options.sort(key=lambda option: -len(option[0]))
    return dict(table)


def _read(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the normalised words of a text and where they stand; a filler is one word."""
    forms, fillers = _normal_forms(), _fillers()
    matches = list(_WORD.finditer(text))
    lower = [match.group().lower() for match in matches]
    words: list[str] = []
    offsets: list[tuple[int, int]] = []
    at = 0
    while at < len(lower):
        length, normal = 1, forms.get(lower[at], lower[at])
        for filler, kind in fillers.get(lower[at], ()):
            if lower[at : at + len(filler)] == filler:
                length, normal = len(filler), kind
                break
        words.append(normal)
        offsets.append((matches[at].start(), matches[at + length - 1].end()))
        at += length
    return words, offsets


def _runs(words: list[str]) -> Iterable[tuple[int, Run]]:
    for start in range(len(words)):
        for end in range(start + _SHORTEST, min(start + _LONGEST, len(words)) + 1):
            yield start, tuple(words[start:end])


@cache
def _by_cue() -> frozenset[str]:
    """Return the concepts that cues recognise: neither lexical ones nor senses of a word."""
    return frozenset(
        concept.name
        for concept in CONCEPTS
        if concept.kind != "lexical" and "/" not in concept.name and concept.name not in _RULED
    )


@cache
def _cues() -> dict[Run, tuple[str, ...]]:
    """Return for every cue its concepts: runs that touch them in (almost) all sentences."""
    wanted = _by_cue()
    total: Counter[Run] = Counter()
    touching: defaultdict[str, Counter[Run]] = defaultdict(Counter)
    stories = ((story.text, story.spans) for story in Stories(_SEED).take(_N_STORIES))
    for text, spans in chain(sample_sentences(_N_SAMPLES), stories):
        words, offsets = _read(text)
        labels = [wanted.intersection(concepts) for concepts in align(spans, offsets)]
        for start, run in _runs(words):
            total[run] += 1
            inside = labels[start : start + len(run)]
            for concept in set().union(*inside):
                share = sum(concept in concepts for concepts in inside) / len(run)
                if share >= _SHARE or concept in _MARKS:
                    touching[_DENIAL.get(concept, concept)][run] += 1
    cues: defaultdict[Run, list[str]] = defaultdict(list)
    for concept, counts in touching.items():
        for run, n in counts.items():
            if n > 1 and n >= _PRECISION * total[run]:
                cues[run].append(concept)
    return {run: tuple(concepts) for run, concepts in cues.items()}


def _by_rule(concepts: set[str]) -> set[str]:
    """Return the concepts that no single sentence shows, given those that sentences show."""
    found = set()
    if "denial" in concepts:  # the same words in both cases; what came out later decides
        found.add("lie" if "confession" in concepts else "denial:true")
    if "search" in concepts or {"promise", "loss"} <= concepts:
        found.add("thing:lost")
    if "receiver" in concepts:
        found.add("giver")
    if concepts & _HANDED:
        found.add("holder")
    return found


def _roles(text: str, n_people: int) -> set[str]:
    """Return whose names and pronouns a text has room for; who tells a story is not named in it."""
    told_by_hero = re.search(r"\b(?:I|my|me)\b", _QUOTE.sub("", text)) is not None
    found = set(_NAMES[1 : n_people + 1] if told_by_hero else _NAMES[:n_people])
    if n_people and (told_by_hero or _PERSONAL.search(text)):
        found.add("pronoun:hero")
    return found


def _topic(words: list[str]) -> str:
    """Return the topic that most words belong to; an ambiguous word votes for each of its own."""
    votes: Counter[str] = Counter()
    for word in words:
        for concept in word_concepts().get(word, ()):
            if concept.startswith("topic:"):
                votes[concept.removeprefix("topic:")] += 2
        votes.update(list(AMBIGUOUS.get(word, ())))
    return votes.most_common(1)[0][0] if votes else ""


def _senses(words: list[str], topic: str) -> set[str]:
    senses = word_senses(topic)
    found = set()
    for at, word in enumerate(words):
        if word == "spring" and at and words[at - 1] in _BEFORE_SEASON:
            found.add("spring/season")
        elif word in senses:
            found.update(senses[word])
        elif word == "spring":
            found.add("spring/season")
    return found


def _strongest(hits: Counter[str], prefix: str) -> str:
    """Return the concept below a prefix with most cues, without the prefix."""
    names = [name for name in hits if name.startswith(prefix) and hits[name] >= _ENOUGH]
    return max(names, key=lambda name: hits[name], default="").removeprefix(prefix)


def judge(text: str) -> Judgement:
    """Read a text, true or generated, and say what it is about; see the module for how.

    The first call learns the cues, which takes a few seconds.
    """
    normal, _ = _read(text)
    words = [word.lower().removesuffix("'s") for word in _WORD.findall(text)]
    cues = _cues()
    hits: Counter[str] = Counter()
    for _, run in _runs(normal):
        for concept in cues.get(run, ()):
            hits[concept] += len(run) // 2  # the longer the cue, the less it is chance
    concepts = {concept for concept, n in hits.items() if n >= _ENOUGH}
    topic = _topic(words)
    concepts |= {name for word in words for name in word_concepts().get(word, ())}
    concepts |= _senses(words, topic)
    named = {name.lower(): name for name in (*WOMEN, *MEN)}
    people = tuple(dict.fromkeys(named[word] for word in words if word in named))
    concepts |= _by_rule(concepts) | _roles(text, len(people))
    concepts.discard("denial")
    return Judgement(
        topic=topic,
        people=people,
        mood=_strongest(hits, "mood:"),
        outcome=_strongest(hits, "ending:"),
        concepts=frozenset(concepts),
    )
