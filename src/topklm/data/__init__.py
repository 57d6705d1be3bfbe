"""From text to blocks of tokens: corpora, tokenizers, packing.

Here: where documents come from, how they are split, tokenized and laid out on disk.
Not here: the story generator (`stories/`), training on the blocks (`training/`).
Start with `corpus.py`, then `packing.py`.
"""

from .corpus import Corpus, Document, load_corpus
from .packing import Blocks, Packed, pack
from .tokenizer import load_tokenizer

__all__ = ["Blocks", "Corpus", "Document", "Packed", "load_corpus", "load_tokenizer", "pack"]
