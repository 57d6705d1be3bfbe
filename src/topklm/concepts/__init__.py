"""Concepts: which tokens of a text stand for what, from wherever it is known; and names for features.

Here: labels from the story generator, lexicons, documents and token classes; automatic names.
Not here: scores of features against labels (`metrics/`), the stories themselves (`stories/`).
Start with `labels.py`, then `labellers.py`.
"""

from .labellers import DocumentColumn, StoryConcepts, TokenClasses, document_columns, story_words
from .labels import ConceptLabels, label, label_batches, resolve_name
from .lexicon import Lexicon, english, read_lexicon, type_classes
from .naming import Name, name_features
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
