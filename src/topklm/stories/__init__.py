"""Labelled stories: small English stories made from hidden variables, so that the truth is known.

Here live the generator, its concepts, the judge of texts, alignment to tokens, and Parquet files.
Not here: tokenizing, packing (topklm.data) and scores of features (topklm.metrics).
The sentences are plain data in content/; smoothed n-gram models are in entropy.py.
Start reading at engine.py (`Stories`), then template.py (the language of the sentences).
"""

from .align import Oracle, align, oracle_f1, pieces
from .corpus import documents
from .engine import Span, Stories, Story
from .files import read_parquet, write_parquet
from .judging import Judgement, judge
from .registry import AMBIGUOUS, CONCEPTS, Concept
from .variables import Variables

__all__ = [
    "AMBIGUOUS",
    "CONCEPTS",
    "Concept",
    "Judgement",
    "Oracle",
    "Span",
    "Stories",
    "Story",
    "Variables",
    "align",
    "documents",
    "judge",
    "oracle_f1",
    "pieces",
    "read_parquet",
    "write_parquet",
]
