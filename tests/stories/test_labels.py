"""Labels: they match their text for any tokenizer, and the oracle says what words alone tell."""

import random
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from topklm.stories import CONCEPTS, Span, Stories, Story, align, oracle_f1, pieces
from topklm.stories.content.lexicon import LEXICON
from topklm.stories.registry import word_concepts, word_senses

INDEX = st.integers(0, 2**32)


def _bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=1_500,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator((s.text for s in Stories(1).take(300)), trainer)
    return tokenizer


def _byte() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=256,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([], trainer)
    return tokenizer


def _word() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(special_tokens=["?"], show_progress=False)
    tokenizer.train_from_iterator((s.text for s in Stories(1).take(300)), trainer)
    return tokenizer


TOKENIZERS = {"bpe": _bpe(), "byte": _byte(), "word": _word()}


def _slow_align(spans: Sequence[Span], offsets: Sequence[tuple[int, int]]) -> list[tuple[str, ...]]:
    """The definition, token by token."""
    return [
        tuple(sorted({s.concept for s in spans if max(s.start, start) < min(s.end, end)}))
        for start, end in offsets
    ]


@pytest.mark.parametrize("name", sorted(TOKENIZERS))
@given(index=INDEX)
@settings(max_examples=25)
def test_tokens_carry_exactly_the_labels_of_their_characters(name: str, index: int) -> None:
    story = Stories(7).story(index)
    offsets = TOKENIZERS[name].encode(story.text).offsets
    labels = align(story.spans, offsets)
    assert labels == _slow_align(story.spans, offsets)
    # Going back: the tokens of a concept cover every character of its spans that is not a space.
    for span in story.spans:
        covered = set()
        for (start, end), concepts in zip(offsets, labels, strict=True):
            if span.concept in concepts:
                covered.update(range(start, end))
        needed = {at for at in range(span.start, span.end) if not story.text[at].isspace()}
        assert needed <= covered


@given(index=INDEX)
@settings(max_examples=50)
def test_spans_match_their_text_exactly(index: int) -> None:
    story = Stories(8).story(index)
    assert list(story.spans) == sorted(story.spans)
    lexical = {*LEXICON, *(c.name for c in CONCEPTS if c.name.startswith("topic:"))}
    senses = word_senses(story.variables.topic)
    for start, end, concept in story.spans:
        text = story.text[start:end]
        assert text
        assert text == text.strip()
        assert start == 0 or not story.text[start - 1].isalnum()
        assert end == len(story.text) or not story.text[end].isalnum()
        word = text.lower()
        if concept in lexical:
            assert concept in (*word_concepts().get(word, ()), *senses.get(word, ()))
        elif "/" in concept:
            assert concept in senses.get(word, ()) or concept == "spring/season"
        elif concept.startswith("name:"):
            assert text in {story.variables.hero, story.variables.friend, story.variables.other}


def test_names_say_whose_they_are() -> None:
    for story in Stories(4).take(200):
        v = story.variables
        names = {"name:hero": v.hero, "name:friend": v.friend, "name:other": v.other}
        for start, end, concept in story.spans:
            if concept in names:
                assert story.text[start:end] == names[concept]


def test_who_says_i_means_themselves() -> None:
    roles = ("hero", "friend", "other")
    for story in Stories(14).take(200):
        spoken = [s for s in story.spans if s.concept.startswith("speech:")]
        by_place: dict[tuple[int, int], set[str]] = {}
        for start, end, concept in story.spans:
            by_place.setdefault((start, end), set()).add(concept)
        for match in re.finditer(r"\bI\b", story.text):
            inside = [s for s in spoken if s.start <= match.start() < s.end]
            speaker = inside[0].concept.removeprefix("speech:") if inside else "hero"
            labels = by_place[match.span()]
            assert [role for role in roles if f"pronoun:{role}" in labels] == [speaker]


