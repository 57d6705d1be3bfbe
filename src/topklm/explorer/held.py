"""A run's model as the explorer holds it: one set of weights, a set of modules for each kind of use."""

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import RunError
from ..training import Run

if TYPE_CHECKING:
    from ..features import SteerableSource


class Held(NamedTuple):
    """One set of weights under several sets of modules: whoever edits has one of its own."""

    reading: "SteerableSource"
    writing: "SteerableSource"
    """For the one thread that writes."""
    probing: "SteerableSource"
    """For effects, one at a time."""
    fluency: Callable[[], tuple[str, Any]]
    """Says in words whose perplexity is told, and gives the model; only writing needs it."""
    reading_turn: Any
    """A lock: reading puts hooks on the modules too, and would see another thread's text."""
    probing_turn: Any


def hold(run: Run, step: int | None) -> Held:
    """Load a run's model, or that of a tracing checkpoint."""
    from ..features.hooks import with_own_hooks
    from ..index.sources import source_of
    from ..steering.writing import fluency_model
    from ..training import load

    loaded = load(run.path, step=step)
    sources: list[Any] = [
        source_of(loaded._replace(model=model), step=step)
        for model in (loaded.model, with_own_hooks(loaded.model), with_own_hooks(loaded.model))
    ]
    reading, writing, probing = sources

    @functools.cache
    def fluency() -> tuple[str, Any]:
        try:
            return fluency_model(run, writing.model)
        except RunError:
            return "the unsteered model (what lies in twin is no twin of it)", writing.model

    return Held(reading, writing, probing, fluency, threading.Lock(), threading.Lock())
