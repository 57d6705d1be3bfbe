"""Training: settings and presets in, a run directory out, resumable at every instant.

Here: `train`, presets, schedules of k and of checkpoints, what a run directory is, `load`.
Not here: text and tokens (`data/`), held-out measures (`evaluation/`).
Start with `loop.py`; `settings.py` says what can be chosen.
"""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from ..core.errors import Interrupted
    from .loop import resume, train
    from .presets import PRESETS, preset
    from .run import Loaded, Run, load
    from .settings import TrainSettings

__all__ = [
    "PRESETS",
    "Interrupted",
    "Loaded",
    "Run",
    "TrainSettings",
    "load",
    "preset",
    "resume",
    "train",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Interrupted": "topklm.core.errors",
        "Loaded": f"{__name__}.run",
        "PRESETS": f"{__name__}.presets",
        "Run": f"{__name__}.run",
        "TrainSettings": f"{__name__}.settings",
        "load": f"{__name__}.run",
        "preset": f"{__name__}.presets",
        "resume": f"{__name__}.loop",
        "train": f"{__name__}.loop",
    },
)
