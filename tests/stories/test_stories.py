"""The generator: determinism, grammar of the text, counts of its content."""

import math
import pickle
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import topklm.stories
from topklm.stories import AMBIGUOUS, CONCEPTS, Stories, Story
from topklm.stories.content.topics import TOPICS
from topklm.stories.engine import _compiled, sentences
from topklm.stories.entropy import words
from topklm.stories.registry import word_senses
from topklm.stories.template import Grammar

SEEDS = st.integers(0, 2**64 - 1)


@pytest.fixture(scope="module")
def stories() -> list[Story]:
    return list(Stories(11).take(3_000))


@given(seed=SEEDS, index=SEEDS)
@settings(max_examples=50)
def test_a_story_depends_on_nothing_but_its_seed_and_index(seed: int, index: int) -> None:
    first = Stories(seed).story(index)
    Stories(seed + 1 if seed == 0 else seed - 1).story(index)  # another one in between
    assert Stories(seed).story(index) == first


def test_other_processes_tell_the_same_stories() -> None:
    here = [Stories(5).story(index) for index in range(8)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(Stories(5).story, range(8))) == here


def test_iterating_equals_asking_for_each() -> None:
    corpus = Stories(3)
    assert [story for story, _ in zip(corpus, range(4), strict=False)] == list(corpus.take(4))
    assert list(corpus.take(2, start=2)) == [corpus.story(2), corpus.story(3)]


def test_a_corpus_survives_pickling() -> None:
    copy = pickle.loads(pickle.dumps(Stories(9)))  # noqa: S301 -- our own bytes
    assert copy == Stories(9)
    assert copy.story(1) == Stories(9).story(1)


@pytest.mark.parametrize("bad", [-1, 2**64])
def test_a_bad_seed_or_index_says_what_is_allowed(bad: int) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.2\*\*64-1; choose"):
        Stories(bad)
    with pytest.raises(ValueError, match=r"outside 0\.\.2\*\*64-1; choose"):
        Stories(0).story(bad)
    with pytest.raises(ValueError, match="must not be negative; choose"):
        Stories(0).take(-1)


def test_stories_have_60_to_250_words(stories: list[Story]) -> None:
    lengths = [len(story.text.split()) for story in stories]
    assert min(lengths) >= 60
    assert max(lengths) <= 250


def test_text_is_tidy(stories: list[Story]) -> None:
    slips = re.compile(r"  | [,.?!]|[.,]{2}|[{}<>|\[\]]|[.?] [a-z]|\ba [aeio]|\ban [^aeihouX]|^[a-z\"]?[a-z]")
    for story in stories:
        found = slips.search(story.text)
        assert found is None, story.text[max(found.start() - 30, 0) : found.end() + 30]
        assert story.text.count('"') % 2 == 0
        assert story.text[-1] in '."'


def test_every_sentence_compiles_in_every_tense_and_person() -> None:
    grammars = [Grammar(tense, first) for tense in ("past", "present") for first in (True, False)]
    topics = [topic.name for topic in TOPICS]
    for pool, topic in sentences():
        for grammar in grammars:
            for one in [topic] if topic else topics:
                assert _compiled(pool, one, grammar), (pool, one, grammar)


def test_stories_are_told_in_both_tenses_and_by_both_narrators() -> None:
    told = Counter((s.variables.tense, s.variables.narrator) for s in Stories(1).take(200))
    assert len(told) == 4


def test_path_bits_are_those_of_the_choices(stories: list[Story]) -> None:
    # At least the variables that are always drawn, at most a few bits for every word.
    least = sum(math.log2(n) for n in (13, 12, 2, 16, 9, 6, 4, 4, 4))
    for story in stories:
        assert least < story.path_bits < 2 * len(words(story.text))


def test_no_story_occurs_twice(stories: list[Story]) -> None:
    assert len({story.text for story in stories}) == len(stories)
    # A million stories make 5e11 pairs; at 60 bits each the chance of any twins is below 1e-6.
    assert min(story.path_bits for story in stories) > 60


