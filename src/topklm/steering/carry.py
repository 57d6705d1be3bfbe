"""How far an edit is carried: what the blocks behind it keep of it, and what they add."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..features import SteerableSource
from ..features.hooks import read_sites
from .editing import Steering
from .edits import Edit


class Carried(NamedTuple):
    """What has become of an edit in the stream after a block."""

    along: float
    """How much of the edit itself is left: the change after this block, projected on the change at the site,
    in units of that. 1: kept whole, 0: undone, above 1: made stronger."""
    size: float
    """Length of the whole change after this block, in units of the change at the site."""


@torch.no_grad()
def carried(source: SteerableSource, edit: Edit, contexts: Tensor) -> dict[int, Carried]:
    """Follow an edit through the blocks behind its site, on contexts of shape (context, token).

    Returns for the site and every later block what is left of the change: root mean squares over all tokens.
    All are NaN where the edit changes nothing.
    """
    blocks = range(edit.feature.layer, source.model.config.num_hidden_layers)
    model = source.model

    def streams() -> dict[int, Tensor]:
        return read_sites(model, contexts, None, blocks, lambda _, hidden: hidden.double())

    plain = streams()
    with Steering(source, [[edit]], common=True):  # its hooks come first, so the readers see what it leaves
        edited = streams()
    first = edited[blocks[0]] - plain[blocks[0]]
    whole = first.square().sum()
    found = {}
    for block in blocks:
        change = edited[block] - plain[block]
        along, size = (change * first).sum() / whole, (change.square().sum() / whole).sqrt()
        found[block] = Carried(float(along), float(size))
    return found
