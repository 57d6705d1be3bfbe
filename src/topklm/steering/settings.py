"""What decides the texts of a steering evaluation."""

from dataclasses import dataclass

from ..core.errors import InputError
from .concepts import MOST_TOKENS

STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the texts of an evaluation. Raises InputError where a value is out of range."""

    max_features: int | None = None
    """At most so many features of each arm, evenly many of each layer; None: every labelled one."""
    texts: int = 200
    """Texts written at each strength; every other one chooses the strength, the rest judge."""
    strengths: tuple[float, ...] = STRENGTHS
    """In units of each feature's 99th percentile; of a direction's difference of means."""
    action: str = "set_to"
    """What is done with features: set_to or add. A direction is always added."""
    new_tokens: int = 60
    """Length of a text, at most."""
    prompt_tokens: int = 8
    """How much of a held-out document each text begins with."""
    temperature: float = 0.8
    label_tokens: int = MOST_TOKENS
    """How much of the index's text is read to label features."""
    seed: int = 0
    batch: int = 100
    """Texts written at once; it decides which random choices fall to which text."""

    def __post_init__(self) -> None:
        limits = {"texts": 2, "new_tokens": 2, "prompt_tokens": 1, "label_tokens": 100, "seed": 0, "batch": 1}
        for name, least in limits.items():
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)} is not allowed; choose {least} or more")
        if self.max_features is not None and self.max_features < 1:
            raise InputError(f"max_features={self.max_features} is not allowed; choose 1 or more")
        if not self.strengths or not all(0 < one <= 1000 for one in self.strengths):
            said = ", ".join(f"{one:g}" for one in self.strengths) or "none"
            raise InputError(f"strengths {said} are not allowed; give numbers above 0 and at most 1000")
        if len({f"{one:g}" for one in self.strengths}) < len(self.strengths):
            raise InputError("strengths are not allowed twice; give each once, different in six digits")
        if self.action not in ("set_to", "add"):
            raise InputError(f"action={self.action!r} is not allowed; choose set_to or add")
        if not 1e-3 <= self.temperature <= 1e3:
            raise InputError(
                f"temperature={self.temperature} is not allowed; texts must differ: choose 0.001 to 1000"
            )
        if self.seed >= 2**63:
            raise InputError(f"seed={self.seed} is not allowed; choose 0..2**63 - 1")
