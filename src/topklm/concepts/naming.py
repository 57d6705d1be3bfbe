"""Automatic names for features: the concept, tokens or next tokens that agree best with the firing."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..metrics.batch import Batch
from ..metrics.labelled import CHOOSING, READING, feature_labels
from ..metrics.rules import rule_f1, top_types
from ..metrics.scores import concept_scores

GOOD = 0.5
"""A name is good where its held-out F1 is at least this, as for a labelled feature."""
TOKENS = 3
NO_NAME = "no good name"

Decode = Callable[[int], str]
"""Turns a token type into its text."""


class Name(NamedTuple):
    """A feature's name, with how well it tells when the feature fires."""

    feature: int
    text: str
    """`no good name` where none reaches 0.5."""
    kind: str
    """`concept`, `tokens`, `next tokens`, `endpoint`, or `none`."""
    score: float
    """Held-out F1 of the name; of a name from an endpoint, accuracy of detection (chance 0.5). Where
    there is no good name, that of the best that was tried."""
    n: int
    """Firings (or detected examples) that the score was read on."""


def name_features(
    batch: Batch,
    names: Sequence[str],
    decode: Decode,
    *,
    promoted: Tensor | None = None,
    seed: int = 0,
) -> list[Name]:
    """Name every feature by what agrees best with its firing.

    Tried are: its best concept; the one, two or three token types with most of its mass; and, where
    `promoted` (feature, tokens; best first) is given, "before" the one, two or three tokens that it
    promotes. All are scored alike, by the best F1 over thresholds on the activation. The best on one
    half of the documents is the name, and its score is read on the other half. A contiguous text in
    memory; some 100,000 tokens are plenty.
    """
    labels = feature_labels(concept_scores(batch, seed=seed))
    chosen, read = [labels.chosen_f1.nan_to_num(0.0)], [labels.f1.nan_to_num(0.0)]
    tried: list[tuple[str, Tensor, int]] = [("concept", labels.concept, 0)]
    own = top_types(batch, count=TOKENS, half=CHOOSING, seed=seed)
    rules = [("tokens", own, False)]
    if promoted is not None:
        rules.append(("next tokens", promoted[:, :TOKENS], True))
    firings = torch.zeros(batch.codes.width)
    for kind, types, following in rules:
        scores = rule_f1(batch, types, following=following, seed=seed)
        firings = scores.firings[READING]
        for rank in range(types.shape[1]):
            chosen.append(scores.f1[CHOOSING, rank])
            read.append(scores.f1[READING, rank])
            tried.append((kind, types, rank + 1))
    best = torch.stack(chosen).max(0)
    found = []
    for feature in range(batch.codes.width):
        kind, what, count = tried[int(best.indices[feature])]
        score = float(read[int(best.indices[feature])][feature])
        good = float(best.values[feature]) > 0 and score >= GOOD
        text = NO_NAME
        if good and kind == "concept":
            text = names[int(what[feature])]
        elif good:
            shown = ", ".join(repr(decode(int(one))) for one in what[feature, :count] if one >= 0)
            text = shown if kind == "tokens" else f"before {shown}"
        found.append(Name(feature, text, kind if good else "none", score, int(firings[feature])))
    return found
