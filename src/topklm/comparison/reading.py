"""A source's codes on the measured text, with labels: one pass after another, the same each time."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ..features import FeatureSource, SteerableSource, capture
from ..features.hooks import read_sites
from ..metrics.batch import Batch, both_signs
from ..model import SparseCodes
from .text import MeasuredText

if TYPE_CHECKING:
    from ..core.site import Feature

STRETCH = 32_768
"""Tokens of a stretch: counting long ones takes less time."""
HELD = 2**29
"""Bytes of codes that are kept in memory for the next pass; a longer text is read by the model again."""


class Stretch(NamedTuple):
    """Consecutive tokens, coded at every site."""

    batches: dict[int, Batch]
    states: dict[int, Tensor] | None
    """The residual streams that were read, by site, where they are something else than the codes."""


class Reading:
    """The passes of one source over the text.

    signed: look at two features of a neuron, n+ and n- (`both_signs`), as TopK by magnitude needs.
    The hidden states come with the first pass alone. report: called with the tokens read, pass after pass.
    """

    def __init__(
        self,
        source: FeatureSource,
        text: MeasuredText,
        *,
        signed: bool = False,
        report: Callable[[int], None] = lambda _tokens: None,
    ) -> None:
        self.source: FeatureSource = source
        if isinstance(source, SteerableSource) and not getattr(source, "state_is_code", False):
            self.source = Stated(source)
        self.text, self.signed, self.report = text, signed, report
        self.held: list[Stretch] | None = None
        self.done = 0

    def width(self, site: int) -> int:
        """Count the features at a site."""
        return self.source.width(site) * (2 if self.signed else 1)

    def directions(self, site: int) -> Tensor | None:
        """Return the vector that each feature adds to the state; None where the code itself is the state."""
        if not isinstance(self.source, Stated):
            return None
        vectors = self.source.directions(site)
        return torch.cat([vectors, -vectors]) if self.signed else vectors

    def __iter__(self) -> Iterator[Stretch]:
        """Read the whole text."""
        if self.held is not None:
            for stretch in self.held:
                yield self._counted(stretch)
            return
        held: list[Stretch] | None = []
        size = 0
        for stretch in self._read():
            yield self._counted(stretch)
            size += sum(_bytes(batch.codes) for batch in stretch.batches.values())
            if held is not None:
                held.append(Stretch(stretch.batches, None))
                held = held if size <= HELD else None
        self.held = held

    def _counted(self, stretch: Stretch) -> Stretch:
        self.done += len(next(iter(stretch.batches.values())).codes)
        self.report(self.done)
        return stretch

    def _read(self) -> Iterator[Stretch]:
        waiting: list[tuple[Any, dict[int, Tensor] | None]] = []
        for batch in capture(self.source, self.text.packed):
            states = self.source.states if isinstance(self.source, Stated) else None
            waiting.append((batch, states))
            if sum(len(one.token_ids) for one, _ in waiting) >= STRETCH:
                yield self._joined(waiting)
                waiting = []
        if waiting:
            yield self._joined(waiting)

    def _joined(self, parts: list[tuple[Any, dict[int, Tensor] | None]]) -> Stretch:
        token_ids = torch.cat([batch.token_ids for batch, _ in parts])
        documents = torch.cat([torch.from_numpy(batch.documents) for batch, _ in parts])
        start = int(parts[0][0].positions[0])
        labels = self.text.labels[start : start + len(token_ids)]
        batches = {}
        for site in self.source.sites:
            codes = SparseCodes.cat([batch.codes[site].to("cpu") for batch, _ in parts])
            codes = both_signs(codes) if self.signed else codes
            batches[site] = Batch(codes, token_ids, documents, labels, start)
        if parts[0][1] is None:
            return Stretch(batches, None)
        states = {
            site: torch.cat([found[site].float().cpu() for _, found in parts if found is not None])
            for site in self.source.sites
        }
        return Stretch(batches, states)


class Stated:
    """A source whose states are more than its codes: it keeps those that its last codes were read from."""

    def __init__(self, source: SteerableSource) -> None:
        self.source = source
        self.states: dict[int, Tensor] = {}
        self.name, self.revision, self.dtype = source.name, source.revision, source.dtype
        self.context, self.depth, self.sites = source.context, source.depth, source.sites
        self.tokenizer = source.tokenizer
        self.kind: type[Feature] = source.kind

    def width(self, site: int) -> int:
        """Count the features at a site."""
        return self.source.width(site)

    def codes(self, token_ids: Tensor, attention_mask: Tensor | None = None) -> dict[int, SparseCodes]:
        """Return each site's codes, and keep the states."""

        def both(site: int, hidden: Tensor) -> tuple[SparseCodes, Tensor]:
            return self.source.encode(site, hidden), hidden.flatten(0, 1)

        read = read_sites(self.source.model, token_ids, attention_mask, self.sites, both)
        self.states = {site: states for site, (_, states) in read.items()}
        return {site: codes for site, (codes, _) in read.items()}

    @torch.no_grad()
    def directions(self, site: int) -> Tensor:
        """Return what each feature adds to the stream when it is raised by 1: shape (feature, width)."""
        width = self.width(site)
        one_each = SparseCodes(
            torch.arange(width + 1), torch.arange(width, dtype=torch.int32), torch.ones(width), width
        )
        nothing = SparseCodes(
            torch.zeros(2, dtype=torch.int64), torch.zeros(0, dtype=torch.int32), torch.zeros(0), width
        )
        raised = self.source.decode(site, one_each.to(self.source.model.device))
        return (raised - self.source.decode(site, nothing.to(self.source.model.device))).float().cpu()


def _bytes(codes: SparseCodes) -> int:
    return 8 * len(codes.offsets) + (codes.indices.element_size() + codes.values.element_size()) * len(
        codes.indices
    )
