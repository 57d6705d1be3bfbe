"""Other tools' formats: all knowledge of them is here, one file per tool.

Here: what an index holds, written as delphi's latent cache or as Neuronpedia's exports.
Not here: the index itself (`index/`). `docs/formats.md` says which versions were checked, and how.
Start with `tools.py`, which lists the tools.
"""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .tools import TOOLS, export_index

__all__ = ["TOOLS", "export_index"]

__getattr__, __dir__ = lazy_names(
    __name__, {"TOOLS": f"{__name__}.tools", "export_index": f"{__name__}.tools"}
)
