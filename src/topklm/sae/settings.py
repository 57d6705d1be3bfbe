"""What can be chosen about SAEs that are trained together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..core.errors import InputError

ARCHITECTURES = ("topk", "batchtopk", "jumprelu", "standard")
LARGEST_WIDTH = 1024


@dataclass(frozen=True, kw_only=True)
class SAESettings:
    """What decides SAEs beside the model, its text and the machine.

    One SAE is trained for every width, seed and site, all of them on the same activations. Raises
    InputError where a value is out of range.
    """

    sites: tuple[int, ...]
    """Layers whose output is read, ascending."""
    k: int
    """Latents that fire on a token: exactly (topk), on average (batchtopk), or as the aim (jumprelu)."""
    widths: tuple[int, ...] = (1,)
    """Latents as multiples of the stream's width."""
    seeds: tuple[int, ...] = (0,)
    """Of the initial weights, and of the order of tokens within a chunk."""
    architecture: str = "topk"
    """One of SAELens's: topk, batchtopk, jumprelu (quadratic penalty around k), standard (L1)."""
    tokens: int = 4_000_000
    """Most tokens to train on; training ends earlier where its curve is flat."""
    batch_tokens: int = 1024
    """Activations a step."""
    lr: float = 1e-3
    """Peak learning rate of Adam."""
    sparsity: float = 1.0
    """Weight of the sparsity penalty (jumprelu, standard)."""

    def __post_init__(self) -> None:
        for name in ("sites", "widths", "seeds"):
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))
            _require(self, name, len(getattr(self, name)) > 0, "at least one")
        _require(
            self, "architecture", self.architecture in ARCHITECTURES, f"one of {', '.join(ARCHITECTURES)}"
        )
        _require(
            self,
            "widths",
            1 <= self.widths[0] <= self.widths[-1] <= LARGEST_WIDTH,
            f"1..{LARGEST_WIDTH} times",
        )
        _require(self, "seeds", 0 <= self.seeds[0] <= self.seeds[-1] < 2**32, "0..2**32 - 1")
        _require(self, "k", self.k >= 1, "1 or more")
        _require(self, "batch_tokens", 8 <= self.batch_tokens <= 2**20, "8..2**20")
        _require(self, "tokens", self.batch_tokens <= self.tokens <= 10**12, "batch_tokens..10**12")
        _require(self, "lr", 0 < self.lr < float("inf"), "a positive number")
        _require(self, "sparsity", 0 <= self.sparsity < float("inf"), "0 or a positive number")

    def check(self, *, depth: int, stream: int) -> None:
        """Raise InputError where a model of this depth and width cannot be read so."""
        if not 0 <= self.sites[0] <= self.sites[-1] < depth:
            raise InputError(
                f"sites={_listed(self.sites)} is not allowed; the model has the layers 0..{depth - 1}"
            )
        if self.k > stream * self.widths[0]:
            raise InputError(
                f"k={self.k} exceeds the {stream * self.widths[0]} latents of the narrowest SAE; choose a "
                "smaller k or a larger width"
            )

    def name_of(self, width: int, seed: int) -> str:
        """Return what the SAEs of one width and seed are called: `sae_8x`, `sae_8x_batchtopk_seed1`."""
        kind = "" if self.architecture == "topk" else f"_{self.architecture}"
        return f"sae_{width}x{kind}" + (f"_seed{seed}" if seed else "")

    def as_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }


def parse_widths(given: Sequence[str]) -> tuple[int, ...]:
    """Read widths such as `8x`. Raises InputError where one is none."""
    found = []
    for text in given:
        number = text.strip().lower().removesuffix("x")
        if not number.isdecimal():
            raise InputError(f"width {text!r} is none; write 1x, 4x, 8x or 16x, a multiple of the stream's")
        found.append(int(number))
    return tuple(found)


def _require(settings: SAESettings, name: str, holds: bool, allowed: str) -> None:
    assert name in {one.name for one in fields(SAESettings)}
    if not holds:
        value = getattr(settings, name)
        shown = _listed(value) if isinstance(value, tuple) else value
        raise InputError(f"{name}={shown} is not allowed; choose {allowed}")


def _listed(values: Sequence[int]) -> str:
    return ",".join(map(str, values))
