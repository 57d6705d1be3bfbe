"""Plain directions of the residual stream as features, so that they are read and steered like any other."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.site import Direction, Feature
from ..model import SparseCodes
from .hooks import read_sites
from .source import digest


class Directions:
    """Some directions at some layers of a causal language model, such as differences of means.

    directions: layer -> shape (direction, width); each is scaled to length 1. A direction's activation is
    the stream's projection on it, of either sign. Written back, an activation is that much of the direction.
    Raises InputError where a layer does not exist or a direction is zero, not finite, or of another width.

        Directions(model, tokenizer, {2: with_it.mean(0) - without.mean(0)})
    """

    kind: type[Feature] = Direction

    def __init__(
        self, model: Any, tokenizer: Any, directions: Mapping[int, Tensor], *, name: str = "direction"
    ) -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        width, self.depth = int(model.config.hidden_size), int(model.config.num_hidden_layers)
        self.directions: dict[int, Tensor] = {}
        for site, given in sorted(directions.items()):
            if not 0 <= site < self.depth:
                raise InputError(f"there is no layer {site}; the model has 0 to {self.depth - 1}")
            rows = torch.atleast_2d(given).to(model.device, model.dtype)
            sizes = rows.norm(dim=1, keepdim=True)
            if rows.shape[1] != width or not bool((sizes > 0).all() and sizes.isfinite().all()):
                raise InputError(
                    f"a direction at layer {site} needs {width} finite numbers that are not all 0"
                )
            self.directions[site] = rows / sizes
        self.sites = tuple(self.directions)
        self.revision = digest(name, {site: rows.tolist() for site, rows in self.directions.items()})

    @property
    def dtype(self) -> str:
        """The number format of the model's weights."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def context(self) -> int:
        """The most tokens that the model reads at once."""
        return int(self.model.config.max_position_embeddings)

    def width(self, site: int) -> int:
        """Count the directions at a site."""
        return len(self.directions[site])

    def codes(self, token_ids: Tensor, attention_mask: Tensor | None = None) -> dict[int, SparseCodes]:
        """Return each site's projections, one row per token, from one forward pass."""
        return read_sites(self.model, token_ids, attention_mask, self.sites, self.encode)

    @torch.no_grad()
    def encode(self, site: int, hidden: Tensor) -> SparseCodes:
        """Return the projections of residual streams on the site's directions."""
        return SparseCodes.from_dense(hidden @ self.directions[site].T)

    def decode(self, site: int, codes: SparseCodes) -> Tensor:
        """Return the sum of the directions, each as strong as its activation: shape (rows, width)."""
        return codes.to_dense() @ self.directions[site]
