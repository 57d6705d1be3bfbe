"""The explorer: a run's neurons in a browser, on this machine.

Here: pages, the JSON API, notes that a person writes. No maths of its own.
Not here: what is shown (`index/`, `tracing/`, `comparison/`, `steering/`, `features/` compute it).
Start with `app.py`; `workspace.py` is all that pages know of the disk; one router per page in `pages/`.
"""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .app import create_app
    from .workspace import Workspace

__all__ = ["Workspace", "create_app"]

__getattr__, __dir__ = lazy_names(
    __name__, {"Workspace": f"{__name__}.workspace", "create_app": f"{__name__}.app"}
)
