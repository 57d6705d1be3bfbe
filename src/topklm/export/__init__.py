"""Other tools' formats: all knowledge of them is here, one file per tool.

Here: what an index holds, written as delphi's latent cache or as Neuronpedia's exports; TopK layers
written as SAELens's SAEs; TransformerLens's bridge to TopK models (`transformerlens.py`);
a run as a model of the Hugging Face hub (`hub.py`), with its card.
Not here: the index itself (`index/`). `docs/formats.md` says which versions were checked, and how.
Start with `tools.py`, which lists the tools that take an index.
"""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .hub import push
    from .saelens import export_saelens
    from .tools import TOOLS, export_index

__all__ = ["TOOLS", "export_index", "export_saelens", "push"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "TOOLS": f"{__name__}.tools",
        "export_index": f"{__name__}.tools",
        "export_saelens": f"{__name__}.saelens",
        "push": f"{__name__}.hub",
    },
)
