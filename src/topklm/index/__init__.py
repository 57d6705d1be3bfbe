"""The feature index: what every feature of a source does on a text, on disk and quick to ask.

Here: building one (in parts, resumable, by several processes), opening and asking one.
Not here: sources (`features/`), how a card looks (`reports/`), measures of meaning (`metrics/`).
Start with `build.py` for writing, `feature_index.py` for reading; the format is in docs/formats.md.
"""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .build import build_index, build_shard
    from .feature_index import FeatureIndex
    from .notes import Notes
    from .search import Search
    from .sources import source_of

__all__ = ["FeatureIndex", "Notes", "Search", "build_index", "build_shard", "source_of"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "FeatureIndex": f"{__name__}.feature_index",
        "Notes": f"{__name__}.notes",
        "Search": f"{__name__}.search",
        "build_index": f"{__name__}.build",
        "build_shard": f"{__name__}.build",
        "source_of": f"{__name__}.sources",
    },
)
