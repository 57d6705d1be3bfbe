"""What it costs to begin: importing, asking for help, telling stories."""

import subprocess
import sys
from functools import partial
from itertools import islice

from topklm.data import load_tokenizer
from topklm.data.corpus import load_corpus
from topklm.stories import Stories

from .pairs import Ratio, ratio

STORIES = 1_000
"""About half a megabyte."""


def starting() -> list[Ratio]:
    """A new process that imports topklm, or prints its help, against one that imports numpy."""

    def begin(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)

    first = {
        "import topklm": partial(begin, "-c", "import topklm"),
        "topklm --help": partial(begin, "-m", "topklm", "--help"),
    }
    numpy = partial(begin, "-c", "import numpy")
    return [ratio(name, work, numpy) for name, work in first.items()]


def telling() -> list[Ratio]:
    """Telling 1,000 labelled stories against splitting them into tokens."""
    corpus = load_corpus("stories")
    tokenizer = load_tokenizer("bpe:2048", corpus=corpus)
    texts = [one.text for one in islice(corpus.documents(), STORIES)]

    def tell() -> list[object]:
        return list(Stories(1).take(STORIES))

    return [ratio("1,000 stories", tell, lambda: tokenizer(texts))]
