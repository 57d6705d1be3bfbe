"""Schedules as functions of the step: k while annealing, and when to keep a checkpoint."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .settings import TrainSettings


class Sparsity(NamedTuple):
    """How sparse a TopK layer is at some step."""

    k: int
    """Entries kept."""
    blend: float
    """Share of the sparse state in the output."""


def sparsity_at(
    step: int, *, steps: int, k: int, width: int, anneal: str = "none", share: float = 0.5
) -> Sparsity:
    """Return k and the blend for training step `step` (from 0) of `steps`.

    `none`: always k. `k`: from the full width down to k over the first `share` of the steps, by the
    same factor each step. `blend`: k from the start, but the sparse state's share in the output
    rises from 0 to 1. From the end of that share on it is plain TopK.
    """
    length = share * steps
    done = 1.0 if length <= 0 else min(1.0, step / length)
    if anneal == "none" or done == 1.0:
        return Sparsity(k, 1.0)
    if anneal == "blend":
        return Sparsity(k, done)
    return Sparsity(max(k, round(width * (k / width) ** done)), 1.0)


def sparsity_of(settings: "TrainSettings", step: int) -> Sparsity:
    """Return what a run's settings ask for at a step: `sparsity_at`; a dense one keeps all."""
    if settings.dense:
        return Sparsity(settings.width, 1.0)
    return sparsity_at(
        step,
        steps=settings.steps,
        k=settings.k,
        width=settings.width,
        anneal=settings.anneal,
        share=settings.anneal_share,
    )


def evenly(steps: int, count: int) -> list[int]:
    """Return about `count` steps spread evenly over 1..steps, the last one included."""
    return sorted({max(1, round(steps * part / count)) for part in range(1, count + 1)})


def trace_steps(steps: int, count: int) -> list[int]:
    """Return the steps of the tracing checkpoints: 0, 1, 2, 4, ..., then evenly `count` of them.

    Doubling goes on while its gaps are smaller than the even ones: early training changes most.
    """
    even = evenly(steps, count)
    doubling = [0]
    power = 1
    while power < even[0]:
        doubling.append(power)
        power *= 2
    return doubling + even


def fade_at(step: int, *, steps: int, share: float) -> float:
    """Return what the selection bias is multiplied by in training step `step` (from 0) of `steps`.

    1 until the last `share` of the steps, then down to 0 in a straight line; 0 after the last step.
    """
    length = share * steps
    if step >= steps:
        return 0.0
    return 1.0 if length <= 0 else min(1.0, (steps - step) / length)


def revival_steps(steps: int, *, count: int, share: float) -> list[int]:
    """Return the steps after which dead neurons are drawn anew: `count`, even over the first `share`."""
    length = int(share * steps)
    return [] if length < 1 or count < 1 else evenly(length, count)
