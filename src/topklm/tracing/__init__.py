"""Traces: what becomes of features over checkpoints, layers and seeds.

Here: reading every tracing checkpoint of a run and of its controls, what is stored of that, one neuron's
life. Not here: the measures (`metrics/`), what a source is (`features/`), tables and figures (`reports/`).
Start with `build.py`: `trace` makes a trace, `Trace` (in `stored.py`) is asked.
"""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .build import trace
    from .checkpoints import Checkpoints
    from .stored import Trace

__all__ = ["Checkpoints", "Trace", "trace"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Checkpoints": f"{__name__}.checkpoints",
        "Trace": f"{__name__}.stored",
        "trace": f"{__name__}.build",
    },
)
