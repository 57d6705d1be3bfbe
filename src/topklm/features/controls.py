"""Controls: sources that stand beside the TopK neurons, so that a number about those means something.

Random weights, shuffled tokens, a dense model's own neurons, and TopK applied to a dense model when
reading. Published work shows that such sources score well on naive measures (arXiv 2501.17727,
2602.14111), which is why no result stands without them.
"""

import copy
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.site import Feature
from ..model import SparseCodes, topk
from .hooks import read_sites
from .neurons import LayerNeurons, ModelNeurons
from .source import FeatureSource, digest, model_revision


def random_neurons(
    model: Any,
    tokenizer: Any,
    *,
    seed: int = 0,
    k: int | None = None,
    scale: Callable[[Any], None] = lambda model: None,
) -> LayerNeurons:
    """Return the neurons of the same architecture at random initialisation (source `random`).

    The weights are drawn from `seed`; the global random state stays as it is. scale: what a new run does to
    weights that are drawn (`training.initial.scale_initial`): an embedding that starts larger than what
    blocks add makes the untrained model's neurons follow the token, and is part of the control. k: entries
    kept; default the model's own, which while annealing is not yet the run's.
    """
    config = copy.deepcopy(model.config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = type(model)(config)
        scale(fresh)
        fresh = fresh.to(model.device, model.dtype).eval()
    return LayerNeurons(fresh, tokenizer, k=k, name="random")


class ShuffledTokens:
    """The features of a source that reads every block with its tokens shuffled (source `shuffled`).

    Each row of a batch is put in another order, drawn from `seed` and the row's own tokens, so that the
    same block is always shuffled alike. The model reads that, and each token then gets the code that the
    model gave it at its shuffled place: rows of codes are put back, so row r still belongs to token r of
    the text and to its type. What is left is what a feature owes to the token itself and to the company
    of a block's tokens, without their order. Padding stays where it is.
    """

    def __init__(self, source: FeatureSource, *, seed: int = 0) -> None:
        self.source = source
        self.seed = seed
        self.name = "shuffled"
        self.revision = digest("shuffled", source.revision, seed)

    @property
    def kind(self) -> type[Feature]:
        """What the features of the inner source are."""
        return self.source.kind

    @property
    def dtype(self) -> str:
        """The number format of the inner source."""
        return self.source.dtype

    @property
    def context(self) -> int:
        """The most tokens that the model reads at once."""
        return self.source.context

    @property
    def depth(self) -> int:
        """Number of blocks of the model."""
        return self.source.depth

    @property
    def sites(self) -> tuple[int, ...]:
        """The layers that the inner source reads."""
        return self.source.sites

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the inner source."""
        return self.source.tokenizer

    def width(self, site: int) -> int:
        """Count the features at a site."""
        return self.source.width(site)

    def order(self, row: Tensor, places: Tensor) -> Tensor:
        """Return where each place's token comes from; only `places` are shuffled, among themselves."""
        seed = [self.seed, zlib.crc32(np.ascontiguousarray(row.cpu().numpy(), np.int64).data)]
        drawn = torch.from_numpy(np.random.default_rng(seed).permutation(len(places)))
        order = torch.arange(len(row))
        order[places] = places[drawn]
        return order

    def codes(self, token_ids: Tensor, attention_mask: Tensor | None = None) -> dict[int, SparseCodes]:
        """Return the codes that tokens got at their shuffled places, put back in reading order."""
        ids = token_ids.cpu()
        read = torch.ones_like(ids) if attention_mask is None else attention_mask.cpu()
        order = torch.stack(
            [self.order(row, mask.nonzero().flatten()) for row, mask in zip(ids, read, strict=True)]
        )
        shuffled = ids.gather(1, order)
        starts = torch.arange(len(ids))[:, None] * ids.shape[1]
        back = (starts + order.argsort(dim=1)).flatten()
        found = self.source.codes(shuffled, attention_mask)
        return {site: _rows(codes, back) for site, codes in found.items()}


def _rows(codes: SparseCodes, rows: Tensor) -> SparseCodes:
    """Take rows in any order."""
    rows = rows.to(codes.offsets.device)
    counts = codes.counts[rows]
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    entries = torch.arange(int(offsets[-1]), device=offsets.device)
    entries += torch.repeat_interleave(codes.offsets[rows] - offsets[:-1], counts)
    return SparseCodes(offsets, codes.indices[entries], codes.values[entries], codes.width)


class DenseNeurons(ModelNeurons):
    """A dense model's own neurons (source `dense`).

    All of them are active on all tokens, so each counts as firing where it reaches its own threshold,
    which `dense_thresholds` sets so that it fires on a chosen share of tokens: k / width, as often as a
    TopK neuron on average. Its value there is the stream's, as it is; above the threshold where that is
    negative, so that firing is always a value above zero.

    thresholds: site -> one number per neuron.
    """

    def __init__(self, model: Any, tokenizer: Any, *, thresholds: Mapping[int, Tensor]) -> None:
        self.thresholds = {site: limit.to(model.device) for site, limit in sorted(thresholds.items())}
        known = {str(site): limit.tolist() for site, limit in self.thresholds.items()}
        super().__init__(
            model,
            tokenizer,
            name="dense",
            sites=tuple(self.thresholds),
            revision=digest("dense", model_revision(model), known),
        )

    def codes(self, token_ids: Tensor, attention_mask: Tensor | None = None) -> dict[int, SparseCodes]:
        """Return each site's codes, one row per token, from one forward pass."""
        return read_sites(self.model, token_ids, attention_mask, self.sites, self.encode)

    @torch.no_grad()
    def encode(self, site: int, hidden: Tensor) -> SparseCodes:
        """Keep the entries that reach their neuron's threshold."""
        limits = self.thresholds[site]
        tiny = torch.finfo(hidden.dtype).tiny
        values = torch.where(limits < 0, (hidden - limits).clamp(min=tiny), hidden)
        return SparseCodes.from_dense(values.where(hidden >= limits, hidden.new_zeros(())))


def dense_thresholds(
    model: Any,
    token_ids: Tensor,
    *,
    sites: Sequence[int],
    share: float,
    batch_rows: int = 16,
) -> dict[int, Tensor]:
    """Find for each neuron the value that it reaches on `share` of the tokens given.

    token_ids: shape (row, token), read row by row. Of n tokens, the threshold is the m-th largest value,
    m = share * n rounded, at least 1. Only the m largest values of each neuron are held at any time.
    Raises InputError where the share is out of range.
    """
    if not 0 < share <= 1:
        raise InputError(f"share={share} of tokens is not allowed; choose above 0 and at most 1")
    kept = max(1, round(share * token_ids.numel()))
    largest: dict[int, Tensor] = {}

    def take(site: int, hidden: Tensor) -> None:
        values = hidden.flatten(0, 1)
        if site in largest:
            values = torch.cat([largest[site], values])
        largest[site] = values.topk(min(kept, len(values)), dim=0, sorted=False).values

    for rows in token_ids.split(batch_rows):
        read_sites(model, rows, None, sites, take)
    return {site: values.amin(dim=0) for site, values in largest.items()}


class PosthocNeurons(ModelNeurons):
    """TopK applied to a dense model's stream only when reading it (source `posthoc`; arXiv 2410.13928)."""

    def __init__(
        self, model: Any, tokenizer: Any, *, sites: Sequence[int], k: int, by: str = "value"
    ) -> None:
        self.k, self.by = k, by
        super().__init__(
            model,
            tokenizer,
            name="posthoc",
            sites=tuple(sites),
            revision=digest("posthoc", model_revision(model), k, by),
        )

    def codes(self, token_ids: Tensor, attention_mask: Tensor | None = None) -> dict[int, SparseCodes]:
        """Return each site's codes, one row per token, from one forward pass."""
        return read_sites(self.model, token_ids, attention_mask, self.sites, self.encode)

    @torch.no_grad()
    def encode(self, site: int, hidden: Tensor) -> SparseCodes:
        """Keep the k largest entries of each row."""
        return SparseCodes.from_dense(topk(hidden, self.k, by=self.by))
