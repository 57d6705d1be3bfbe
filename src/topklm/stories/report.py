"""Measure the corpus and report it as Markdown: `python -m topklm.stories.report [PAGE]`."""

import sys
import time
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from .align import oracle_f1
from .content.plots import PLOTS
from .content.topics import TOPICS
from .engine import Stories, Story, sentences
from .entropy import entropies, words
from .judging import judge
from .registry import AMBIGUOUS, CONCEPTS

MEGABYTES = 10
MARKER = "<!-- what follows is measured: python -m topklm.stories.report docs/stories.md -->"
_RUN = 8  # words


class Counts(NamedTuple):
    """What a corpus is made of."""

    n_stories: int
    n_bytes: int
    n_words: int
    """Words without punctuation marks"""
    shortest: int
    longest: int
    """Words of a story"""
    word_forms: Counter[str]
    """Occurrences of every word, in lower case"""
    repeated_stories: float
    repeated_sentences: float
    repeated_runs: float
    """Shares of stories, sentences and runs of 8 words that had occurred before"""


def first_bytes(seed: int, n_bytes: int) -> Iterator[Story]:
    """Yield the first stories of a seed, up to `n_bytes` of text."""
    for story in Stories(seed):
        n_bytes -= len(story.text.encode()) + 1
        if n_bytes < 0:
            return
        yield story


def _plain_words(text: str) -> list[str]:
    return [word for word in words(text) if word[0].isalnum()]


def split_sentences(text: str) -> list[str]:
    """Split a text after every full stop, question mark and exclamation mark."""
    marks = [at for at, sign in enumerate(text) if sign in ".?!"]
    cuts = [0, *(at + 1 for at in marks), len(text)]
    parts = (text[start:end].strip(' "') for start, end in pairwise(cuts))
    return [part for part in parts if part]


def count(stories: Iterable[Story]) -> Counts:
    """Count words, lengths and repetitions."""
    forms: Counter[str] = Counter()
    lengths: list[int] = []
    n_bytes = 0
    seen: tuple[set[int], set[int], set[int]] = (set(), set(), set())
    total, again = [0, 0, 0], [0, 0, 0]
    for story in stories:
        plain = _plain_words(story.text)
        n_bytes += len(story.text.encode()) + 1
        lengths.append(len(plain))
        forms.update(word.lower() for word in plain)
        runs = [tuple(plain[at : at + _RUN]) for at in range(len(plain) - _RUN + 1)]
        items_by_kind: list[list[Hashable]] = [
            [story.text],
            [*split_sentences(story.text)],
            [*runs],
        ]
        for kind, items in enumerate(items_by_kind):
            for item in items:
                # Hashes, not texts: 10 MB of runs would take a gigabyte.
                key = hash(item)
                total[kind] += 1
                again[kind] += key in seen[kind]
                seen[kind].add(key)
    shares = [part / whole for part, whole in zip(again, total, strict=True)]
    return Counts(len(lengths), n_bytes, sum(lengths), min(lengths), max(lengths), forms, *shares)


def judge_f1(stories: Sequence[Story]) -> dict[str, float]:
    """Return the judge's F1 for every concept, over documents in which it occurs or is claimed."""
    right: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for story in stories:
        true = {span.concept for span in story.spans}
        claimed = judge(story.text).concepts
        right.update(true & claimed)
        named.update(true)
        named.update(claimed)
    return {concept: 2 * right[concept] / named[concept] for concept in sorted(named)}


