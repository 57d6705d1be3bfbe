"""All stages in their order, with what decides each and about what it takes."""

from collections.abc import Callable
from typing import NamedTuple

from . import behaviour, codes, costs, losses, making, reading
from .work import Found, Work


class Stage(NamedTuple):
    """One stage."""

    name: str
    run: Callable[[Work], Found]
    minutes: float
    """Of one core, for a run like `tiny` with the default budget: only for telling the time that is left."""
    budget: tuple[str, ...]
    """The fields of the budget that decide it."""
    about: str
    decides: tuple[str, ...] = ()
    """What else decides it, beside weights and budget."""
    reads: Callable[[Work], object] | None = None
    """Says what a stage reads that another one made."""


TEXT = ("data", "lexicon", "tokens")
TRACES = ("lexicon", "trace_tokens")
STEERING = ("lexicon", "steer_features", "steer_texts", "wide")
SAES = ("wide", "wide_sites", "sae_seeds", "sae_tokens", "sae_checkpoints")

STAGES = (
    Stage("twin", making.twin, 15, (), "the dense twin"),
    Stage("saes", making.saes, 15, SAES, "SAEs of the twin"),
    Stage("index", making.index, 3, ("data", "index_tokens"), "the index of the neurons"),
    Stage("codes", codes.codes, 0.5, TEXT, "entries of codes, and the export as SAEs"),
    Stage("loss", losses.loss, 2, TEXT, "held-out loss"),
    Stage("tasks", losses.tasks, 4, ("task_items",), "zero-shot tasks"),
    Stage("cost", costs.cost, 1, (*TEXT, "read_tokens", "wide"), "seconds, operations, parameters"),
    Stage("metrics", reading.metrics, 20, (*TEXT, "wide"), "metrics of all sources", reading.DECIDES),
    Stage("steering", behaviour.steering, 12, STEERING, "steering", behaviour.DECIDES, Work.indexed),
    Stage("tracing", behaviour.tracing, 10, TRACES, "traces over checkpoints", (), Work.checkpoint_saes),
)
NAMES = tuple(one.name for one in STAGES)
