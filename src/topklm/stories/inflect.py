"""Inflect verbs and choose articles. The list of verbs lives in content/verbs.py."""

from functools import cache
from typing import NamedTuple

from .content.verbs import IRREGULAR, REGULAR


class Verb(NamedTuple):
    """The forms of one verb that a story needs."""

    base: str
    third: str
    past: str


def _third_person(base: str) -> str:
    if base.endswith(("s", "x", "z", "ch", "sh", "o")):
        return base + "es"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "s"


def _past(base: str) -> str:
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + "ed"


@cache
def verbs() -> dict[str, Verb]:
    """All verbs that a sentence may name, by base form."""
    table = {base: Verb(base, _third_person(base), _past(base)) for base in REGULAR.split()}
    for line in IRREGULAR.strip().splitlines():
        base, third, past = line.split()
        table[base] = Verb(base, third, past.replace("_", " "))
    return table


# "be" is the one verb with its own form for "I" and for the plural.
_BE = {
    ("past", "I"): "was",
    ("past", "it"): "was",
    ("past", "they"): "were",
    ("present", "I"): "am",
    ("present", "it"): "is",
    ("present", "they"): "are",
}


def conjugate(base: str, *, tense: str, subject: str) -> str:
    """Return the form of the verb `base` for a tense and a subject ("I", "it" or "they").

    Raises ValueError for a verb that content/verbs.py does not list.
    """
    if base == "be":
        return _BE[tense, subject]
    verb = verbs().get(base)
    if verb is None:
        raise ValueError(f"unknown slot or verb {base!r}; add the verb to content/verbs.py")
    if tense == "past":
        return verb.past
    return verb.third if subject == "it" else verb.base


def article(word: str) -> str:
    """Return "a " or "an " for the word that follows."""
    vowel = word[0] in "aeiouAEIOU" and not word.startswith(("one", "uni", "use"))
    return "an " if vowel or word.startswith(("hour", "honest")) else "a "
