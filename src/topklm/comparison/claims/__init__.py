"""The claims, and the rule by which each is decided: pure functions from rows to a verdict in plain words.

Here: one function a claim. Not here: how rows come about (`stages/`), how numbers are averaged and compared
(`gaps.py`). The rules in words: docs/comparison.md. Start with `RULES` below, then `verdict.py`.
"""

from collections.abc import Callable, Iterable

from ..gaps import Numbers
from ..result import ResultRow
from .price import capable, cheap
from .readable import codes, interpretable
from .use import followed, stable, steerable
from .verdict import TITLES, Decider, Verdict

__all__ = ["RULES", "TITLES", "Decider", "Verdict", "verdicts"]

RULES: dict[str, Callable[[Numbers], Verdict]] = {
    "C1": codes,
    "C2": interpretable,
    "C3": cheap,
    "C4": capable,
    "C5": steerable,
    "C6": followed,
    "C7": stable,
}


def verdicts(rows: Iterable[ResultRow]) -> list[Verdict]:
    """Decide all claims."""
    numbers = Numbers(rows)
    return [RULES[claim](numbers) for claim in TITLES]
