"""What is lost when features replace the hidden state: explained variance and the CE score, of any source."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..core.errors import CorpusError
from ..core.stats import LIVE, Estimate, bootstrap_ratio
from ..data import Packed
from .capture import batch_rows
from .hooks import blocks, read_sites
from .source import SteerableSource

BATCH_TOKENS = 4096
Sums = np.ndarray[Any, Any]


class Replaced(NamedTuple):
    """What a site's features leave of the stream and of the model's predictions.

    Intervals: bootstrap over documents, 95 %.
    """

    site: int
    explained_variance: Estimate
    """1 - |x - decoded|^2 / |x - mean|^2, both summed over tokens; the mean is that of these tokens."""
    ce_score: Estimate
    """(L0 - L) / (L0 - Lm): loss L with the stream replaced, Lm without, L0 with zeros in its place."""
    loss: Estimate
    """Nats per predicted token with the stream replaced."""
    model_loss: Estimate
    """The same of the model itself."""
    zero_loss: Estimate
    """The same with zeros in place of the stream."""
    l0: Estimate
    """Features that fire on a token."""
    dead: float
    """Share of features that fire on none of these tokens."""
    rare: float
    """Share that fires, but on no more than 1 token in 10,000."""
    n_tokens: int
    n_documents: int


def replaced(source: SteerableSource, packed: Packed, *, tokens: int | None = None) -> list[Replaced]:
    """Measure what is lost at each site of a source when its codes, decoded, replace the stream there.

    packed: held-out text, read in blocks of the context, of which the first `tokens` are taken (all by
    default). In a block every token but the first is predicted. The state that a TopK layer hands on is its
    code, so its neurons lose nothing. Raises CorpusError where the text is shorter than one block.
    """
    work = _Work(source, packed, tokens)
    return [work.measure(site) for site in source.sites]


class _Work:
    """What all sites share: rows of tokens, their documents, the model's own loss, the mean streams."""

    def __init__(self, source: SteerableSource, packed: Packed, tokens: int | None) -> None:
        self.source, self.model = source, source.model
        context = source.context
        count = min(len(packed.tokens), tokens or len(packed.tokens)) // context
        if not count:
            raise CorpusError(f"the text is shorter than one block of {context} tokens; give more text")
        self.rows = torch.from_numpy(packed.tokens[: count * context].astype(np.int64)).view(count, context)
        starts = packed.documents[:, 0]
        places = np.arange(count * context).reshape(count, context)
        self.documents = np.searchsorted(starts, places, side="right") - 1
        self.count = int(self.documents.max()) + 1
        self.batch = batch_rows(context, BATCH_TOKENS)
        self.means = self._mean_streams()
        self.own = self._nats(None, None)

    def batches(self) -> Iterator[tuple[Tensor, Sums]]:
        """Yield rows of token ids with their documents."""
        for start in range(0, len(self.rows), self.batch):
            yield self.rows[start : start + self.batch], self.documents[start : start + self.batch]

    def _mean_streams(self) -> dict[int, Tensor]:
        sums: dict[int, Tensor] = {}

        def add(site: int, hidden: Tensor) -> None:
            total = hidden.flatten(0, 1).double().sum(dim=0)
            sums[site] = sums[site] + total if site in sums else total

        for rows, _ in self.batches():
            read_sites(self.model, rows, None, self.source.sites, add)
        return {site: total / self.rows.numel() for site, total in sums.items()}

    @torch.no_grad()
    def _nats(self, site: int | None, change: Any) -> Sums:
        """Sum each document's negative log-likelihood, with a site's stream changed."""
        found = np.zeros(self.count)
        for rows, documents in self.batches():
            ids = rows.to(self.model.device)
            with _changed(self.model, site, change, documents):
                logits = self.model(input_ids=ids, use_cache=False).logits[:, :-1]
            losses = cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none")
            found += self._by_document(documents[:, 1:], losses)
        return found

    def _by_document(self, documents: Sums, values: Tensor) -> Sums:
        return np.bincount(documents.ravel(), values.double().cpu().numpy().ravel(), minlength=self.count)

    def measure(self, site: int) -> Replaced:
        """Run the model with one site replaced, and with zeros there."""
        error, spread, entries = np.zeros(self.count), np.zeros(self.count), np.zeros(self.count)
        fired = np.zeros(self.source.width(site), np.int64)

        def replace(hidden: Tensor, documents: Sums) -> Tensor:
            nonlocal error, spread, entries
            codes = self.source.encode(site, hidden)
            told = self.source.decode(site, codes).view_as(hidden).to(hidden)
            exact = hidden.double()
            error += self._by_document(documents, (exact - told.double()).square().sum(dim=-1))
            spread += self._by_document(documents, (exact - self.means[site]).square().sum(dim=-1))
            entries += self._by_document(documents, codes.counts)
            fired[:] += np.bincount(codes.indices.cpu().numpy(), minlength=len(fired))
            return told

        changed = self._nats(site, replace)
        zeros = self._nats(site, lambda hidden, _: torch.zeros_like(hidden))
        ones = torch.ones(self.rows.shape)
        tokens = self._by_document(self.documents, ones)
        predicted = self._by_document(self.documents[:, 1:], ones[:, 1:])
        left = bootstrap_ratio(error, spread)
        return Replaced(
            site=site,
            explained_variance=Estimate(1 - left.value, 1 - left.high, 1 - left.low),
            ce_score=_score(zeros - changed, zeros - self.own),
            loss=bootstrap_ratio(changed, predicted),
            model_loss=bootstrap_ratio(self.own, predicted),
            zero_loss=bootstrap_ratio(zeros, predicted),
            l0=bootstrap_ratio(entries, tokens),
            dead=float((fired == 0).mean()),
            rare=float(((fired > 0) & (fired <= LIVE * self.rows.numel())).mean()),
            n_tokens=self.rows.numel(),
            n_documents=self.count,
        )


def _score(gained: Sums, possible: Sums) -> Estimate:
    """Return the share of what can be lost that is not lost; NaN where zeros there lose nothing."""
    if not possible.sum() > 0:
        return Estimate(float("nan"), float("-inf"), float("inf"))
    return bootstrap_ratio(gained, possible)


@contextmanager
def _changed(model: Any, site: int | None, change: Any, documents: Sums) -> Iterator[None]:
    """Inside the with block, put `change(stream, documents)` in the place of a site's stream."""
    if site is None:
        yield
        return

    def hook(module: Any, inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (change(output[0], documents), *output[1:])
        return change(output, documents)

    handle = blocks(model)[site].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
