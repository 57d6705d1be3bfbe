"""What a source of features is: the one thing that index, metrics, steering and traces know of it.

A neuron of a TopK model, a latent of an SAE, a neuron of a control: each comes from a source, and whoever
reads it never asks which it is.
"""

import hashlib
import json
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.site import Feature
from ..model import SparseCodes


@runtime_checkable
class FeatureSource(Protocol):
    """Features at some sites of a model, and their codes on any text."""

    @property
    def name(self) -> str:
        """Its name in results: `topk`, `dense`, `posthoc`, `random`, `shuffled`, `sae_1x`, ..."""

    @property
    def kind(self) -> type[Feature]:
        """What its features are: `Neuron` (named `L3/N17`) or `Latent` (`L3/F17`)."""

    @property
    def revision(self) -> str:
        """A hash of all that decides its codes: weights, thresholds, seeds."""

    @property
    def dtype(self) -> str:
        """The number format in which its codes are computed, such as `float32`."""

    @property
    def context(self) -> int:
        """The most tokens that its model reads at once."""

    @property
    def depth(self) -> int:
        """Number of blocks of its model."""

    @property
    def sites(self) -> tuple[int, ...]:
        """The layers whose residual stream is read, ascending."""

    @property
    def tokenizer(self) -> Any:
        """The tokenizer whose ids it reads."""

    def width(self, site: int) -> int:
        """Count the features at a site."""

    def codes(self, token_ids: Tensor, attention_mask: Tensor | None = None) -> dict[int, SparseCodes]:
        """Return each site's codes of `token_ids`, shape (batch, token), one row per token.

        Rows are in reading order, padding included. Their values are finite.
        """


@runtime_checkable
class SteerableSource(FeatureSource, Protocol):
    """A source whose features can be written back into its model."""

    @property
    def model(self) -> Any:
        """The causal language model that is read."""

    def encode(self, site: int, hidden: Tensor) -> SparseCodes:
        """Return the codes of residual streams `hidden`, shape (..., width of the stream).

        `hidden` is what the block hands on to the next one; at a TopK layer that is the code itself.
        """

    def decode(self, site: int, codes: SparseCodes) -> Tensor:
        """Return the residual streams that codes stand for, shape (rows, width of the stream)."""


def locate(source: FeatureSource, name: str | Feature) -> Feature:
    """Check that a feature is one of a source's. Raises InputError that says what there is."""
    found = Feature.parse(name) if isinstance(name, str) else name
    if not isinstance(found, source.kind):
        example = source.kind(source.sites[0], 0)
        raise InputError(
            f"{found} is a {found.KIND}; the source {source.name} has {source.kind.KIND}s, such as {example}"
        )
    if found.layer not in source.sites:
        sites = ", ".join(map(str, source.sites))
        topk = source.name == "topk"
        reason = (
            f"layer {found.layer} is dense" if topk else f"{source.name} does not read layer {found.layer}"
        )
        if found.layer >= source.depth:
            reason = f"the model has {source.depth} layers, 0 to {source.depth - 1}"
        layers = f"the TopK layers are {sites}" if topk else f"it reads the layers {sites}"
        raise InputError(f"there is no {found}: {reason}; {layers}")
    if found.index >= source.width(found.layer):
        last = source.kind(found.layer, source.width(found.layer) - 1)
        raise InputError(
            f"there is no {found}: layer {found.layer} has {source.width(found.layer):,} "
            f"{source.kind.KIND}s, up to {last}"
        )
    return found


def digest(*parts: object) -> str:
    """Return a SHA-256 of JSON values, for revisions of sources that are made from others."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def model_revision(model: Any) -> str:
    """Return a SHA-256 of a model's weights and of how it selects entries."""
    seen = hashlib.sha256()
    config = model.config
    fields = ("topk_k", "topk_layers", "topk_by", "topk_blend", "num_attention_heads", "rope_parameters")
    seen.update(json.dumps([getattr(config, name, None) for name in fields], default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        seen.update(name.encode())
        seen.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return seen.hexdigest()
