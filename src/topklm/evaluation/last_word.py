"""The last word of a passage of real text, in LAMBADA's manner, made from any corpus by a rule.

Source of the idea: Paperno et al. 2016 (arXiv 1606.06031), whose passages people chose; here a rule does.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import write_json
from .task_files import ABOUT, FORMAT, fresh_directory, write_task

TASK = "last_word"
ITEMS = 1000
LEAST_WORDS, MOST_WORDS = 50, 150
"""Words of a passage, its last one included: more than a sentence, and within 256 tokens."""
COMMON = 100
"""The commonest words of the corpus are never asked for: they need no passage."""
GAP = 5
"""The word must have been said before, but not within this many words of the end."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[.!?][\"')])\s+")
_LAST = re.compile(r" ([a-z]{3,})[.!?][\"')]?$")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def passages(texts: Iterable[str], *, items: int = ITEMS) -> list[dict[str, Any]]:
    """Choose passages and their last words: JSON objects with document, context and word.

    A passage is a run of whole sentences (line breaks are spaces) of 50 to 150 words that ends with a
    lower-case word of three letters or more and its full stop, question or exclamation mark (and quote).
    The word is not among the 100 commonest of the texts, stands earlier in the passage, and not within the
    last 5 words. Passages of a document do not overlap. Of all that fit, those with the smallest SHA-256 are
    taken, in the order of the documents.
    """
    documents = [" ".join(text.split()) for text in texts]
    counts = Counter(word for text in documents for word in _WORD.findall(text.lower()))
    common = {word for word, _ in counts.most_common(COMMON)}
    found = [
        {"document": number, "context": context, "word": word}
        for number, text in enumerate(documents)
        for context, word in _of_document(text, common)
    ]
    chosen = sorted(found, key=_hash)[:items]
    return sorted(chosen, key=lambda row: (row["document"], _hash(row)))


def _of_document(text: str, common: set[str]) -> Iterable[tuple[str, str]]:
    sentences = _SENTENCE.split(text)
    start = 0
    while start < len(sentences):
        size, end = 0, start
        step = 1
        while end < len(sentences) and size < MOST_WORDS:
            size += len(sentences[end].split())
            end += 1
            passage = " ".join(sentences[start:end])
            fits = LEAST_WORDS <= size <= MOST_WORDS
            asked = _asked(passage, common) if fits else None
            if asked is not None:
                yield asked
                step = end - start
                break
        start += step


def _asked(passage: str, common: set[str]) -> tuple[str, str] | None:
    """Return a passage without its last word, and that word; None where it does not fit the rule."""
    match = _LAST.search(passage)
    if match is None or match.group(1) in common:
        return None
    said = _WORD.findall(passage.lower())
    word = match.group(1)
    fits = word in said[:-1] and word not in said[-1 - GAP : -1]
    return (passage[: match.start()], word) if fits else None


def _hash(row: dict[str, Any]) -> str:
    return hashlib.sha256(f"{row['context']} {row['word']}".encode()).hexdigest()


def write_last_word(directory: Path, texts: Iterable[str], *, source: str, items: int = ITEMS) -> int:
    """Write the task `last_word` from texts; return its number of items.

    Raises InputError where the texts give no passage, or the directory holds something else.
    """
    directory = fresh_directory(directory)
    table = passages(texts, items=items)
    if not table:
        raise InputError(
            f"no passage of {source} fits the task {TASK}: it needs paragraphs of {LEAST_WORDS} to "
            f"{MOST_WORDS} words whose last word was said before"
        )
    # The share that the rule "the commonest word that was said so far" gets right, as a floor.
    repeated = sum(_commonest(row["context"]) == row["word"] for row in table) / len(table)
    config = {
        "output_type": "loglikelihood",
        "doc_to_text": "{{context}}",
        "doc_to_target": "{{' '+word}}",
        "target_delimiter": "",
        "metric_list": [
            {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
            {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
        ],
    }
    about = {"version": 1, "source": source, "chance": 0.0, "repeating": round(repeated, 4)}
    write_task(directory, TASK, table, config, about)
    if not (directory / ABOUT).is_file():
        write_json(directory / ABOUT, {"format": FORMAT, "items": len(table), "tasks": [TASK]})
    return len(table)


def _commonest(context: str) -> str:
    """Return the word of six letters or more that was said most often, the latest of equals."""
    said = [word for word in _WORD.findall(context.lower()) if len(word) > 5]
    counts = Counter(said)
    return max(reversed(said), key=lambda word: counts[word]) if said else ""
