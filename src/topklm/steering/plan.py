"""What edits do to a residual stream: gathered by layer and stage, applied to all rows of a batch at once.

B rows, T tokens, N entries (an entry is one feature of one row). An edit makes factor * a + summand of an
activation a. Which tokens are meant: `places.py`; when this runs: `editing.py`.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.errors import InputError
from ..features import SteerableSource
from ..features.neurons import ModelNeurons
from ..model import SparseCodes, TopK
from .edits import Edit
from .places import Places, Positions


class Entries(NamedTuple):
    """The entries of one round, bound to a batch; no two are the same feature of the same row."""

    rows: Tensor
    """int64, shape (N,)."""
    features: Tensor
    factors: Tensor
    """Shape (N, 1), as are the summands."""
    summands: Tensor
    positions: list[Positions]
    """Each kind of positions once."""
    which: Tensor
    """Which of them is each entry's, shape (N,)."""
    keep_k: Tensor
    """bool, shape (N,)."""
    drop_error: Tensor


class Plan:
    """The edits at one layer and stage: `rows` lists those of each row, or once those of every row."""

    def __init__(
        self, source: SteerableSource, site: int, rows: Sequence[Sequence[Edit]], *, common: bool
    ) -> None:
        self.source, self.site, self.rows, self.common = source, site, rows, common
        edits = [edit for row in rows for edit in row]
        self.everywhere = all(edit.positions == "all" for edit in edits)
        self.any_keep_k = any(edit.keep_k for edit in edits)
        self.any_drop_error = any(not edit.keep_error for edit in edits)
        self.stream: Stream = (
            Axes(source, site) if isinstance(source, ModelNeurons) else Decoded(source, site)
        )
        self.bound: tuple[tuple[Any, ...], list[Entries]] = ((), [])

    def __call__(self, hidden: Tensor, places: Places | None, topk: TopK | None) -> Tensor:
        """Return the stream (B, T, width) as the edits make it; the one given stays as it is."""
        changed = hidden.clone()
        rounds = self.entries(hidden)
        if self.any_drop_error:
            changed = self._without_error(changed, rounds, places)
        for entries in rounds:
            simply = {places.simply(one) if places else True for one in entries.positions}
            if simply == {False}:
                continue
            old = self.stream.read(hidden, entries)  # N T; all edits of a layer read what was there before
            new = entries.factors * old + entries.summands
            where = None if simply == {True} else self._where(entries, places, hidden)
            changed = self.stream.write(changed, entries, old, new, where)
        if self.any_keep_k:
            assert topk is not None  # steer() checks that
            for entries in rounds:
                changed = self._drop_weakest(changed, entries, places, topk)
        return changed

    def entries(self, hidden: Tensor) -> list[Entries]:
        """Bind the edits to a batch of this size, in rounds."""
        key = (hidden.shape[0], hidden.dtype, hidden.device)
        if self.bound[0] != key:
            self.bound = (key, self._bind(hidden))
        return self.bound[1]

    def _bind(self, hidden: Tensor) -> list[Entries]:
        count = hidden.shape[0]
        if self.common:
            by_row = [self.rows[0]] * count
        elif count % len(self.rows):
            raise InputError(
                f"edits for {len(self.rows)} rows do not fit a batch of {count}; give one list a row"
            )
        else:  # several sequences of each row stand next to each other
            by_row = [edits for edits in self.rows for _ in range(count // len(self.rows))]
        rounds: list[list[tuple[int, Edit]]] = []
        for row, edits in enumerate(by_row):
            seen: dict[int, int] = {}
            for edit in edits:  # a feature twice, at different tokens: one round after the other
                number = seen[edit.feature.index] = seen.get(edit.feature.index, -1) + 1
                if number == len(rounds):
                    rounds.append([])
                rounds[number].append((row, edit))
        return [self._entries(pairs, hidden) for pairs in rounds]

    def _entries(self, pairs: list[tuple[int, Edit]], hidden: Tensor) -> Entries:
        device = hidden.device
        edits = [edit for _, edit in pairs]
        lines = torch.tensor([edit.line for edit in edits], dtype=hidden.dtype, device=device)
        positions = list(dict.fromkeys(edit.positions for edit in edits))
        return Entries(
            rows=torch.tensor([row for row, _ in pairs], device=device),
            features=torch.tensor([edit.feature.index for edit in edits], device=device),
            factors=lines[:, :1],
            summands=lines[:, 1:],
            positions=positions,
            which=torch.tensor([positions.index(edit.positions) for edit in edits], device=device),
            keep_k=torch.tensor([edit.keep_k for edit in edits], device=device),
            drop_error=torch.tensor([not edit.keep_error for edit in edits], device=device),
        )

    def _where(self, entries: Entries, places: Places | None, hidden: Tensor) -> Tensor:
        """Mark the tokens of each entry: bool, shape (N, T)."""
        if self.everywhere:
            return torch.ones(len(entries.rows), hidden.shape[1], dtype=torch.bool, device=hidden.device)
        assert places is not None  # watched wherever positions matter
        shape = (hidden.shape[0], hidden.shape[1])
        chosen = torch.stack([places.chosen(one).expand(shape) for one in entries.positions])
        return chosen[entries.which, entries.rows]

    def _any(self, flags: Tensor, entries: Entries, places: Places | None, hidden: Tensor) -> Tensor:
        """Mark the tokens that an entry with its flag set changes: bool, shape (B, T)."""
        where = self._where(entries, places, hidden) & flags[:, None]
        counts = torch.zeros(hidden.shape[:2], dtype=torch.int64, device=hidden.device)
        return counts.index_add_(0, entries.rows, where.long()) > 0

    def _without_error(self, hidden: Tensor, rounds: list[Entries], places: Places | None) -> Tensor:
        """Put what the code stands for in place of the stream, where an edit drops the error."""
        told = self.source.decode(self.site, self.source.encode(self.site, hidden)).view_as(hidden)
        for entries in rounds:
            where = self._any(entries.drop_error, entries, places, hidden)
            hidden = torch.where(where[..., None], told.to(hidden), hidden)
        return hidden

    def _drop_weakest(self, hidden: Tensor, entries: Entries, places: Places | None, topk: TopK) -> Tensor:
        """Keep at most k entries of a token where an edit says so; edited features stay."""
        where = self._any(entries.keep_k, entries, places, hidden)
        excess = ((hidden != 0).sum(dim=-1) - topk.k).clamp(min=0) * where
        most = int(excess.max()) if excess.numel() else 0
        if not most:
            return hidden
        sizes = hidden.detach().abs() if topk.by == "magnitude" else hidden.detach()
        sizes = sizes.masked_fill(hidden == 0, torch.inf)
        for _rows in self.entries(hidden):  # of all rounds
            sizes[_rows.rows, :, _rows.features] = torch.inf
        weakest = sizes.topk(most, dim=-1, largest=False, sorted=True).indices
        dropped = torch.arange(most, device=hidden.device) < excess[..., None]
        values = hidden.gather(-1, weakest)
        return hidden.scatter(-1, weakest, values.masked_fill(dropped, 0))


class Stream:
    """How activations are read from the stream at a site, and written into it."""

    def __init__(self, source: SteerableSource, site: int) -> None:
        self.source, self.site = source, site

    def read(self, hidden: Tensor, entries: Entries) -> Tensor:
        """Return each entry's activation, shape (N, T), by the source's own code."""
        codes = self.source.encode(self.site, hidden)
        features, column = entries.features.unique(return_inverse=True)
        some = columns_of(codes, features).view(*hidden.shape[:2], len(features))  # B T features
        return some[entries.rows, :, column].to(hidden)

    def write(
        self, hidden: Tensor, entries: Entries, old: Tensor, new: Tensor, where: Tensor | None
    ) -> Tensor:
        """Return the stream with each entry's activation changed from old to new, shape (N, T).

        where: at which tokens, of the same shape; None: at all. The stream given may be changed.
        """
        raise NotImplementedError


class Axes(Stream):
    """A neuron is a coordinate of the stream."""

    def __init__(self, source: SteerableSource, site: int) -> None:
        super().__init__(source, site)
        self.state_is_code = isinstance(source, ModelNeurons) and source.state_is_code

    def read(self, hidden: Tensor, entries: Entries) -> Tensor:
        """Read the coordinate itself where the state is the code."""
        return (
            hidden[entries.rows, :, entries.features] if self.state_is_code else super().read(hidden, entries)
        )

    def write(
        self, hidden: Tensor, entries: Entries, old: Tensor, new: Tensor, where: Tensor | None
    ) -> Tensor:
        """Write the coordinate; where the state is more than the code, move it by as much."""
        at = (entries.rows, slice(None), entries.features)
        if not self.state_is_code:
            new = hidden[at] + (new - old)
        hidden[at] = new if where is None else torch.where(where, new, hidden[at])
        return hidden


class Decoded(Stream):
    """A feature is a direction, which the source's decoder knows."""

    def __init__(self, source: SteerableSource, site: int) -> None:
        super().__init__(source, site)
        self.direction = cache(self._direction)

    def write(
        self, hidden: Tensor, entries: Entries, old: Tensor, new: Tensor, where: Tensor | None
    ) -> Tensor:
        """Move the stream along each entry's direction by the change of its activation."""
        directions = torch.stack([self.direction(one) for one in entries.features.tolist()]).to(hidden)
        change = new - old if where is None else (new - old) * where
        return hidden.index_add(0, entries.rows, change[..., None] * directions[:, None])

    def _direction(self, feature: int) -> Tensor:
        """Return what one unit of a feature adds to the stream, shape (width,)."""
        device, width = self.source.model.device, self.source.width(self.site)
        one = SparseCodes(
            torch.tensor([0, 1]), torch.tensor([feature], dtype=torch.int32), torch.ones(1), width
        )
        none = SparseCodes(torch.tensor([0, 0]), one.indices[:0], one.values[:0], width)
        unit, zero = (self.source.decode(self.site, codes.to(device)).detach() for codes in (one, none))
        return (unit - zero)[0]


def columns_of(codes: SparseCodes, features: Tensor) -> Tensor:
    """Return some features' activations, dense: shape (rows, features); the others are never laid out."""
    place = torch.full((codes.width,), -1, device=codes.indices.device)
    place[features.to(place.device)] = torch.arange(len(features), device=place.device)
    column = place[codes.indices.long()]
    found = column >= 0
    dense = torch.zeros(len(codes), len(features), dtype=codes.values.dtype, device=codes.values.device)
    dense[codes.rows[found], column[found]] = codes.values[found]
    return dense
