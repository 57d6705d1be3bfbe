"""Sparse codes: (index, value) pairs per token, the one currency for sparse states."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index

import torch
from torch import Tensor

from .topk import kernels, kernels_take


@dataclass(frozen=True, eq=False, repr=False)
class SparseCodes:
    """The non-zero entries of a matrix of tokens by features, row after row.

    Ragged, since the number of entries may vary per token. Row r holds the entries
    `offsets[r]:offsets[r + 1]`; within a row, indices ascend.

        codes = SparseCodes.from_dense(hidden_states)   # (batch, token, width) -> batch * token rows
        codes[10:20].to_dense()                         # (10, width)
        SparseCodes.cat([codes[:5], codes[5:]]) == codes

    Raises ValueError where the parts do not fit together.
    """

    offsets: Tensor
    """int64, shape (rows + 1,): where each row begins in `indices` and `values`; starts at 0."""
    indices: Tensor
    """int32, shape (entries,): the feature of each entry."""
    values: Tensor
    """floating point, shape (entries,): the activation of each entry."""
    width: int
    """Number of features."""

    def __post_init__(self) -> None:
        """Check parts from outside; what this class makes itself is right by construction."""
        entries = self.indices.shape[0] if self.indices.ndim == 1 else -1
        if self.offsets.ndim != 1 or self.offsets.shape[0] < 1 or self.values.shape != (entries,):
            raise ValueError(
                "SparseCodes needs one-dimensional offsets (rows + 1) and equally long indices and "
                f"values, not {tuple(self.offsets.shape)}, {tuple(self.indices.shape)}, "
                f"{tuple(self.values.shape)}"
            )
        if not self.values.is_floating_point():
            raise ValueError(f"SparseCodes needs floating-point values, not {self.values.dtype}")
        if self.offsets.dtype != torch.int64 or self.indices.dtype != torch.int32:
            raise ValueError(
                "SparseCodes needs int64 offsets and int32 indices, not "
                f"{self.offsets.dtype} and {self.indices.dtype}"
            )
        steps = self.offsets.diff()
        if int(self.offsets[0]) != 0 or int(self.offsets[-1]) != entries or bool((steps < 0).any()):
            raise ValueError(f"offsets must rise from 0 to the number of entries, {entries}")
        if entries and not 0 <= int(self.indices.min()) <= int(self.indices.max()) < self.width:
            raise ValueError(f"indices must lie in 0..{self.width - 1}")
        rising = self.indices.diff() > 0
        starts = self.offsets[1:-1] - 1
        rising[starts[(starts >= 0) & (starts < entries - 1)]] = True  # a new row may start anywhere
        if not bool(rising.all()):
            raise ValueError("indices must ascend within a row, without repeats")

    @classmethod
    def _made(cls, offsets: Tensor, indices: Tensor, values: Tensor, width: int) -> "SparseCodes":
        codes = object.__new__(cls)
        for name, value in zip(("offsets", "indices", "values"), (offsets, indices, values), strict=True):
            object.__setattr__(codes, name, value)
        object.__setattr__(codes, "width", width)
        return codes

    @classmethod
    def from_dense(cls, dense: Tensor) -> "SparseCodes":
        """Collect the non-zero entries (NaN is one) of `dense`, shape (..., width), row by row."""
        rows = dense.detach().reshape(-1, dense.shape[-1])
        if kernels_take(rows):
            offsets, indices, values = kernels().collect(rows.contiguous())
            return cls._made(offsets, indices, values, rows.shape[-1])
        row, feature = rows.nonzero(as_tuple=True)
        counts = torch.bincount(row, minlength=rows.shape[0])
        return cls._made(_offsets(counts), feature.to(torch.int32), rows[row, feature], rows.shape[-1])

    @classmethod
    def cat(cls, parts: Sequence["SparseCodes"]) -> "SparseCodes":
        """Put the rows of several codes of one width after each other."""
        if not parts or any(part.width != parts[0].width for part in parts):
            widths = [part.width for part in parts]
            raise ValueError(f"cat needs at least one part and equal widths, not {widths}")
        return cls._made(
            _offsets(torch.cat([part.counts for part in parts])),
            torch.cat([part.indices for part in parts]),
            torch.cat([part.values for part in parts]),
            parts[0].width,
        )

    @property
    def counts(self) -> Tensor:
        """Entries per row: int64, shape (rows,)."""
        return self.offsets.diff()

    @property
    def rows(self) -> Tensor:
        """The row of each entry: int64, shape (entries,)."""
        return torch.repeat_interleave(self.counts)

    def to_dense(self) -> Tensor:
        """Return the dense matrix, shape (rows, width), zeros where there is no entry."""
        dense = torch.zeros(len(self), self.width, dtype=self.values.dtype, device=self.values.device)
        dense[self.rows, self.indices.long()] = self.values
        return dense

    def to(self, device: torch.device | str) -> "SparseCodes":
        """Return the same codes on another device."""
        offsets, indices, values = self.offsets, self.indices, self.values
        return self._made(offsets.to(device), indices.to(device), values.to(device), self.width)

    def __len__(self) -> int:
        """Count the rows (tokens)."""
        return self.offsets.shape[0] - 1

    def __getitem__(self, rows: slice | int) -> "SparseCodes":
        """Return a contiguous run of rows; an integer gives a single row."""
        if not isinstance(rows, slice):
            start = range(len(self))[index(rows)]  # raises IndexError out of range, as a list does
            rows = slice(start, start + 1)
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError("SparseCodes slices have step 1")
        stop = max(start, stop)
        first, last = int(self.offsets[start]), int(self.offsets[stop])
        return self._made(
            self.offsets[start : stop + 1] - first,
            self.indices[first:last],
            self.values[first:last],
            self.width,
        )

    def __eq__(self, other: object) -> bool:
        """Compare exactly: same width, rows, indices and values."""
        if not isinstance(other, SparseCodes):
            return NotImplemented
        return (
            self.width == other.width
            and torch.equal(self.offsets, other.offsets)
            and torch.equal(self.indices, other.indices)
            and torch.equal(self.values, other.values)
        )

    __hash__ = None  # type: ignore[assignment]  # tensors inside

    def __repr__(self) -> str:
        """Show the sizes."""
        return f"SparseCodes(rows={len(self)}, width={self.width}, entries={self.indices.shape[0]})"


def _offsets(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
