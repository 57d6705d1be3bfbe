"""Neurons of a TopK model: its hidden state is the code, so there is nothing to train."""

from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.site import Feature, Neuron
from ..model import SparseCodes
from .source import model_revision


class ModelNeurons:
    """What all sources share whose features are the coordinates of a model's residual stream.

    A neuron's direction is its own coordinate, so `decode` writes a code down as it is. Subclasses say
    which entries of the stream are its code.
    """

    kind: type[Feature] = Neuron
    state_is_code: bool = False
    """Whether a block hands on the code itself, so that an entry of the stream is a neuron's activation."""

    def __init__(
        self, model: Any, tokenizer: Any, *, name: str, sites: tuple[int, ...], revision: str
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self.sites = sites
        self.revision = revision

    @property
    def dtype(self) -> str:
        """The number format of the model's weights."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def context(self) -> int:
        """The most tokens that the model reads at once."""
        return int(self.model.config.max_position_embeddings)

    @property
    def depth(self) -> int:
        """Number of blocks of the model."""
        return int(self.model.config.num_hidden_layers)

    def width(self, site: int) -> int:
        """Count the neurons at a site: the width of the residual stream."""
        return int(self.model.config.hidden_size)

    def decode(self, site: int, codes: SparseCodes) -> Tensor:
        """Return the residual streams that codes stand for, shape (rows, width)."""
        return codes.to_dense()

    def __repr__(self) -> str:
        """Show what it is."""
        return f"{type(self).__name__}(name={self.name!r}, sites={self.sites}, revision={self.revision[:8]})"


class LayerNeurons(ModelNeurons):
    """The neurons of a TopK model, at each of its TopK layers.

        model, tokenizer, run = topklm.load("runs/quickstart")
        LayerNeurons(model, tokenizer).codes(input_ids)[3]

    k: read at this k, and without blend, whatever the model was saved with; a checkpoint of a model that
    was still annealing is read so, at its final k. It changes the model. revision: a name for the model
    that is known already, such as the run's; by default a hash of the weights.
    Raises InputError for a dense model, or one that is still blending where no k is given.
    """

    state_is_code = True

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        k: int | list[int] | None = None,
        name: str = "topk",
        revision: str | None = None,
    ) -> None:
        layers = tuple(getattr(model.config, "topk_layers", None) or ())
        if not layers:
            raise InputError(
                "the model is dense: it has no TopK layer whose neurons could be read; its own neurons "
                "are the source 'dense'"
            )
        if k is not None:
            model.set_topk(k=k, blend=1.0)
        elif model.config.topk_blend != 1:
            raise InputError(
                f"the model is still annealing (blend {model.config.topk_blend:g}), so its states are not "
                "sparse; give k to read it at its final k"
            )
        super().__init__(
            model, tokenizer, name=name, sites=layers, revision=revision or model_revision(model)
        )

    def codes(self, token_ids: Tensor, attention_mask: Tensor | None = None) -> dict[int, SparseCodes]:
        """Return each TopK layer's codes, one row per token, from one forward pass."""
        mask = None if attention_mask is None else attention_mask.to(self.model.device)
        found: dict[int, SparseCodes] = self.model.codes(token_ids.to(self.model.device), mask)
        return found

    @torch.no_grad()
    def encode(self, site: int, hidden: Tensor) -> SparseCodes:
        """Return the codes of what a TopK layer hands on: its non-zero entries."""
        return SparseCodes.from_dense(hidden)
