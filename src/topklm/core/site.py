"""Names of neurons: `L3/N17` is neuron 17 of the residual stream after block 3."""

import re
from dataclasses import dataclass

from .errors import InputError


@dataclass(frozen=True, order=True)
class Neuron:
    """One coordinate of the residual stream after a block.

    >>> str(Neuron(3, 17)), Neuron.parse("L3/N17")
    ('L3/N17', Neuron(layer=3, index=17))
    """

    layer: int
    index: int

    def __str__(self) -> str:
        """Write the name, as in `L3/N17`."""
        return f"L{self.layer}/N{self.index}"

    @classmethod
    def parse(cls, name: str) -> "Neuron":
        """Read a name. Raises InputError where it is none."""
        match = re.fullmatch(r"L(\d+)/N(\d+)", name)
        if match is None:
            raise InputError(f"{name!r} is no neuron; write it as L3/N17 (layer 3, neuron 17)")
        return cls(int(match[1]), int(match[2]))
