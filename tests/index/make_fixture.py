"""Make `fixture-1`: a small index of the format topklm.index/1, to be read by all later versions.

    python tests/index/make_fixture.py DIRECTORY

The one in the repository is frozen and not made again. Model and text are the stories' own: a model of
two TopK layers trained for some seconds, on stories of seed 0, and an index of stories of seed 1.
"""

import sys
import tempfile
from pathlib import Path

from topklm.index import build_index
from topklm.training import TrainSettings, train

SETTINGS = {
    "width": 24,
    "depth": 3,
    "n_nontopk": 1,
    "heads": 2,
    "head_dim": 8,
    "mlp": 32,
    "context": 64,
    "k": 4,
}


def main() -> None:
    """Train, index, and leave the index where it was asked for."""
    settings = TrainSettings(
        **SETTINGS, data=["stories"], tokenizer="bpe:320", tokens=40_000, threads=1, precision="fp32", lr=1e-2
    )
    with tempfile.TemporaryDirectory() as scratch:
        run = train(settings, Path(scratch) / "run")
        index = build_index(run, data="stories:1", tokens=600, out=sys.argv[1])
        index.add_facts({"token_entropy": {"L0/N0": 2.5}})
        index.add_labels({"L0/N0": ["an example"]})


main()
