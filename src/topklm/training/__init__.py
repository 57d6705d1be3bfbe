"""Training: settings and presets in, a run directory out, resumable at every instant.

Here: `train`, presets, schedules of k and of checkpoints, what a run directory is, `load`.
Not here: text and tokens (`data/`), held-out measures (`evaluation/`).
Start with `train.py`; `settings.py` says what can be chosen.
"""

from .presets import PRESETS, preset
from .run import Loaded, Run, load
from .settings import TrainSettings
from .train import Interrupted, resume, train

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