def test_a_lent_thing_has_its_holder() -> None:
    kept = 0
    for story in Stories(6).take(600):
        v = story.variables
        if v.plot == "loan" and v.worth == "good" and v.narrator == "third":
            promise = next(s for s in story.spans if s.concept == "promise")
            # While the promise stands the hero has the thing; at the end the friend has it again.
            holders = [story.text[s.start : s.end] for s in story.spans if s.concept == "holder"]
            after = [s for s in story.spans if s.concept == "holder" and s.start > promise.end]
            assert v.friend not in {story.text[s.start : s.end] for s in after if s.end < _kept(story)}
            assert holders
            kept += 1
    assert kept > 10


def _kept(story: Story) -> int:
    return next(s.start for s in story.spans if s.concept == "promise:kept")


@given(first=INDEX, length=st.integers(2, 6), block=st.integers(7, 300))
@settings(max_examples=25)
def test_labels_do_not_depend_on_packing(first: int, length: int, block: int) -> None:
    tokenizer = TOKENIZERS["bpe"]
    stories = [Stories(9).story(first + n) for n in range(length)]
    encoded = [tokenizer.encode(story.text) for story in stories]
    alone = [
        labels for story, e in zip(stories, encoded, strict=True) for labels in align(story.spans, e.offsets)
    ]
    # Pack: one stream of tokens, each with its story, cut into blocks; then label block by block.
    stream = [(n, offset) for n, e in enumerate(encoded) for offset in e.offsets]
    packed = []
    for start in range(0, len(stream), block):
        part = stream[start : start + block]
        for n in sorted({n for n, _ in part}):
            packed += align(stories[n].spans, [offset for m, offset in part if m == n])
    assert packed == alone


@given(index=INDEX)
@settings(max_examples=25)
def test_pieces_join_to_the_text_and_keep_the_labels(index: int) -> None:
    story = Stories(10).story(index)
    parts = list(pieces(story.text, story.spans))
    assert "".join(text for text, _ in parts) == story.text
    at = 0
    for text, concepts in parts:
        assert set(concepts) == {s.concept for s in story.spans if s.start <= at < s.end}
        at += len(text)


def test_empty_tokens_and_texts_carry_nothing() -> None:
    assert align([Span(0, 3, "a")], [(0, 0), (0, 3), (3, 3)]) == [(), ("a",), ()]
    assert list(pieces("", [])) == []
    assert list(pieces("ab", [])) == [("ab", ())]


def test_the_oracle_is_the_best_threshold_over_word_types() -> None:
    template = next(iter(Stories(0).take(1)))
    texts = ["red sea", "red tea", "blue sea", "red sea"]
    spans = [(Span(4, 7, "x"),), (), (), (Span(4, 7, "x"), Span(0, 3, "y"))]
    stories = [template._replace(text=text, spans=span) for text, span in zip(texts, spans, strict=True)]
    oracle = oracle_f1(stories)
    assert oracle["x"] == pytest.approx((0.8, 2, 1))  # sea: two of the three
    assert oracle["y"] == pytest.approx((0.5, 1, 1))  # red: one of the three


def test_lexical_concepts_lie_above_and_contextual_ones_below_the_word_oracle() -> None:
    oracle = oracle_f1(Stories(12).take(3_000))
    kinds = {concept.name: concept.kind for concept in CONCEPTS}
    lexical = [name for name in oracle if kinds[name] == "lexical"]
    contextual = [name for name in oracle if kinds[name] == "contextual"]
    assert len(lexical) >= 20
    assert len(contextual) >= 20
    assert {name: oracle[name].f1 for name in lexical if oracle[name].f1 <= 0.9} == {}
    assert {name: oracle[name].f1 for name in contextual if oracle[name].f1 >= 0.5} == {}


def test_shuffled_labels_have_no_oracle() -> None:
    # A control: a concept on words drawn at random is told by no word.
    number = random.Random(0)
    stories = []
    for story in Stories(13).take(300):
        starts = [0, *(at + 1 for at, sign in enumerate(story.text) if sign == " ")]
        chosen = sorted(number.sample(starts, 5))
        spans = tuple(Span(at, at + 1, "random") for at in chosen)
        stories.append(story._replace(spans=spans))
    assert oracle_f1(stories)["random"].f1 < 0.2
