"""What reading a text shows: plain data, filled by `features/reading.py`, drawn by `tables.py`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Firing:
    """One feature that fires on a token."""

    feature: str
    """Its name, such as `L3/N17`."""
    activation: float
    top_token: str = ""
    """The token type with the largest share of its mass, from an index; empty without one."""


@dataclass(frozen=True)
class ReadToken:
    """One token of the text, and what fires on it."""

    token: str
    firings: dict[str, tuple[Firing, ...]]
    """By site, such as `L3`: its strongest features, the largest activation first."""
