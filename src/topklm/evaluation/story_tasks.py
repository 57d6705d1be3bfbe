"""Tasks made of the stories: which of two contexts does a continuation belong to?

The two contexts are one story told twice, with one hidden variable changed, and end alike. So the
continuation by itself says nothing, nor does the last word before it; and every item has a sibling,
the same two contexts with the other one's continuation. Files and runs: task_files.py, harness.py.
"""

import random
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from ..stories.content.names import SEASONS
from ..stories.content.senses import SENSES
from ..stories.content.topics import TOPICS
from ..stories.content.traits import TRAITS
from ..stories.inflect import verbs
from ..stories.twins import Site, Told, retell, sentences_with, sites, variables_of
from ..stories.variables import Variables
from .story_changes import NAMES, third_person, trait_of, two_names, with_fields, with_topic, with_trait

SEED = (1 << 64) - 2
"""Seed of the tasks' stories; training corpora take `stories:N`, whose other seeds share no story with it."""
ITEMS = 500
NEUTRAL = ("cousin", "friend", "neighbour")
"""Relations that do not tell a gender."""
PRONOUNS = frozenset({"he", "she", "him", "her", "his", "himself", "herself"})
Change = Callable[[Variables], Variables]


class Pair(NamedTuple):
    """Two items: each continuation belongs to the context of the same place."""

    contexts: tuple[str, str]
    choices: tuple[str, str]
    """The continuations, with their leading space"""
    story: int


class Maker(NamedTuple):
    """One task: what it asks, and how a pair is made of a story; some stories give none."""

    about: str
    make: Callable[[int, random.Random], Pair | None]


def pairs(name: str, *, items: int = ITEMS, start: int = 0) -> list[Pair]:
    """Make the first items of a task, half as many pairs; from story number `start` on.

    Deterministic; no two pairs have a context and continuation in common.
    """
    found: list[Pair] = []
    seen: set[tuple[str, str]] = set()
    index = start
    while len(found) < items // 2:
        pair = MAKERS[name].make(index, random.Random(f"{name}/{index}"))
        index += 1
        if pair is None or pair.choices[0] == pair.choices[1] or pair.contexts[0] == pair.contexts[1]:
            continue
        keys = set(zip(pair.contexts, pair.choices, strict=True))
        if not keys & seen:
            seen |= keys
            found.append(pair)
    return found


# --- places inside a sentence -------------------------------------------------------------------


def _word_pair(
    index: int, dice: random.Random, changes: tuple[Change, Change], fits: Callable[[Site], bool]
) -> Pair | None:
    """Tell a story twice and take one of the places where the two differ by one word."""
    first, second = (retell(SEED, index, change) for change in changes)
    found = [site for site in sites(first, second) if site.pool != "open" and fits(site)]
    if not found:
        return None
    site = dice.choice(found)
    contexts = site.before_first, site.before_second
    return Pair(contexts, (" " + site.first, " " + site.second), index)


def _tense(index: int, dice: random.Random) -> Pair | None:
    changes = partial(with_fields, tense="past"), partial(with_fields, tense="present")
    return _word_pair(index, dice, changes, lambda site: True)


def _agreement(index: int, dice: random.Random) -> Pair | None:
    forms = {(verb.base, verb.third) for verb in verbs().values()} | {("am", "is")}
    changes = (
        partial(with_fields, tense="present", narrator="first"),
        partial(with_fields, tense="present", narrator="third"),
    )
    return _word_pair(index, dice, changes, lambda site: (site.first, site.second) in forms)


def _pronouns(index: int, dice: random.Random) -> Pair | None:
    woman, man = two_names(dice, ("f", "m"))
    relation = dice.choice(NEUTRAL)
    common: dict[str, Any] = {
        "narrator": "third",
        "relation": relation,
        **third_person(variables_of(SEED, index), dice, (woman, man)),
    }
    changes = (
        partial(with_fields, **common, hero=woman, hero_gender="f", friend=man, friend_gender="m"),
        partial(with_fields, **common, hero=man, hero_gender="m", friend=woman, friend_gender="f"),
    )

    def fits(site: Site) -> bool:
        return {site.first, site.second} <= PRONOUNS and _both_named(site, (woman, man))

    return _word_pair(index, dice, changes, fits)


