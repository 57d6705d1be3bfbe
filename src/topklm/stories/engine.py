"""Tell stories: draw the variables, walk through the plot, write sentence after sentence."""

import random
from collections.abc import Iterator
from functools import cache
from itertools import count, islice
from math import log2
from typing import NamedTuple

from .content import endings, openings, plots_deeds, plots_things
from .content.plots import BRIEF_BEYOND, PLOTS, SKIP_BEYOND, Step
from .content.topics import TOPICS
from .content.traits import TRAITS
from .inflect import article
from .registry import ALIASES
from .slots import (
    Slots,
    labels_of,
    person_slots,
    spoken_labels,
    story_slots,
    thing_slot,
)
from .template import (
    ARTICLE_SLOT,
    CAPITAL_SLOT,
    CHOICE,
    LITERAL,
    MARK,
    SLOT,
    Grammar,
    Label,
    Nodes,
    compile_sentence,
)
from .variables import Dice, Variables, draw, unseen_bits


class Span(NamedTuple):
    """A stretch of a story's text, in characters, that stands for a concept."""

    start: int
    end: int
    concept: str


class Story(NamedTuple):
    """One story with its labels."""

    text: str
    spans: tuple[Span, ...]
    """In order of start, then end, then concept"""
    variables: Variables
    path_bits: float
    """Minus log2 of the probability of all the choices that the text shows: an upper bound on its
    information, since another path might lead to the same text"""


