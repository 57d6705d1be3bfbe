"""All concepts that labels may name. Which words carry the lexical ones: content/lexicon.py."""

from functools import cache
from typing import Literal, NamedTuple

from .content.lexicon import LEXICON, MAN, WOMAN
from .content.names import MEN, WOMEN
from .content.senses import IMPLIED, PLURALS, SEASON_SENSE, SENSES
from .content.topics import TOPICS
from .inflect import verbs

Kind = Literal["lexical", "contextual", "mixed"]


class Concept(NamedTuple):
    """One concept of the stories.

    `kind` says what it takes to recognise it: `lexical`, the word alone tells (token-type oracle
    F1 above 0.9); `contextual`, only the story tells (below 0.5); `mixed`, the word leaves a few
    readings and the story picks one. The senses of ambiguous words ("bat/animal") are mixed:
    guessing the commoner of two meanings is right more often than not.
    """

    name: str
    kind: Kind
    description: str


# Short names that the sentences use.
ALIASES = {"sh": "speech:hero", "sf": "speech:friend", "so": "speech:other"}

CONTEXTUAL = {
    "name:other": "the name of the third person",
    "pronoun:other": "a pronoun for the third person, their own I included",
    "holder": "whoever has the central thing at this moment, where the narration names them",
    "giver": "who hands the thing over",
    "receiver": "who gets it",
    "thing:lost": "the central thing while it is missing",
    "speech:hero": "words spoken by the hero",
    "speech:friend": "words spoken by the friend",
    "speech:other": "words spoken by the third person",
    "list": "a list of things",
    "trait:told": "what the hero is like, told early",
    "trait:decides": "the moment near the end that this trait decides",
    "leaving": "the hero leaves the place",
    "return": "the hero comes back to it",
    "promise": "a promise is made",
    "promise:kept": "an earlier promise is kept",
    "promise:broken": "an earlier promise is broken",
    "wish": "what the hero wants",
    "wish:granted": "an earlier wish comes true",
    "wish:denied": "an earlier wish does not come true",
    "warning": "somebody warns the hero",
    "warning:heeded": "the hero does as warned",
    "warning:ignored": "the hero does just what the warning was about",
    "advice": "somebody advises the hero",
    "boast": "the rival boasts",
    "practice": "the hero practises",
    "loss": "the thing is found to be gone or broken",
    "search": "the hero looks for it",
    "lie": "a denial by the one who took the thing",
    "denial:true": "the same words by one who did not",
    "confession": "the truth about who took it",
    "help": "somebody helps",
    "refusal": "the hero refuses help to somebody in need",
    "payback": "that somebody helps the hero in turn",
    "payback:refused": "that somebody does not help the hero in turn",
    "secret": "a secret is told to the hero",
    "apology": "somebody says sorry",
    "forgiveness": "somebody forgives the hero",
    "thanks": "somebody thanks the hero",
    "irony": "somebody says the opposite of what is meant",
    "price": "something is lost although all ends well",
    "memory": "the story is remembered later",
    "mood:cheerful": "the cheerful mood of the story",
    "mood:gloomy": "the gloomy mood",
    "mood:anxious": "the anxious mood",
    "mood:calm": "the calm mood",
    "implied:winter": "signs of winter, without its name",
    "implied:spring": "signs of spring, without its name",
    "implied:summer": "signs of summer, without its name",
    "implied:autumn": "signs of autumn, without its name",
    "ending:happy": "a happy end",
    "ending:sad": "a sad end",
    "ending:bittersweet": "an end with both",
    "trouble": "something goes wrong, not by anybody's plan",
}
# Knowing the word already takes one far: names have few owners, and "?" ends questions.
MIXED = {
    "question": "a question that somebody asks",
    "name:friend": "the name of the one who stands by the hero",
    "pronoun:friend": "a pronoun for the friend, their own I included",
    "name:hero": "the name of the hero",
    "pronoun:hero": "a pronoun for the hero, their own I included",
}

AMBIGUOUS: dict[str, dict[str, str]] = {
    word: {topic: f"{word}/{sense}" for topic, sense in by_topic.items()} for word, by_topic in SENSES.items()
}
"""For every ambiguous word the concept it stands for under each of its topics."""


def _all_concepts() -> tuple[Concept, ...]:
    concepts = [Concept(name, "lexical", text) for name, (text, _, _) in LEXICON.items()]
    concepts += [Concept(WOMAN, "lexical", WOMAN), Concept(MAN, "lexical", MAN)]
    concepts += [
        Concept(f"topic:{topic.name}", "lexical", f"a word of the topic {topic.name}") for topic in TOPICS
    ]
    concepts += [Concept(name, "contextual", text) for name, text in CONTEXTUAL.items()]
    concepts += [Concept(name, "mixed", text) for name, text in MIXED.items()]
    for word, senses in AMBIGUOUS.items():
        concepts += [
            Concept(name, "mixed", f"the word {word} under the topic {topic}")
            for topic, name in senses.items()
        ]
    concepts += [
        Concept(name, "mixed", f"the word {word} as a season") for word, name in SEASON_SENSE.items()
    ]
    return tuple(concepts)


CONCEPTS: tuple[Concept, ...] = _all_concepts()
"""Every concept, lexical ones first."""


@cache
def word_concepts() -> dict[str, tuple[str, ...]]:
    """Return for every word (lower case) the lexical concepts that it carries everywhere."""
    table: dict[str, list[str]] = {}
    for concept, (_, words, bases) in LEXICON.items():
        forms = words.lower().split()
        forms += [form for base in bases.split() for form in verbs()[base]]
        for form in dict.fromkeys(forms):
            table.setdefault(form, []).append(concept)
    for topic in TOPICS:
        for word in dict.fromkeys(topic.words.lower().split()):
            table.setdefault(word, []).append(f"topic:{topic.name}")
    for names, concept in ((WOMEN, WOMAN), (MEN, MAN)):
        for name in names:
            table.setdefault(name.lower(), []).append(concept)
    return {word: tuple(concepts) for word, concepts in table.items()}


@cache
def word_senses(topic: str) -> dict[str, tuple[str, ...]]:
    """Return for every ambiguous word what it stands for under `topic`: its sense comes first.

    The lexical concept that the sense implies, if any, follows: a bat is an animal in the forest.
    """
    senses = {word: by_topic[topic] for word, by_topic in AMBIGUOUS.items() if topic in by_topic}
    senses |= {plural: senses[word] for plural, word in PLURALS.items() if word in senses}
    return {word: (sense, IMPLIED[sense]) if sense in IMPLIED else (sense,) for word, sense in senses.items()}