def _people(index: int, dice: random.Random) -> Pair | None:
    gender = dice.choice("fm")
    one, other = two_names(dice, (gender, gender))
    common: dict[str, Any] = {
        "narrator": "third",
        "relation": dice.choice(NEUTRAL),
        "hero_gender": gender,
        "friend_gender": gender,
        **third_person(variables_of(SEED, index), dice, (one, other)),
    }
    changes = (
        partial(with_fields, **common, hero=one, friend=other),
        partial(with_fields, **common, hero=other, friend=one),
    )
    return _word_pair(index, dice, changes, lambda site: _both_named(site, (one, other), in_site=True))


def _ownership(index: int, dice: random.Random) -> Pair | None:
    gender = dice.choice("fm")
    one, other = two_names(dice, (gender, gender))
    hero_gender = dice.choice("fm")
    hero = dice.choice([name for name in NAMES[hero_gender] if name not in (one, other)])
    common: dict[str, Any] = {
        "plot": dice.choice(("loan", "secret", "lost")),
        "relation": dice.choice(NEUTRAL),
        "hero": hero,
        "hero_gender": hero_gender,
        "friend_gender": gender,
        "other_gender": gender,
    }
    changes = (
        partial(with_fields, **common, friend=one, other=other),
        partial(with_fields, **common, friend=other, other=one),
    )
    owning = {"giver", "receiver", "holder", "promise:kept", "confession"}

    def fits(site: Site) -> bool:
        return bool(owning & site.concepts) and _both_named(site, (one, other), in_site=True)

    return _word_pair(index, dice, changes, fits)


def _both_named(site: Site, names: tuple[str, str], *, in_site: bool = False) -> bool:
    """Tell whether both names stand before a place in both stories (and, `in_site`, at the place)."""
    here = {site.first.removesuffix("'s"), site.second.removesuffix("'s")}
    named = all(name in text for name in names for text in (site.before_first, site.before_second))
    return named and (not in_site or here == set(names))


# --- whole sentences ----------------------------------------------------------------------------


def _sentence_pair(
    index: int, changes: tuple[Change, Change], pools: tuple[tuple[str, ...], tuple[str, ...]]
) -> Pair | None:
    """Tell a story twice and take from each the first sentence of its pools."""
    contexts, choices = [], []
    for change, names in zip(changes, pools, strict=True):
        cut = _cut(retell(SEED, index, change), names)
        if cut is None:
            return None
        contexts.append(cut[0])
        choices.append(cut[1])
    if contexts[0][-1] != contexts[1][-1]:  # the sign that ends the sentence before
        return None
    return Pair((contexts[0], contexts[1]), (choices[0], choices[1]), index)


def _cut(told: Told, pools: tuple[str, ...]) -> tuple[str, str] | None:
    for said in told.said:
        if said.pool in pools:
            return told.text[: said.start - 1], told.text[said.start - 1 : said.end]
    return None


def _promises(index: int, dice: random.Random) -> Pair | None:
    plot = dice.choice(("loan", "secret"))
    changes = tuple(partial(with_trait, trait=trait_of(dice, good), plot=plot) for good in (True, False))
    pools = {"loan": ("loan/kept", "loan/broken"), "secret": ("secret/kept", "secret/spilt")}[plot]
    return _sentence_pair(index, (changes[0], changes[1]), ((pools[0],), (pools[1],)))


def _endings(index: int, dice: random.Random) -> Pair | None:
    changes = tuple(partial(with_trait, trait=trait_of(dice, good)) for good in (True, False))
    return _sentence_pair(index, (changes[0], changes[1]), (("end/happy",), ("end/sad",)))