@cache
def sentences() -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the sentences by (pool, topic); the topic is empty for general pools."""
    plots = plots_things.POOLS | plots_deeds.POOLS
    pools = {(name, ""): frames for name, frames in plots.items()}
    pools["open", ""] = openings.OPEN
    pools["leave", ""] = openings.LEAVE
    pools["return", ""] = openings.RETURN
    pools["meet", ""] = openings.MEET
    pools["coda", ""] = endings.CODA
    for prefix, table in (
        ("season", openings.SEASON),
        ("mood", openings.MOOD),
        ("remark", openings.REMARK),
        ("turn", endings.TURN),
        ("end", endings.END),
    ):
        for name, frames in table.items():
            pools[f"{prefix}/{name}", ""] = frames
    for trait in TRAITS:
        pools[f"told/{trait.name}", ""] = trait.told
        pools[f"decide/{trait.name}", ""] = trait.decides
        pools[f"seek/{trait.name}", ""] = trait.seeks
        pools[f"hold/{trait.name}", ""] = trait.holds
    for topic in TOPICS:
        pools["scene", topic.name] = topic.scenes
        pools["trouble", topic.name] = tuple(f"<trouble={frame}>" for frame in topic.troubles)
        pools["talk", topic.name] = topic.talks
    return pools


@cache
def _slot_names() -> frozenset[str]:
    """Return the names of all slots, from a story drawn for the purpose."""
    dice = Dice(random.Random(0).random)
    variables = draw(dice)
    return frozenset(story_slots(variables, dice)) | frozenset(_people(variables, "hero"))


def _people(variables: Variables, holder: str) -> Slots:
    v = variables
    slots: Slots = {}
    for role, name, gender in (
        ("hero", v.hero, v.hero_gender),
        ("friend", v.friend, v.friend_gender),
        ("other", v.other, v.other_gender),
    ):
        speaker = role == "hero" and v.narrator == "first"
        slots |= person_slots(role, name, gender, speaker=speaker, holds=role == holder)
    return slots


@cache
def _compiled(pool: str, topic: str, grammar: Grammar) -> tuple[Nodes, ...]:
    """Return the compiled sentences of a pool, short ones first."""
    table = sentences()
    frames = table[pool, ""] if (pool, "") in table else table[pool, topic]

    def label(text: str, marks: tuple[str, ...]) -> tuple[Label, ...]:
        return labels_of(text, topic) + spoken_labels(text, marks)

    return tuple(
        compile_sentence(_expand(frame), grammar, label=label, slots=_slot_names())
        for frame in sorted(frames, key=len)
    )


def _expand(frame: str) -> str:
    for short, name in ALIASES.items():
        frame = frame.replace(f"<{short}=", f"<{name}=")
    return frame


class _Teller:
    """Writes one story; the state of the text so far."""

    def __init__(self, number: random.Random):
        self.dice = Dice(number.random)
        self.variables = draw(self.dice)
        self.slots = story_slots(self.variables, self.dice)
        self.slots.update(_people(self.variables, ""))
        self.grammar = Grammar(self.variables.tense, self.variables.narrator == "first")
        self.parts: list[str] = []
        self.spans: list[Span] = []
        self.length = 0
        self.used: set[tuple[str, int]] = set()
        self.shown: set[str] = set()

    def write(self, nodes: Nodes) -> None:
        """Append the text of compiled nodes and its labels."""
        parts, spans, slots, shown = self.parts, self.spans, self.slots, self.shown
        for kind, value, extra in nodes:
            if kind == LITERAL:
                text, labels = value, extra
            elif kind == SLOT:
                text, labels = slots[value]
                shown.add(value)
            elif kind == CHOICE:
                self.dice.bits += extra
                self.write(value[int(self.dice.number() * len(value))])
                continue
            elif kind == MARK:
                start = self.length
                self.write(value)
                spans.append(Span(start, self.length, extra))
                continue
            else:
                text, labels = slots[value]
                shown.add(value)
                if kind == CAPITAL_SLOT:
                    text = text[:1].upper() + text[1:]
                else:
                    assert kind == ARTICLE_SLOT
                    before = article(text)
                    parts.append(before)
                    self.length += len(before)
            length = self.length
            for start, end, concept in labels:
                spans.append(Span(length + start, length + end, concept))
            parts.append(text)
            self.length = length + len(text)

    def say(self, pool: str) -> None:
        """Write one sentence of a pool that this story has not used yet."""
        frames = _compiled(pool, self.variables.topic, self.grammar)
        count = len(frames)
        for limit in BRIEF_BEYOND:
            if self.length > limit:
                count = (count + 1) // 2
        self.dice.bits += log2(count)  # the sentences already used make the true cost smaller
        while True:
            which = int(self.dice.number() * count)
            if (pool, which) not in self.used:
                break
        self.used.add((pool, which))
        if self.parts:
            self.parts.append(" ")
            self.length += 1
        first = len(self.parts)
        self.write(frames[which])
        self.parts[first] = self.parts[first][:1].upper() + self.parts[first][1:]

    def take(self, step: Step) -> None:
        """Write one step of the plot and follow who holds the thing."""
        v = self.variables
        pool = step.pool
        if "{" in pool:
            pool = pool.replace("{trait}", v.trait).replace("{lie}", v.lie)
            self.shown.add("lie" if "{lie}" in step.pool else "trait")
        self.say(pool)
        if step.holder:
            self.slots.update(_people(v, step.holder))
        if step.lost is not None:
            self.slots["T"] = thing_slot(v.thing, v.topic, lost=step.lost)

    def tell(self) -> Story:
        """Write the whole story."""
        v = self.variables
        self.say("open")
        self.say(f"told/{v.trait}")
        season = self.length < SKIP_BEYOND["season"] and self.dice.chance(0.5)
        if season:
            self.say(f"season/{v.season}")
            self.shown.add("season")
        self.say(f"mood/{v.mood}")
        if not season and self.dice.chance(0.4):
            self.say(f"remark/{v.mood}")
        for step in (Step("scene"), *PLOTS[v.plot][v.worth]):
            if self.length < SKIP_BEYOND.get(step.pool, self.length + 1):
                self.take(step)
        if v.luck == "turned":
            self.say(f"turn/{v.worth}")
        self.say(f"end/{v.outcome}")
        if self.length < SKIP_BEYOND["coda"] and self.dice.chance(0.3):
            self.say("coda")
        self.spans.sort()
        bits = self.dice.bits - unseen_bits(v.topic, self.shown)
        return Story("".join(self.parts), tuple(self.spans), v, bits)


def sample_sentences(n: int) -> Iterator[tuple[str, list[Span]]]:
    """Yield every sentence of every pool n times, each in the middle of a story of its own."""
    number = random.Random(0)
    by_topic: dict[str, list[_Teller]] = {topic.name: [] for topic in TOPICS}
    while any(len(tellers) < n for tellers in by_topic.values()):
        teller = _Teller(number)
        by_topic[teller.variables.topic].append(teller)
    everybody = [teller for tellers in by_topic.values() for teller in tellers]
    for (pool, topic), frames in sentences().items():
        for which in range(len(frames)):
            for teller in number.sample(by_topic[topic] if topic else everybody, n):
                compiled = _compiled(pool, teller.variables.topic, teller.grammar)
                teller.parts, teller.spans, teller.length = [], [], 0
                teller.write(compiled[which])
                yield "".join(teller.parts), teller.spans


_LIMIT = 1 << 64


class Stories:
    """An endless, deterministic corpus of labelled stories.

    Story i of seed s depends on (s, i) alone, so any process can make any part of the corpus.

        for story in Stories(seed=1).take(3):
            print(story.text, story.variables.topic, story.spans[0])

    Raises ValueError for a seed outside 0..2**64-1.
    """

    def __init__(self, seed: int = 0):
        if not 0 <= seed < _LIMIT:
            raise ValueError(f"seed={seed} is outside 0..2**64-1; choose a number in it")
        self.seed = seed

    def story(self, index: int) -> Story:
        """Return story number `index` (0..2**64-1); ValueError outside."""
        if not 0 <= index < _LIMIT:
            raise ValueError(f"index={index} is outside 0..2**64-1; choose a number in it")
        return _Teller(random.Random(self.seed * _LIMIT + index)).tell()

    def __iter__(self) -> Iterator[Story]:
        return map(self.story, count())

    def take(self, n: int, start: int = 0) -> Iterator[Story]:
        """Return the stories start, start + 1, ..., n of them; ValueError if either is negative."""
        if n < 0 or start < 0:
            raise ValueError(f"n={n} and start={start} must not be negative; choose 0 or more")
        return islice(map(self.story, count(start)), n)

    def __repr__(self) -> str:
        return f"Stories(seed={self.seed})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stories) and other.seed == self.seed

    def __hash__(self) -> int:
        return hash((Stories, self.seed))
