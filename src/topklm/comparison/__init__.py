"""Comparison: the same metrics, by the same code, of a run's neurons and of what stands beside them.

Here: one text for all sources, what is counted on it, results on disk, names written to an index, the quiz.
Not here: formulas (`metrics/`), concepts (`concepts/`), sources (`features/`), how tables look (`reports/`).
Start with `measuring.py`; `text.py` is what is measured on, `tally.py` what is counted at one site.
"""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .measuring import Settings, measure

__all__ = ["Settings", "measure"]

__getattr__, __dir__ = lazy_names(
    __name__, {"Settings": f"{__name__}.measuring", "measure": f"{__name__}.measuring"}
)
