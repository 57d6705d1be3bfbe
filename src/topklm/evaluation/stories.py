"""How much of the labelled stories a model has learnt: bits per word, topic and people kept.

The generator knows what a story costs: the bits of the choices it made (the path) are an upper bound on
the entropy of its text. A trigram model shows what can be had without any memory.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from ..core.stats import Estimate, bootstrap_ratio
from ..data.tokenizer import encode_prompt
from ..stories import Story, judge
from ..stories.entropy import NGram, words

BATCH = 16


class Gap(NamedTuple):
    """Bits per word (and punctuation mark) of held-out stories, each read from its start."""

    model: Estimate
    trigram: Estimate
    """A smoothed trigram model of the text the model was trained on."""
    path: Estimate
    """The choices the generator made: an upper bound on the entropy of the text."""
    closed: Estimate
    """Share of the way from the trigram to the path that the model has gone."""
    n_words: int
    n_documents: int


class Kept(NamedTuple):
    """How well texts hold together, by the judge."""

    topic: Estimate
    """Share of texts whose two halves are about the same topic."""
    people: Estimate
    """Share of the names in second halves that the first half names too."""
    outcome: Estimate
    """Share of texts that come to an outcome."""
    n_documents: int


def story_gap(model: Any, tokenizer: Any, *, trained_on: Sequence[str], held_out: Sequence[Story]) -> Gap:
    """Compare a model's bits per word with a trigram model's and with the generator's path.

    trained_on: the model's own training texts, for the trigram. Intervals: bootstrap over stories.
    """
    trigram_model = NGram(3).fit([words(text) for text in trained_on])
    texts = [words(story.text) for story in held_out]
    sizes = np.array([len(text) for text in texts], np.float64)
    model_bits = text_bits(model, tokenizer, [story.text for story in held_out])
    trigram_bits = np.array([trigram_model.bits(text) for text in texts])
    path_bits = np.array([story.path_bits for story in held_out])
    return Gap(
        model=bootstrap_ratio(model_bits, sizes),
        trigram=bootstrap_ratio(trigram_bits, sizes),
        path=bootstrap_ratio(path_bits, sizes),
        closed=bootstrap_ratio(trigram_bits - model_bits, trigram_bits - path_bits),
        n_words=int(sizes.sum()),
        n_documents=len(texts),
    )


@torch.no_grad()
def text_bits(model: Any, tokenizer: Any, texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """Return the negative log2-likelihood of each text after a boundary, shape (texts,).

    A text longer than the context is read in consecutive windows that overlap by one token.
    """
    context = model.config.max_position_embeddings
    rows: list[tuple[int, list[int]]] = []
    for number, text in enumerate(texts):
        ids = encode_prompt(tokenizer, text)
        rows.extend((number, ids[start : start + context + 1]) for start in range(0, len(ids) - 1, context))
    bits = np.zeros(len(texts))
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        longest = max(len(ids) for _, ids in batch)
        padded = torch.tensor([ids + [0] * (longest - len(ids)) for _, ids in batch], device=model.device)
        targets = padded[:, 1:].clone()
        for row, (_, ids) in enumerate(batch):
            targets[row, len(ids) - 1 :] = -100
        logits = model(input_ids=padded[:, :-1], use_cache=False).logits.float()
        losses = cross_entropy(logits.transpose(1, 2), targets, reduction="none").double().sum(1)
        for (number, _), loss in zip(batch, losses.tolist(), strict=True):
            bits[number] += loss / math.log(2)
    return bits


def kept(texts: Sequence[str]) -> Kept:
    """Let the judge say how well texts hold together, true or generated.

    The halves meet at the sentence end nearest to the middle.
    """
    same_topic, found, named, ended = [], [], [], []
    for text in texts:
        first, second = map(judge, halves(text))
        same_topic.append(float(first.topic == second.topic != ""))
        named.append(len(second.people))
        found.append(len(set(second.people) & set(first.people)))
        ended.append(float(judge(text).outcome != ""))
    ones = np.ones(len(texts))
    return Kept(
        topic=bootstrap_ratio(same_topic, ones),
        people=bootstrap_ratio(found, named) if any(named) else Estimate(math.nan, -math.inf, math.inf),
        outcome=bootstrap_ratio(ended, ones),
        n_documents=len(texts),
    )


def halves(text: str) -> tuple[str, str]:
    """Cut a text at the sentence end nearest to its middle."""
    middle = len(text) // 2
    ends = [place + 1 for place, letter in enumerate(text) if letter in ".!?"] or [middle]
    cut = min(ends, key=lambda place: abs(place - middle))
    return text[:cut], text[cut:]
