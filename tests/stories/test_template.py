"""The little language of the sentences."""

import math
import re

import pytest

from topklm.stories.inflect import article, conjugate, verbs
from topklm.stories.template import (
    ARTICLE_SLOT,
    CAPITAL_SLOT,
    CHOICE,
    LITERAL,
    MARK,
    SLOT,
    Grammar,
    Nodes,
    compile_sentence,
)

# Regular verbs of two syllables, or with a silent e: they do not double their last letter.
ALLOWED = {
    *("blamed", "celebrated", "frightened", "galloped", "hoped", "listened", "managed", "opened"),
    "scraped",
}
PAST = Grammar("past", first_person=False)
SLOTS = frozenset({"H", "T"})


def _compile(source: str, grammar: Grammar = PAST) -> Nodes:
    return compile_sentence(source, grammar, label=lambda *_: (), slots=SLOTS)


@pytest.mark.parametrize(
    ("source", "grammar", "text"),
    [
        ("he {go} on", PAST, "he went on"),
        ("he {go} on", Grammar("present", first_person=True), "he goes on"),
        ("I {go1} on", Grammar("present", first_person=True), "I go on"),
        ("Tom {go1} on", Grammar("present", first_person=False), "Tom goes on"),
        ("they {be+} here", PAST, "they were here"),
        ("I {be1} here", Grammar("present", first_person=True), "I am here"),
        ("he {cannot} go", PAST, "he could not go"),
        ("he {try} it", Grammar("present", first_person=False), "he tries it"),
    ],
)
def test_verbs_agree_with_tense_and_subject(source: str, grammar: Grammar, text: str) -> None:
    assert _compile(source, grammar) == ((LITERAL, text, ()),)


def test_slots_choices_marks_and_articles_become_nodes() -> None:
    nodes = _compile("{H} saw {a T}( here| there|) <loss=it>. {H}[ too]")
    assert [kind for kind, _, _ in nodes] == [
        SLOT, LITERAL, ARTICLE_SLOT, CHOICE, LITERAL, MARK, LITERAL, CAPITAL_SLOT, CHOICE,
    ]  # fmt: skip
    assert nodes[3][2] == math.log2(3)
    assert nodes[5] == (MARK, ((LITERAL, "it", ()),), "loss")
    assert nodes[8] == (CHOICE, (((LITERAL, " too", ()),), ()), 1.0)


@pytest.mark.parametrize("source", ["{H} (a|b", "<loss=it", "it>", "a) b", "{nonsense}", "a {H"])
def test_a_broken_sentence_is_refused_with_its_text(source: str) -> None:
    with pytest.raises(ValueError, match=r"sentence|verb"):
        _compile(source)


def test_articles_follow_the_sound() -> None:
    given = ["lamp", "oar", "hour", "umbrella", "university", "one-eyed cat", "old hat"]
    assert [article(word) for word in given] == ["a ", "an ", "an ", "an ", "a ", "a ", "an "]


def test_an_unknown_verb_says_where_to_add_it() -> None:
    with pytest.raises(ValueError, match=r"content/verbs\.py"):
        conjugate("frobnicate", tense="past", subject="it")


def test_no_verb_is_listed_twice_with_different_forms() -> None:
    table = verbs()
    assert all(verb.base == base for base, verb in table.items())
    # Short verbs double their last letter ("stepped"); a regular past of such a verb is a slip.
    slips = {v.past for v in table.values() if re.search("[^aeiou][aeiou][bdgmnpt]ed$", v.past)}
    assert slips <= ALLOWED
