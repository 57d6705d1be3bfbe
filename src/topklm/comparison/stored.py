"""The concepts of every token of a text, on disk: read in stretches, however long the text is."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..concepts import ConceptLabels
from ..data import Packed
from ..model import SparseCodes

Array = np.ndarray[Any, Any]


class StoredLabels:
    """Occurrences of concepts, written in order and read back by slices of tokens.

    stored = StoredLabels(directory, concepts=250)
    for part in label_batches(...): stored.append(part)
    stored[1000:2000]     # SparseCodes, as ConceptLabels.occurrences holds them
    """

    def __init__(self, directory: Path, *, concepts: int) -> None:
        self.concepts = concepts
        self.paths = directory / "labels.offsets", directory / "labels.concepts"
        self.entries = 0
        self.tokens = 0
        self._seen = hashlib.sha256()
        for path in self.paths:
            path.write_bytes(b"")
        self._append(np.zeros(1, np.int64), np.zeros(0, np.int32))

    def append(self, part: ConceptLabels) -> None:
        """Add the labels of the next stretch."""
        assert part.start == self.tokens
        offsets = part.occurrences.offsets[1:].numpy() + self.entries
        self._append(offsets, part.occurrences.indices.numpy())
        self.tokens += len(part)
        self.entries += len(part.occurrences.indices)

    def _append(self, offsets: Array, concepts: Array) -> None:
        for path, values in zip(self.paths, (offsets, concepts), strict=True):
            self._seen.update(values.tobytes())
            with path.open("ab") as file:
                file.write(values.tobytes())

    @property
    def digest(self) -> str:
        """A SHA-256 of what is stored, in the stretches in which it came."""
        return self._seen.hexdigest()

    def __len__(self) -> int:
        """Count the tokens."""
        return self.tokens

    def __getitem__(self, tokens: slice) -> SparseCodes:
        """Return what a run of tokens carries."""
        start, stop, _ = tokens.indices(self.tokens)
        offsets = np.fromfile(self.paths[0], np.int64, stop - start + 1, offset=8 * start)
        first, last = int(offsets[0]), int(offsets[-1])
        concepts = np.fromfile(self.paths[1], np.int32, last - first, offset=4 * first)
        return SparseCodes(
            torch.from_numpy(offsets - first),
            torch.from_numpy(concepts),
            torch.ones(last - first),
            self.concepts,
        )


class DocumentOf:
    """The number of each token's document, as if it were an array of the text's length."""

    def __init__(self, packed: Packed) -> None:
        self.starts = np.asarray(packed.documents[:, 0])
        self.tokens = len(packed.tokens)

    def __len__(self) -> int:
        """Count the tokens."""
        return self.tokens

    def __getitem__(self, tokens: slice | int) -> Any:
        """Return the number of one token's document, or an array of those of a run."""
        if isinstance(tokens, slice):
            return np.searchsorted(self.starts, np.arange(*tokens.indices(self.tokens)), side="right") - 1
        return int(np.searchsorted(self.starts, tokens, side="right")) - 1


def only(labels: SparseCodes, table: torch.Tensor, count: int) -> SparseCodes:
    """Keep some of the concepts, renumbered. table: each concept's new number, ascending, or -1."""
    numbers = table[labels.indices.long()]
    kept = numbers >= 0
    counts = torch.bincount(labels.rows[kept], minlength=len(labels))
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return SparseCodes(offsets, numbers[kept].int(), labels.values[kept], count)
