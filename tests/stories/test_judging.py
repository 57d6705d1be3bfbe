"""The judge: right on true stories, calm on other texts."""

import random
from collections import Counter

import pytest

from topklm.stories import CONCEPTS, Stories, judge
from topklm.stories.report import judge_f1

DIFFERENT_SEED = 31


def test_the_judge_finds_every_concept_of_true_stories() -> None:
    f1 = judge_f1(list(Stories(DIFFERENT_SEED).take(1_500)))
    assert {concept: value for concept, value in f1.items() if value < 0.95} == {}


def test_the_judge_tells_topic_people_mood_and_outcome() -> None:
    n, right = 500, [0, 0, 0, 0]
    for story in Stories(DIFFERENT_SEED).take(n):
        v, judgement = story.variables, judge(story.text)
        right[0] += judgement.topic == v.topic
        right[1] += set(judgement.people) == {v.hero, v.friend, v.other} - _unnamed(story.text, v.hero)
        right[2] += judgement.mood == v.mood
        right[3] += judgement.outcome == v.outcome
    assert min(right) >= 0.99 * n


def _unnamed(text: str, hero: str) -> set[str]:
    return set() if hero in text else {hero}  # who tells the story need not say their name


@pytest.mark.parametrize("text", ["", "   ", "1 2 3 ???", "Lorem ipsum dolor sit amet."])
def test_a_text_that_is_no_story_is_judged_as_nothing(text: str) -> None:
    judgement = judge(text)
    assert judgement.topic == judgement.mood == judgement.outcome == ""
    assert judgement.people == ()
    assert not any(":" in concept for concept in judgement.concepts)


def test_words_in_disorder_are_not_taken_for_a_plot() -> None:
    # A language model that has gone astray repeats words; cues are runs of words in their order.
    for story in Stories(DIFFERENT_SEED).take(50):
        words = sorted(story.text.split())
        found = judge(" ".join(words)).concepts
        assert not found & {"promise:kept", "promise:broken", "warning:heeded", "lie", "payback"}


def test_half_a_story_is_judged_by_what_it_says() -> None:
    for story in Stories(DIFFERENT_SEED).take(300):
        kept = [s for s in story.spans if s.concept.startswith("ending:")]
        assert judge(story.text[: kept[0].start]).outcome == ""


def test_judging_depends_on_the_text_alone() -> None:
    texts = [story.text for story in Stories(2).take(20)]
    assert [judge(text) for text in texts] == [judge(text) for text in reversed(texts)][::-1]


def test_a_few_wrong_words_do_not_confuse_the_judge() -> None:
    # Text from a small model is never quite right: put another word in place of every twentieth.
    number = random.Random(0)
    others = " ".join(story.text for story in Stories(50).take(100)).split()
    right: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for story in Stories(DIFFERENT_SEED).take(600):
        words = [number.choice(others) if number.random() < 0.05 else w for w in story.text.split()]
        found = judge(" ".join(words)).concepts
        true = {span.concept for span in story.spans}
        right.update(true & found)
        named.update(true)
        named.update(found)
    contextual = [concept.name for concept in CONCEPTS if concept.kind == "contextual"]
    f1 = [2 * right[concept] / named[concept] for concept in contextual]
    assert sum(f1) / len(f1) > 0.97
    assert min(f1) > 0.85


def test_one_sentence_is_judged_by_what_it_holds() -> None:
    judgement = judge("Mara promised to bring the oar back before dark.")
    assert judgement.topic == "sea"
    assert judgement.people == ("Mara",)
    assert {"promise", "name:hero"} <= judgement.concepts
    assert not {"name:friend", "name:other", "pronoun:hero", "promise:kept"} & judgement.concepts
