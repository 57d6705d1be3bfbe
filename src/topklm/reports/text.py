"""How token texts and numbers are written for people, in the terminal and on pages alike."""

import math
import unicodedata
from functools import lru_cache

LONGEST = 40
"""Characters of a token that are shown; a longer one is cut."""
MARKS = {"\n": "↵", "\t": "⇥", "\r": "␍"}
JOINERS = "\u200c\u200d"
"""They shape the letters and emoji around them, so they stay where there are any."""


@lru_cache(maxsize=2**15)
def visible(token: str, *, longest: int = LONGEST) -> str:
    r"""Write a token so that it stays on its line, changes nothing around it, and nothing of it is hidden.

    Line breaks and tabs become marks, other characters without a shape of their own escapes such as
    `\x07`; a mark that would sit on the letter before gets a circle to sit on. Plain spaces stay.

    >>> visible(" dog\n"), visible("\x1b[2J")
    (' dog↵', '\\x1b[2J')
    """
    if len(token) > longest:
        token = token[: longest - 1] + "…"
    shaped = any(_has_shape(letter) for letter in token)
    written = "".join(MARKS.get(letter) or _letter(letter, keep_joiners=shaped) for letter in token)
    if token and unicodedata.category(token[0]).startswith("M"):
        return "◌" + written
    return written


def quoted(token: str) -> str:
    """Write a token in quotes, so that its spaces can be seen.

    >>> quoted(" dog")
    "' dog'"
    """
    return f"'{visible(token)}'"


def amount(value: float) -> str:
    """Write a number with three digits; a dash where there is none.

    >>> amount(1234.5), amount(1.2345), amount(0.02), amount(float("nan"))
    ('1,234', '1.23', '0.020', '-')
    """
    if not math.isfinite(value):
        return "-" if math.isnan(value) else str(value)
    size = abs(value)
    if size >= 1000 or size == 0:
        return f"{value:,.0f}"
    if size < 1:
        return f"{value:.3f}" if size >= 0.001 else f"{value:.1e}"
    return f"{value:#.3g}".rstrip(".")


def signed(value: float) -> str:
    """Write a change, with its sign.

    >>> signed(0.5), signed(-0.25)
    ('+0.500', '-0.250')
    """
    return f"+{amount(value)}" if value >= 0 else amount(value)


def percent(share: float) -> str:
    """Write a share.

    >>> percent(0.3456), percent(0.000123), percent(0.0)
    ('34.6%', '0.012%', '0%')
    """
    if not math.isfinite(share):
        return "-"
    part = 100 * share
    return f"{part:.2g}%" if abs(part) < 1 else f"{part:.1f}%"


def count(number: int, one: str, many: str | None = None) -> str:
    """Write a number with its noun.

    >>> count(1, "firing"), count(2000, "firing")
    ('1 firing', '2,000 firings')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def quantile(name: str) -> str:
    """Name a quantile for people.

    >>> quantile("0.5"), quantile("0.99")
    ('median', 'p99')
    """
    try:
        share = float(name)
    except ValueError:
        return name
    return "median" if share == 0.5 else f"p{100 * share:g}"


def _has_shape(letter: str) -> bool:
    return unicodedata.category(letter)[0] not in "CZ"


def _letter(letter: str, *, keep_joiners: bool) -> str:
    kind = unicodedata.category(letter)
    if letter == " " or (keep_joiners and letter in JOINERS):
        return letter
    if kind in ("Cc", "Cf", "Cs", "Co") or kind.startswith("Z") or _is_noncharacter(letter):
        code = ord(letter)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return letter


def _is_noncharacter(letter: str) -> bool:
    return ord(letter) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(letter) <= 0xFDEF
