"""Carry labels over to tokens and pieces of text, and ask what the word alone would tell."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from .engine import Span, Story

_WORD = re.compile(r"\w+|[^\w\s]")


def align(spans: Sequence[Span], offsets: Sequence[tuple[int, int]]) -> list[tuple[str, ...]]:
    """Return for every token the concepts whose spans share a character with it.

    `offsets` are the tokens' (start, end) in characters, in order, as any tokenizer gives them; an
    empty token stands for nothing. Concepts come sorted, each once.
    """
    # Tokens may start or end between the spans' borders, and (byte tokens) share a character, so
    # compare both ends; both lists are sorted because tokens are in order.
    starts = [start for start, _ in offsets]
    ends = [end for _, end in offsets]
    found: list[set[str]] = [set() for _ in offsets]
    for start, end, concept in spans:
        for at in range(bisect_right(ends, start), bisect_left(starts, end)):
            if starts[at] < ends[at]:
                found[at].add(concept)
    return [tuple(sorted(concepts)) for concepts in found]


def pieces(text: str, spans: Sequence[Span]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Cut a text wherever a span begins or ends; yield each piece with its concepts, sorted.

    The pieces joined give the text again. Made for colouring.
    """
    cuts = sorted({0, len(text), *(span.start for span in spans), *(span.end for span in spans)})
    offsets = list(pairwise(cuts))
    for (start, end), concepts in zip(offsets, align(spans, offsets), strict=True):
        yield text[start:end], concepts


class Oracle(NamedTuple):
    """How well knowing the word alone tells a concept."""

    f1: float
    n_words: int
    """Occurrences of words that carry the concept"""
    n_types: int
    """Word types that the best threshold takes"""


def oracle_f1(stories: Iterable[Story]) -> dict[str, Oracle]:
    r"""Return the token-type oracle of every concept that occurs.

    Word types (`\w+|[^\w\s]`, case kept) are ranked by the share of their occurrences that carry
    the concept; the best threshold's F1 over occurrences is the oracle. It is measured on the very
    stories given, so it bounds from above whoever knows only the word.
    """
    total: Counter[str] = Counter()
    carrying: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for story in stories:
        matches = list(_WORD.finditer(story.text))
        total.update(match.group() for match in matches)
        labels = align(story.spans, [match.span() for match in matches])
        for match, concepts in zip(matches, labels, strict=True):
            for concept in concepts:
                carrying[concept][match.group()] += 1
    return {concept: _best_f1(counts, total) for concept, counts in sorted(carrying.items())}


def _best_f1(carrying: Counter[str], total: Counter[str]) -> Oracle:
    positive = carrying.total()
    best = Oracle(0.0, positive, 0)
    hits = predicted = 0
    ranked = sorted(carrying, key=lambda word: (-carrying[word] / total[word], word))
    for n_types, word in enumerate(ranked, start=1):
        hits += carrying[word]
        predicted += total[word]
        f1 = 2 * hits / (predicted + positive)
        if f1 > best.f1:
            best = Oracle(f1, positive, n_types)
    return best
