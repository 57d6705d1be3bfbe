"""How strongly a token is shaded for its activation, and in which colours.

Ten steps each way: 0 is no firing, 9 the strongest of the feature; a negative activation counts
downwards and has a colour of its own. The two hues, orange and blue, are told apart by every kind of
colour-blindness, and a step is never shown by its hue alone.
"""

import math
from typing import NamedTuple

from .card import Card

STEPS = 9
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


class Ramp(NamedTuple):
    """Backgrounds from the weakest to the strongest step, and the text that all of them can carry."""

    start: str
    """Colour of a step below the first, `#rrggbb`."""
    positive: str
    """Background of the strongest positive activation."""
    negative: str
    text: str

    def background(self, step: int) -> str:
        """Return a step's background, `#rrggbb`."""
        end = self.positive if step > 0 else self.negative
        share = 0.15 + 0.85 * (abs(step) - 1) / (STEPS - 1)  # the first step must show too
        mixed = [
            round(low + share * (high - low))
            for low, high in zip(_channels(self.start), _channels(end), strict=True)
        ]
        return "#" + "".join(f"{part:02x}" for part in mixed)


LIGHT_PAGE = Ramp("#ffffff", "#f28c00", "#6aa8ff", "#1a1a1a")
DARK_PAGE = Ramp("#16181c", "#a05400", "#2a5fc0", "#ffffff")
TERMINAL = Ramp("#a8a8a8", "#ff9500", "#6ab4ff", "#000000")
"""From grey to colour at one lightness: readable and in the same order on black and on white."""


def step(activation: float, strongest: float) -> int:
    """Return the step, -9..9, of an activation where `strongest` is the feature's largest size.

    >>> step(0.0, 4.0), step(0.1, 4.0), step(4.0, 4.0), step(-2.0, 4.0)
    (0, 1, 9, -5)
    """
    if activation == 0 or not math.isfinite(activation):
        return 0
    size = min(1.0, abs(activation) / strongest) if strongest > 0 else 1.0
    return int(math.copysign(max(1, math.ceil(STEPS * size)), activation))


def scale(card: Card) -> float:
    """Return the largest size of an activation that a card shows; its shading is measured by it."""
    shown = [abs(value) for one in card.bins for example in one.examples for value in example.activations]
    return max(shown, default=0.0)


def superscript(step: int) -> str:
    """Write a step in small digits, for where there are no colours; nothing for 0.

    >>> superscript(7), superscript(-5), superscript(0)
    ('⁷', '⁻⁵', '')
    """
    return "" if step == 0 else ("⁻" if step < 0 else "") + SUPERSCRIPTS[abs(step)]


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours, 1 to 21, as the WCAG define it (2.2, relative luminance)."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
