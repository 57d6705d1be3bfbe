"""Steering: change a feature while a model writes, and measure what that does to the text.

Here: edits as data, `steer` (edits in a with block), causal effects, finding features to steer, and the
evaluation of steering against its controls. Not here: what features are (`features/`), what they fire on
(`index/`), the drawing of results (`reports/`). Start with `edits.py`, then `editing.py`.
"""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .editing import steer
    from .edits import Edit, load_edits, save_edits
    from .effects import effect

__all__ = ["Edit", "effect", "load_edits", "save_edits", "steer"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Edit": f"{__name__}.edits",
        "effect": f"{__name__}.effects",
        "load_edits": f"{__name__}.edits",
        "save_edits": f"{__name__}.edits",
        "steer": f"{__name__}.editing",
    },
)