def test_the_generator_is_as_rich_as_it_says(stories: list[Story]) -> None:
    forms = {word.lower() for story in stories for word in words(story.text) if word[0].isalpha()}
    assert len(TOPICS) >= 12
    assert len(forms) >= 1_500
    assert sum(map(len, sentences().values())) >= 200
    assert len(CONCEPTS) >= 60
    assert len({concept.name for concept in CONCEPTS}) == len(CONCEPTS)
    assert len(AMBIGUOUS) >= 24
    marks = Counter(sign for story in stories for sign in story.text if sign in '?"')
    assert marks["?"] > len(stories) / 2
    assert marks['"'] > 4 * len(stories)


def test_every_concept_occurs_and_every_label_is_a_concept(stories: list[Story]) -> None:
    used = {span.concept for story in stories for span in story.spans}
    assert used == {concept.name for concept in CONCEPTS}


def test_each_ambiguous_word_is_common_under_each_of_its_topics(stories: list[Story]) -> None:
    found = Counter(span.concept for story in stories for span in story.spans)
    megabytes = sum(len(story.text) for story in stories) / 1e6
    for word, senses in AMBIGUOUS.items():
        assert len(set(senses.values())) >= 2, word
        for sense in senses.values():
            assert found[sense] / megabytes > 10, sense


def test_every_occurrence_of_an_ambiguous_word_has_its_sense(stories: list[Story]) -> None:
    for story in stories:
        labelled = {(s.start, s.end) for s in story.spans if "/" in s.concept}
        for match in re.finditer(r"\w+", story.text):
            word = match.group().lower()
            if word in AMBIGUOUS or word in word_senses(story.variables.topic):
                assert match.span() in labelled, (word, story.text)


def test_topic_words_occur_under_their_topic_only(stories: list[Story]) -> None:
    for story in stories:
        topics = {s.concept for s in story.spans if s.concept.startswith("topic:")}
        assert topics <= {f"topic:{story.variables.topic}"}


def test_the_trait_told_early_decides_the_end(stories: list[Story]) -> None:
    for story in stories:
        v = story.variables
        concepts = {span.concept: span for span in story.spans}
        assert concepts["trait:told"].end < concepts["trait:decides"].start
        assert {"promise:kept", "wish:granted", "warning:heeded", "payback"} & set(concepts) == (
            _good_signs(v.plot) if v.worth == "good" else set()
        )
        assert f"ending:{v.outcome}" in concepts


def _good_signs(plot: str) -> set[str]:
    return {
        "loan": {"promise:kept"},
        "secret": {"promise:kept"},
        "contest": {"wish:granted"},
        "errand": {"warning:heeded"},
        "favour": {"payback"},
        "lost": set(),
    }[plot]


def test_a_promise_comes_before_it_is_kept_or_broken(stories: list[Story]) -> None:
    for story in stories:
        starts = {span.concept: span.start for span in reversed(story.spans)}
        for later, earlier in (
            ("promise:kept", "promise"),
            ("promise:broken", "promise"),
            ("wish:granted", "wish"),
            ("wish:denied", "wish"),
            ("return", "leaving"),
            ("warning:ignored", "warning"),
            ("confession", "lie"),
        ):
            if later in starts:
                assert starts[earlier] < starts[later], (later, story.text)


def test_the_same_words_are_a_lie_or_the_truth() -> None:
    said: dict[str, set[str]] = {"lie": set(), "denial:true": set()}
    for story in Stories(2).take(3_000):
        for start, end, concept in story.spans:
            if concept in said:
                said[concept].add(story.text[start:end])
    assert said["lie"] == said["denial:true"]


def test_the_package_imports_without_torch() -> None:
    code = (
        "import sys; import topklm.stories;"
        "print(*(name for name in ('torch', 'transformers', 'pyarrow') if name in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not run.stdout.split(), "heavy modules were imported"


def test_the_public_names_are_those_that_exist() -> None:
    assert sorted(topklm.stories.__all__) == list(topklm.stories.__all__)
    assert all(hasattr(topklm.stories, name) for name in topklm.stories.__all__)
