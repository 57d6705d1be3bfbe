"""Names of features: `L3/N17` is neuron 17 of the residual stream after block 3, `L3/F17` a latent there.

A plain direction, such as a difference of means, is named `L3/D17`.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Self, cast

from .errors import InputError


@dataclass(frozen=True, order=True)
class Feature:
    """One feature at a site (neuron, latent, direction). Its kind is its class, and a letter in its name.

    >>> Feature.parse("L3/N17"), Feature.parse("L3/F17")
    (Neuron(layer=3, index=17), Latent(layer=3, index=17))
    """

    layer: int
    index: int

    LETTER: ClassVar[str] = ""
    KIND: ClassVar[str] = "feature"
    SHARED_INDEX: ClassVar[bool] = False
    """Whether the same index at two sites is the same direction, so that it makes sense to compare them."""

    def __str__(self) -> str:
        """Write the name, as in `L3/N17`."""
        return f"L{self.layer}/{self.LETTER}{self.index}"

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read a name of this kind; `Feature` itself reads any. Raises InputError where it is none."""
        match = re.fullmatch(r"L([0-9]{1,9})/([NFD])([0-9]{1,9})", name)
        kind = {"N": Neuron, "F": Latent, "D": Direction}[match[2]] if match else None
        if match is None or kind is None or not issubclass(kind, cls):
            letter = cls.LETTER or Neuron.LETTER
            raise InputError(f"{name!r} is no {cls.KIND}; write it as L3/{letter}17 (layer 3, {cls.KIND} 17)")
        return cast("Self", kind(int(match[1]), int(match[3])))


@dataclass(frozen=True, order=True)
class Neuron(Feature):
    """One coordinate of the residual stream after a block.

    >>> str(Neuron(3, 17)), Neuron.parse("L3/N17")
    ('L3/N17', Neuron(layer=3, index=17))
    """

    LETTER: ClassVar[str] = "N"
    KIND: ClassVar[str] = "neuron"
    SHARED_INDEX: ClassVar[bool] = True


@dataclass(frozen=True, order=True)
class Latent(Feature):
    """One unit of a sparse autoencoder of the residual stream after a block: `L3/F17`."""

    LETTER: ClassVar[str] = "F"
    KIND: ClassVar[str] = "latent"


@dataclass(frozen=True, order=True)
class Direction(Feature):
    """One direction of the residual stream after a block, however it was found: `L3/D17`."""

    LETTER: ClassVar[str] = "D"
    KIND: ClassVar[str] = "direction"
