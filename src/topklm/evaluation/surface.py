"""What rules that understand nothing make of a task: a task that they solve says nothing of a model."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..stories import Stories
from ..stories.entropy import NGram, words

COUNTED = 1000
"""Stories of the training corpus's default seed that the n-gram models count."""


class Surface(NamedTuple):
    """Accuracies of rules that look at the surface of contexts and continuation; ties count one half."""

    unigram: float
    """No context at all: always a tie"""
    bigram: float
    """The context whose last word makes the continuation likelier"""
    trigram: float
    """The same with its last two words"""
    copying: float
    """The context that holds more of the continuation's words"""


def surface_scores(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Surface]:
    """Return, for every task's items, how often each rule chooses the right context."""
    return {
        name: Surface(*(_accuracy(rule, table) for rule in (*map(_ngram_rule, (1, 2, 3)), _copied)))
        for name, table in tables.items()
    }


def _accuracy(rule: Any, table: Sequence[Mapping[str, Any]]) -> float:
    points = []
    for row in table:
        scores = [rule(context, row["continuation"]) for context in row["contexts"]]
        right, wrong = scores[row["label"]], scores[1 - row["label"]]
        points.append(0.5 if abs(right - wrong) < 1e-9 else float(right > wrong))
    return round(float(np.mean(points)), 4)


@cache
def _counted(order: int) -> NGram:
    return NGram(order).fit([words(story.text) for story in Stories(0).take(COUNTED)])


def _ngram_rule(order: int) -> Any:
    def score(context: str, choice: str) -> float:
        # The end of a context is enough, and siblings share it.
        return _ngram_score(order, tuple(words(context[-60:])[-(order - 1) :] if order > 1 else ()), choice)

    return score


@cache
def _ngram_score(order: int, lead: tuple[str, ...], choice: str) -> float:
    probabilities = _counted(order).probabilities([*lead, *words(choice)])
    return float(np.log2(probabilities[len(lead) : -1]).sum())  # the last is the text's end


def _copied(context: str, choice: str) -> float:
    known, said = set(words(context)), words(choice)
    return sum(word in known for word in said) / len(said)
