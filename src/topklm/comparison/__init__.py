"""Comparison: a run beside its references, by the same code, and what that says of every claim.

Here: one text for all sources, what is counted on it, results on disk, names written to an index, the quiz;
the stages of a whole comparison and the rules of its verdicts; sweeps. Not here: formulas (`metrics/`),
concepts (`concepts/`), sources (`features/`), how tables look (`reports/`). Start with `comparisons.py` and
`claims.py`, or for the metrics alone with `measuring.py`.
"""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .budget import Budget
    from .comparisons import compare
    from .measuring import Settings, measure

__all__ = ["Budget", "Settings", "compare", "measure"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Budget": f"{__name__}.budget",
        "Settings": f"{__name__}.measuring",
        "compare": f"{__name__}.comparisons",
        "measure": f"{__name__}.measuring",
    },
)
