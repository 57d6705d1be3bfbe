"""Concepts: which tokens of a text stand for what, from wherever it is known; and names for features.

Here: labels from the story generator, lexicons, documents and token classes; automatic names.
Not here: scores of features against labels (`metrics/`), the stories themselves (`stories/`).
Start with `labels.py`, then `labellers.py`.
"""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .labellers import DocumentColumn, StoryConcepts, TokenClasses, document_columns, story_words
    from .labels import ConceptLabels, label, label_batches
    from .lexicon import Lexicon, english, read_lexicon, type_classes
    from .naming import Name, name_features
    from .resolve import resolve_name
    from .texts import Sources, all_stories, read_packed

__all__ = [
    "ConceptLabels",
    "DocumentColumn",
    "Lexicon",
    "Name",
    "Sources",
    "StoryConcepts",
    "TokenClasses",
    "all_stories",
    "document_columns",
    "english",
    "label",
    "label_batches",
    "name_features",
    "read_lexicon",
    "read_packed",
    "resolve_name",
    "story_words",
    "type_classes",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ConceptLabels": f"{__name__}.labels",
        "DocumentColumn": f"{__name__}.labellers",
        "Lexicon": f"{__name__}.lexicon",
        "Name": f"{__name__}.naming",
        "Sources": f"{__name__}.texts",
        "StoryConcepts": f"{__name__}.labellers",
        "TokenClasses": f"{__name__}.labellers",
        "all_stories": f"{__name__}.texts",
        "document_columns": f"{__name__}.labellers",
        "english": f"{__name__}.lexicon",
        "label": f"{__name__}.labels",
        "label_batches": f"{__name__}.labels",
        "name_features": f"{__name__}.naming",
        "read_lexicon": f"{__name__}.lexicon",
        "read_packed": f"{__name__}.texts",
        "resolve_name": f"{__name__}.resolve",
        "story_words": f"{__name__}.labellers",
        "type_classes": f"{__name__}.lexicon",
    },
)
