"""When steering has succeeded: the bars, the choice of a strength on one half of the prompts, pure functions.

A feature succeeds where its concept comes up in at least 10 points more of the texts, and a third of the way
to all of them, while the texts stay fluent: at most 1.5 times the unsteered perplexity, at least 0.8 of its
distinct-2. Texts alternate between the half that chooses the strength and the half that judges it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..evaluation.fluency import perplexity

Array = np.ndarray[Any, Any]
RISE = 0.10
"""Least rise of the concept rate, as a share of the texts."""
CLOSED = 1 / 3
"""Least share of the distance to all texts that is closed."""
PERPLEXITY = 1.5
"""Largest perplexity, in units of the unsteered one."""
DISTINCT = 0.8
"""Smallest distinct-2, in units of the unsteered one."""
CHOOSING, JUDGING = 0, 1
ROUNDING = 1e-9


class Texts(NamedTuple):
    """What is known of some texts, one number a text; the same prompts in the same order everywhere."""

    shown: Array
    """Whether it shows the concept, 0 or 1."""
    nats: Array
    """Negative log-likelihood of what was written, under the model that judges fluency."""
    tokens: Array
    """How many tokens were written."""
    distinct: Array
    """Distinct-2; NaN for a text of fewer than two tokens."""

    def half(self, half: int) -> "Texts":
        """Take every other text: those that choose, or those that judge."""
        return Texts(*(np.asarray(part, np.float64)[half::2] for part in self))


class Measured(NamedTuple):
    """The averages of some texts."""

    rate: float
    """Share that shows the concept."""
    perplexity: float
    distinct: float


class Verdict(NamedTuple):
    """How steered texts compare with unsteered ones."""

    reached: bool
    """Whether the concept came up often enough."""
    fluent: bool
    rise: float
    closed: float
    """Share of the distance to all texts that is closed; NaN where all show the concept unsteered."""
    perplexity_ratio: float
    distinct_ratio: float

    @property
    def success(self) -> bool:
        """Whether both hold."""
        return self.reached and self.fluent


def measure(texts: Texts) -> Measured:
    """Average over texts; perplexity over all their tokens together."""
    known = texts.distinct[np.isfinite(texts.distinct)]
    return Measured(
        rate=float(np.mean(texts.shown)) if len(texts.shown) else float("nan"),
        perplexity=perplexity(texts.nats, texts.tokens),
        distinct=float(known.mean()) if len(known) else float("nan"),
    )


def verdict(plain: Measured, steered: Measured) -> Verdict:
    """Compare steered with unsteered texts. Texts without a token are not fluent."""
    rise = steered.rate - plain.rate
    closed = rise / (1 - plain.rate) if plain.rate < 1 else float("nan")
    more, kept = steered.perplexity / plain.perplexity, steered.distinct / plain.distinct
    return Verdict(
        reached=bool(rise >= RISE - ROUNDING and closed >= CLOSED - ROUNDING),
        fluent=bool(more <= PERPLEXITY + ROUNDING and kept >= DISTINCT - ROUNDING),
        rise=rise,
        closed=closed,
        perplexity_ratio=more,
        distinct_ratio=kept,
    )


def choose(plain: Texts, steered: Mapping[str, Texts]) -> str:
    """Choose a strength on the half that chooses: of those that stay fluent, the highest concept rate.

    Ties go to the first; where none stays fluent, the one with the least perplexity is taken.
    """
    before = measure(plain.half(CHOOSING))
    verdicts = {name: verdict(before, measure(texts.half(CHOOSING))) for name, texts in steered.items()}
    fluent = [name for name, one in verdicts.items() if one.fluent]
    if fluent:
        return max(fluent, key=lambda name: verdicts[name].rise)
    return min(verdicts, key=lambda name: np.nan_to_num(verdicts[name].perplexity_ratio, nan=np.inf))


def judged(plain: Texts, steered: Texts) -> Verdict:
    """Judge a strength on the half that judges."""
    return verdict(measure(plain.half(JUDGING)), measure(steered.half(JUDGING)))