def speed(n_stories: int = 3_000) -> float:
    """Return megabytes of labelled text per second on one core."""
    stories = Stories(1)
    stories.story(0)
    start = time.perf_counter()
    n_bytes = sum(len(story.text) for story in stories.take(n_stories))
    return n_bytes / (time.perf_counter() - start) / 1e6


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def counts_table(seed: int = 0) -> str:
    """Return the table of counts and repetitions, measured on the first 10 MB."""
    counts = count(first_bytes(seed, MEGABYTES * 1_000_000))
    rare = sum(n < 50 for n in counts.word_forms.values())
    frames = sum(len(pool) for pool in sentences().values())
    kinds = Counter(concept.kind for concept in CONCEPTS)
    rows = [
        ("topics, plots", f"{len(TOPICS)}, {len(PLOTS)}"),
        ("sentence frames", f"{frames:,}"),
        ("concepts", ", ".join(f"{n} {kind}" for kind, n in kinds.items())),
        ("ambiguous words", f"{len(AMBIGUOUS)}"),
        ("word forms", f"{len(counts.word_forms):,}"),
        ("of these, fewer than 50 times", f"{rare:,}"),
        ("stories, words", f"{counts.n_stories:,}, {counts.n_words:,}"),
        ("words of a story", f"{counts.shortest} to {counts.longest}"),
        ("repeated stories", f"{counts.repeated_stories:.4%}"),
        ("repeated sentences", f"{counts.repeated_sentences:.1%}"),
        (f"repeated runs of {_RUN} words", f"{counts.repeated_runs:.1%}"),
        ("speed, one core", f"{max(speed(1_000) for _ in range(3)):.1f} MB/s"),
    ]
    return _table((f"in {MEGABYTES} MB", ""), rows)


def entropies_table(seed: int = 0) -> str:
    """Return the table of entropies, n-gram models trained on 10 MB."""
    bits = entropies(seed, train_bytes=MEGABYTES * 1_000_000)
    names = ("unigram", "bigram", "trigram", "path")
    return _table(("bits per word", ""), [(name, f"{getattr(bits, name):.2f}") for name in names])


def concepts_table(n_stories: int = 4_000, seed: int = 0) -> str:
    """Return the table of all concepts: kind, oracle, judge, the commonest words it stands on."""
    stories = list(Stories(seed).take(n_stories))
    oracle = oracle_f1(stories)
    judged = judge_f1(list(Stories(seed + 1).take(n_stories)))
    examples: dict[str, list[str]] = {}
    for story in stories:
        for start, end, concept in story.spans:
            text = story.text[start:end]
            if concept not in examples or (concept in _WORDY and len(examples[concept]) < _WORDS):
                found = examples.setdefault(concept, [])
                if text.lower() not in found:
                    found.append(text.lower() if len(text) < 20 else text)
    rows = [
        (
            f"`{c.name}`",
            c.kind,
            c.description,
            f"{oracle[c.name].f1:.2f}",
            f"{judged[c.name]:.3f}",
            ", ".join(examples[c.name]),
        )
        for c in CONCEPTS
    ]
    return _table(("concept", "kind", "stands for", "word oracle F1", "judge F1", "example"), rows)


_WORDS = 4  # examples of a lexical concept
_WORDY = frozenset(concept.name for concept in CONCEPTS if concept.kind == "lexical")


def example_stories(n: int = 5, seed: int = 0) -> str:
    """Return the first stories of a seed as Markdown, each with a few of its variables."""
    parts = []
    for story in Stories(seed).take(n):
        v = story.variables
        told = f"{v.topic}, {v.plot}, {v.mood}, {v.trait}, {v.outcome}, {v.tense} tense"
        parts.append(f"> {story.text}\n>\n> ({told}, {v.narrator} person, {story.path_bits:.0f} bits)")
    return "\n\n".join(parts)


def report() -> str:
    """Measure everything and return it as Markdown; takes about half a minute."""
    sections = (
        ("Counts", counts_table()),
        ("Entropies", entropies_table()),
        ("Five stories as they come", example_stories()),
        ("Concepts", concepts_table()),
    )
    return "\n".join(f"## {title}\n\n{text}\n" for title, text in sections)


def main(arguments: Sequence[str]) -> None:
    """Print the report, or put it below the marker of the page that is named."""
    text = report()
    if not arguments:
        sys.stdout.write(text)
        return
    page = Path(arguments[0])
    above, marker, _ = page.read_text().partition(MARKER)
    if not marker:
        raise SystemExit(f"{page} has no line {MARKER!r}; put it where the tables should begin")
    page.write_text(f"{above}{marker}\n\n{text}")


if __name__ == "__main__":
    main(sys.argv[1:])