def _character(index: int, dice: random.Random) -> Pair | None:
    good = dice.random() < 0.5
    one, other = dice.sample([trait.name for trait in TRAITS if trait.good == good], 2)
    pools = tuple(tuple(f"{stage}/{name}" for stage in ("decide", "seek", "hold")) for name in (one, other))
    changes = partial(with_trait, trait=one), partial(with_trait, trait=other)
    return _sentence_pair(index, changes, (pools[0], pools[1]))


def _seasons(index: int, dice: random.Random) -> Pair | None:
    one, other = dice.sample(SEASONS, 2)
    changes = partial(with_fields, season=one), partial(with_fields, season=other)
    pair = _sentence_pair(index, changes, ((f"season/{one}",), (f"season/{other}",)))
    named = pair and all(
        season in context for season, context in zip((one, other), pair.contexts, strict=True)
    )
    return pair if named else None


def _topics(index: int, dice: random.Random) -> Pair | None:
    one, other = dice.sample([topic.name for topic in TOPICS], 2)
    plot = dice.choice(("loan", "errand", "contest", "favour"))
    changes = tuple(partial(with_topic, topic=name, dice=dice, plot=plot) for name in (one, other))
    return _sentence_pair(index, (changes[0], changes[1]), (("trouble",), ("trouble",)))


def _senses(index: int, dice: random.Random) -> Pair | None:
    word = dice.choice(sorted(SENSES))
    told = [
        retell(SEED, index, partial(with_topic, topic=topic, dice=dice, plot="contest"))
        for topic in dice.sample(sorted(SENSES[word]), 2)
    ]
    cuts = [_cut(one, ("trouble",)) for one in told]
    split = [_around(word, one, dice) for one in told]
    if None in cuts or None in split:
        return None
    lead = split[0][0]  # type: ignore[index]  # checked above
    contexts = [f"{cut[0]} {lead} {word}" for cut in cuts]  # type: ignore[index]
    choices = [one[1] for one in split]  # type: ignore[index]
    return Pair((contexts[0], contexts[1]), (choices[0], choices[1]), index)


def _around(word: str, told: Told, dice: random.Random) -> tuple[str, str] | None:
    """Return what stands before and after an ambiguous word in a sentence of the story's topic.

    Only sentences that begin with it and an article or the like: the rest then goes with any such beginning.
    """
    found = []
    for pool in ("scene", "trouble"):
        for text in sentences_with(told, pool=pool, seed=SEED):
            before, middle, after = text.partition(f" {word} ")
            if middle and _LEAD.fullmatch(before) and '"' not in after:
                found.append((before, f" {after}"))
    return dice.choice(found) if found else None


_LEAD = re.compile(r"(?:(?:Then|Suddenly|Overnight) )?(?:an?|the|each|every|one)", re.IGNORECASE)


MAKERS: dict[str, Maker] = {
    "agreement": Maker("verb form agrees with a subject further back: I make, Emma makes", _agreement),
    "tense": Maker("verb form agrees with the tense of the story", _tense),
    "pronouns": Maker("he or she: which of two people, a woman and a man, is meant", _pronouns),
    "people": Maker("which of two people of one gender: the hero or the friend", _people),
    "ownership": Maker("who gives, gets or has the thing: the friend or the third person", _ownership),
    "promises": Maker("a promise is kept or broken, after what happened before", _promises),
    "character": Maker(
        "the hero acts by the trait told at the start, not by another of equal worth", _character
    ),
    "endings": Maker("a happy or a sad end, after what happened before", _endings),
    "seasons": Maker("signs of the season that was named", _seasons),
    "topics": Maker("what goes wrong belongs to the story's topic", _topics),
    "senses": Maker("an ambiguous word goes on in the sense of the story's topic", _senses),
}
"""The tasks, by name."""


def rows(name: str, *, items: int = ITEMS, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yield a task's items as JSON objects: pair, story, contexts, continuation, label.

    label: which of the contexts is the right one; 0 in one item of a pair, 1 in the other.
    """
    for number, pair in enumerate(pairs(name, items=items, start=start)):
        for right, continuation in enumerate(pair.choices):
            yield {
                "pair": number,
                "story": pair.story,
                "contexts": list(pair.contexts),
                "continuation": continuation,
                "label": right,
            }
