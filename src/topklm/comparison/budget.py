"""How much of everything a comparison takes: stated in its result, by default small enough for an hour."""

from dataclasses import dataclass, fields

from ..core.errors import InputError

LIMITS = {
    "tokens": 100,
    "index_tokens": 100,
    "sae_tokens": 1024,
    "sae_seeds": 1,
    "wide": 1,
    "wide_sites": 0,
    "sae_checkpoints": 0,
    "task_items": 2,
    "steer_features": 1,
    "steer_texts": 2,
    "trace_tokens": 100,
    "read_tokens": 100,
}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What is measured on, and how much of it. Raises InputError where a value is out of range.

    None: as in what the run has already (its index, metrics, SAEs, steering, trace), else the default named.
    """

    data: tuple[str, ...] | None = None
    """Held-out text of metrics, losses and reading; default: stories:1 for runs on stories, or the next seed
    that they did not learn, else the run's own held-out text."""
    lexicon: str | None = None
    """A file of concepts; default: the stories' own, or general English."""
    tokens: int | None = None
    """Of that text; default 200,000, or what there is."""
    index_tokens: int | None = None
    """Of the indexed text, on which steering also finds its features; default 100,000."""
    sae_tokens: int | None = None
    """Most tokens that an SAE is trained on; default 400,000."""
    sae_seeds: int = 2
    """Seeds of the SAEs of 1x, which say how far latents are stable; the first is compared."""
    wide: int = 8
    """Width of the wide SAEs, as a multiple of the stream's."""
    wide_sites: int = 2
    """The last so many TopK layers get wide SAEs; 0: none."""
    sae_checkpoints: int = 0
    """SAEs of the twin's last so many checkpoints, for their stability; 0: none, else 2 or more."""
    task_items: int = 100
    """Items of each task."""
    steer_features: int | None = None
    """Features steered of each arm; default 10."""
    steer_texts: int | None = None
    """Texts at each strength; default 32."""
    trace_tokens: int | None = None
    """Tokens of the trace's probe text; default 20,000."""
    read_tokens: int = 20_000
    """Tokens over which the seconds of reading features are taken."""

    def __post_init__(self) -> None:
        for name, least in LIMITS.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name}={value} is not allowed; choose {least} or more")
        if self.sae_checkpoints == 1:
            raise InputError("sae_checkpoints=1 is not allowed; choose 0, or 2 or more")

    def given(self, *names: str) -> dict[str, object]:
        """Return some fields, as they decide a stage."""
        known = {one.name for one in fields(self)}
        assert known.issuperset(names)
        return {name: getattr(self, name) for name in names}


DEFAULTS = {
    "index_tokens": 100_000,
    "sae_tokens": 400_000,
    "steer_features": 10,
    "steer_texts": 32,
    "trace_tokens": 20_000,
}
"""Of the fields that may be as they are."""
