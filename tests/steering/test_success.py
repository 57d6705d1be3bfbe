"""When steering succeeds: the bars at their edges, and that choosing and judging see different texts."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topklm.evaluation.fluency import distinct_bigrams, perplexity
from topklm.steering.success import CHOOSING, JUDGING, Measured, Texts, choose, judged, measure, verdict
from topklm.steering.trial import first_tokens

PLAIN = Measured(rate=0.2, perplexity=10.0, distinct=0.9)


def texts(shown: list[int], *, nats: float = 2.0, distinct: float = 0.9) -> Texts:
    """Texts of ten tokens each."""
    count = len(shown)
    return Texts(np.array(shown), np.full(count, 10 * nats), np.full(count, 10), np.full(count, distinct))


@pytest.mark.parametrize(
    ("rate", "grows", "kept", "reached", "fluent"),
    [
        (0.2 + 0.8 / 3, 1.5, 0.8, True, True),  # just on all bars
        (0.2 + 0.8 / 3 - 0.001, 1.0, 1.0, False, True),
        (0.9, 1.51, 1.0, True, False),
        (0.9, 1.0, 0.79, True, False),
        (0.1, 1.0, 1.0, False, True),
        (0.9, math.nan, 1.0, True, False),
    ],
)
def test_each_bar_counts(rate: float, grows: float, kept: float, reached: bool, fluent: bool) -> None:
    found = verdict(PLAIN, Measured(rate, 10 * grows, 0.9 * kept))
    assert (found.reached, found.fluent, found.success) == (reached, fluent, reached and fluent)


def test_ten_points_are_needed_even_where_a_third_is_less() -> None:
    assert not verdict(PLAIN._replace(rate=0.8), PLAIN._replace(rate=0.89)).reached
    assert verdict(PLAIN._replace(rate=0.8), PLAIN._replace(rate=0.9)).reached


def test_a_concept_that_all_texts_show_cannot_be_reached() -> None:
    assert not verdict(PLAIN._replace(rate=1.0), PLAIN._replace(rate=1.0)).reached


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_the_half_that_judges_never_chooses(pairs: list[tuple[bool, bool]]) -> None:
    shown = [int(one) for pair in pairs for one in pair]
    plain = texts([0] * len(shown))
    ways = {"1x": texts(shown), "2x": texts(shown[::-1])}
    chosen = choose(plain, ways)
    swapped = {
        name: Texts(
            *(np.where(np.arange(len(part)) % 2 == JUDGING, 1 - part, part) for part in [one.shown]), *one[1:]
        )
        for name, one in ways.items()
    }
    assert choose(plain, swapped) == chosen
    both = measure(ways[chosen].half(CHOOSING)).rate + measure(ways[chosen].half(JUDGING)).rate
    assert both == pytest.approx(2 * float(np.mean(ways[chosen].shown)))


def test_the_highest_rate_that_stays_fluent_is_chosen() -> None:
    plain = texts([0, 0, 0, 0])
    ways = {
        "1x": texts([1, 0, 0, 0]),
        "2x": texts([1, 0, 1, 0]),
        "4x": texts([1, 0, 1, 0]),
        "8x": texts([1, 1, 1, 1], nats=4.0),
    }
    assert choose(plain, ways) == "2x"
    assert judged(plain, ways["2x"]).rise == 0.0
    none = {"4x": texts([1, 1, 1, 1], nats=6.0), "8x": texts([1, 1, 1, 1], nats=4.0)}
    assert choose(plain, none) == "8x"


def test_fluency_by_hand() -> None:
    assert distinct_bigrams([1, 2, 3, 1, 2]) == 3 / 4
    assert math.isnan(distinct_bigrams([1]))
    assert perplexity([math.log(4) * 2, math.log(4)], [2, 1]) == pytest.approx(4)
    assert math.isnan(perplexity([0.0], [0]))
    assert math.isfinite(perplexity([1e6], [1]))


@pytest.mark.parametrize("documents", [1, 2, 3, 5, 8])
def test_no_prompt_both_chooses_and_judges(documents: int) -> None:
    starts = np.arange(documents) * 10
    packed = SimpleNamespace(
        tokens=np.arange(10 * documents), documents=np.column_stack([starts, np.full(documents, 9)])
    )
    text: Any = SimpleNamespace(packed=packed)
    prompts = first_tokens(text, count=8, length=4)
    assert len(prompts) == 8
    chooses, judges = ({tuple(one) for one in prompts[side::2]} for side in (CHOOSING, JUDGING))
    assert documents == 1 or not chooses & judges
    assert len(chooses | judges) == min(documents, 8)
