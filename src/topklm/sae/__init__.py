"""Sparse autoencoders of a model's residual stream, by SAELens: their latents are features like any other.

Here: latents as a feature source, training SAEs on a model's streams, their quality, SAELens itself.
Not here: writing a TopK layer as an SAE (`export/`), which needs no SAELens.
Start with `latents.py`, then `train.py`. SAELens is the extra `sae`; it is imported when first used.
"""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .latents import SAELatents
    from .quality import saes_quality
    from .runs import train_run_saes
    from .settings import SAESettings
    from .store import source_of_run
    from .train import train_saes

__all__ = ["SAELatents", "SAESettings", "saes_quality", "source_of_run", "train_run_saes", "train_saes"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "SAELatents": f"{__name__}.latents",
        "SAESettings": f"{__name__}.settings",
        "saes_quality": f"{__name__}.quality",
        "source_of_run": f"{__name__}.store",
        "train_run_saes": f"{__name__}.runs",
        "train_saes": f"{__name__}.train",
    },
)
