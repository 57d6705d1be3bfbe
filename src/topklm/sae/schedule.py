"""When training ends, and the learning rate until then.

The rate rises over the first steps and stays. Once the curve is flat, but not in the first quarter of the
budget, or when four fifths of it are spent, it comes down to zero over a quarter of what was trained till
then, and training ends. A curve is flat where its last tenth gained less than 1 % of the variance; it is
looked at again at the very end. Every SAE has a course of its own, so that it does not depend on what is
trained beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

FLAT = 0.01
"""Gain of explained variance below which the last tenth of a training is called flat."""
EARLIEST = 0.25
"""Share of the budget before which a flat curve ends nothing: dead latents are revived only after a while,
and a wide SAE's curve is flat long before."""
WARM_SHARE = 0.02
COOL_SHARE = 0.2
POINTS = 40
"""Points of the learning curve, evenly over the budget."""


@dataclass
class Schedule:
    """One training's course; all numbers are tokens."""

    budget: int
    lr: float
    cooled_from: int = 0
    """Where the rate starts to come down; at the latest after four fifths of the budget."""

    def __post_init__(self) -> None:
        self.cooled_from = self.cooled_from or int((1 - COOL_SHARE) * self.budget)

    @property
    def end(self) -> int:
        """Where training ends."""
        return min(self.budget, round(self.cooled_from / (1 - COOL_SHARE)))

    def rate(self, done: int) -> float:
        """Return the learning rate of the step that starts after `done` tokens."""
        warm = max(1.0, WARM_SHARE * self.budget)
        rising = min(1.0, (done + 1) / warm)
        falling = (self.end - done) / max(1, self.end - self.cooled_from)
        return self.lr * min(rising, max(0.0, min(1.0, falling)))

    def cool(self, done: int) -> None:
        """Let the rate come down from here on, where it has not begun to."""
        self.cooled_from = min(self.cooled_from, done)


def last_tenth(curve: Sequence[tuple[int, float]]) -> float | None:
    """Return how much the last tenth of a curve of (tokens, explained variance) gained; None where too short.

    >>> last_tenth([(80, 0.5), (90, 0.7), (100, 0.75)])
    0.050000000000000044
    """
    done, value = curve[-1]
    before = [one for tokens, one in curve[:-1] if tokens <= 0.9 * done]
    return value - before[-1] if before else None
