"""Smoothed n-gram models and the entropies of the corpus."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topklm.stories import Stories
from topklm.stories.entropy import NGram, entropies, words
from topklm.stories.report import MEGABYTES, count, first_bytes

DOCUMENTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=8), min_size=1, max_size=8)


def _plain_bigram(documents: list[list[str]], document: list[str]) -> list[float]:
    """Interpolated Kneser-Ney of order 2, written down once more from the formula."""
    start, end = "<s>", "</s>"
    padded = [[start, *d, end] for d in documents]
    pairs = Counter(pair for d in padded for pair in itertools.pairwise(d))
    before = Counter(word for _, word in pairs)

    def discount(counts: Counter) -> float:
        once, twice = (sum(n == k for n in counts.values()) for k in (1, 2))
        return once / (once + 2 * twice) if once else 0.5

    types = {word for d in documents for word in d}
    uniform = 1 / (len(types) + 2)
    d1, d2 = discount(before), discount(pairs)
    result = []
    for context, word in itertools.pairwise([start, *document, end]):
        lower = (max(before[word] - d1, 0) + d1 * len(before) * uniform) / before.total()
        seen = {w: n for (c, w), n in pairs.items() if c == context}
        total = sum(seen.values())
        higher = lower
        if total:
            higher = (max(seen.get(word, 0) - d2, 0) + d2 * len(seen) * lower) / total
        result.append(higher)
    return result


@given(documents=DOCUMENTS, document=st.lists(st.sampled_from("abcde"), max_size=8))
@settings(max_examples=100)
def test_the_fast_model_equals_the_formula(documents: list[list[str]], document: list[str]) -> None:
    fast = NGram(2).fit(documents).probabilities(document)
    np.testing.assert_allclose(fast, _plain_bigram(documents, document), rtol=1e-12)


@given(order=st.integers(1, 3), documents=DOCUMENTS, context=st.lists(st.sampled_from("abcde")))
@settings(max_examples=100)
def test_probabilities_sum_to_one(order: int, documents: list[list[str]], context: list[str]) -> None:
    model = NGram(order).fit(documents)
    # Every known token, one unknown token, and the end.
    total = sum(model.probabilities([*context, token])[len(context)] for token in [*model.ids, "?"])
    total += model.probabilities(context)[-1]
    assert total == pytest.approx(1)


def test_a_longer_context_costs_fewer_bits_on_stories() -> None:
    train = [words(story.text) for story in Stories(1).take(300)]
    held_out = [words(story.text) for story in Stories(2).take(50)]
    bits = [NGram(order).fit(train).bits_per_token(held_out) for order in (1, 2, 3)]
    assert bits == sorted(bits, reverse=True)
    assert all(0 < value < 12 for value in bits)


def test_any_hashable_token_will_do() -> None:
    text = [words(story.text) for story in Stories(1).take(20)]
    ids = [[hash(word) for word in document] for document in text]
    assert NGram(3).fit(text).bits(text[0]) == pytest.approx(NGram(3).fit(ids).bits(ids[0]))


def test_words_and_marks_are_told_apart() -> None:
    assert words('"No," he said: it\'s 5.') == [
        '"', "No", ",", '"', "he", "said", ":", "it", "'", "s", "5", ".",
    ]  # fmt: skip


def test_bad_arguments_name_the_remedy() -> None:
    with pytest.raises(ValueError, match="choose 1, 2 or 3"):
        NGram(4)
    with pytest.raises(ValueError, match="call fit"):
        NGram(1).bits(["a"])
    with pytest.raises(ValueError, match="at least one"):
        NGram(1).fit([])
    with pytest.raises(ValueError, match="at least one"):
        NGram(1).fit([["a"]]).bits_per_token([[]])


def test_a_story_is_never_surer_than_its_path() -> None:
    # Stories of one seed say nothing about those of another beyond the generator itself, so the
    # trigram, which must learn it, needs more bits than the path on almost every story.
    model = NGram(3).fit(words(story.text) for story in Stories(1).take(1_000))
    worse = [model.bits(words(s.text)) > s.path_bits for s in Stories(2).take(100)]
    assert sum(worse) >= 99


@pytest.mark.slow
def test_a_trigram_leaves_1_5_bits_per_word_to_whoever_reads_the_story() -> None:
    bits = entropies(train_bytes=MEGABYTES * 1_000_000)
    assert bits.unigram > bits.bigram > bits.trigram
    assert bits.trigram - bits.path >= 1.5
    assert math.isfinite(bits.path)


@pytest.mark.slow
def test_ten_megabytes_repeat_no_story_and_use_every_word() -> None:
    counts = count(first_bytes(0, MEGABYTES * 1_000_000))
    assert counts.repeated_stories == 0
    assert counts.repeated_sentences < 0.7
    assert counts.repeated_runs < 0.6
    assert len(counts.word_forms) >= 1_500
    assert counts.shortest >= 60
    assert counts.longest <= 250
    # Nothing is so rare that a small model could not learn it.
    assert sum(n < 30 for n in counts.word_forms.values()) <= 0.02 * len(counts.word_forms)
