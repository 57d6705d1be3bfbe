"""What training costs, as formulas over a model's sizes. Explained in docs/scaling.md."""

from typing import NamedTuple

FLOAT = 4
"""Bytes of a number in fp32."""


class Size(NamedTuple):
    """A model and how it is trained."""

    layers: int
    width: int
    heads: int
    head_dim: int
    mlp: int
    k: int
    vocabulary: int
    context: int
    sites: int
    """Layers with TopK."""
    step_tokens: int
    """Tokens of a step in one process."""

    @property
    def channels(self) -> int:
        """Width of the attention's queries, keys and values, all heads together."""
        return self.heads * self.head_dim


def parameters(size: Size) -> int:
    """Count the parameters of a model with tied embeddings."""
    layer = 4 * size.width * size.channels + 3 * size.width * size.mlp + 2 * size.width
    return size.vocabulary * size.width + size.layers * layer + size.width


def training_flops(size: Size) -> float:
    """Count a training step's operations per token: three forward passes' (`evaluation/flops.py`)."""
    layer = 4 * size.width * size.channels + 3 * size.width * size.mlp
    weights = size.layers * layer + size.width * size.vocabulary
    return 3.0 * (2 * weights + 2 * size.layers * size.context * size.channels)


def saved_numbers(size: Size) -> int:
    """Count the numbers kept per token from the forward pass for the backward pass.

    Of a layer: the states before and after each half and each norm, and TopK's mask (7 widths); queries, keys
    and values before and after rotation, and the attention's result (6 channels); the MLP's two halves,
    their gate and product (4).
    """
    return size.layers * (7 * size.width + 6 * size.channels + 4 * size.mlp)


def moved_numbers(size: Size) -> int:
    """Count the numbers written and read per token in a step: what is kept three times, and the logits.

    Written, read by the forward and by the backward pass; of the logits: scores, their exponentials, and
    gradients.
    """
    return 3 * saved_numbers(size) + 3 * size.vocabulary


def moved_bytes(size: Size) -> float:
    """Return the bytes that a step in fp32 moves through memory, matrix products' own reading left out.

    The optimizer reads weight, gradient and two moments and writes all but the gradient, clipping reads and
    writes the gradient, and the backward pass writes it: ten numbers a parameter.
    """
    return FLOAT * (size.step_tokens * moved_numbers(size) + 10.0 * parameters(size))


def state_bytes(size: Size) -> int:
    """Return the bytes of weights, gradients and Adam's two moments in fp32."""
    return 4 * FLOAT * parameters(size)


def activation_bytes(size: Size) -> int:
    """Return the bytes kept for the backward pass of one step in fp32."""
    return FLOAT * size.step_tokens * saved_numbers(size)


def run_bytes(size: Size, *, traces: int, packed: int) -> int:
    """Return a finished run's bytes: weights in fp32, traces in bf16, two bytes a packed token."""
    return parameters(size) * (FLOAT + 2 * traces) + 2 * packed


def resumable_bytes(size: Size) -> int:
    """Return the bytes of what an unfinished run holds to go on from: two checkpoints, each with moments."""
    return 2 * 3 * FLOAT * parameters(size)


def exchanged_bytes(size: Size, processes: int, *, split: bool) -> float:
    """Return the bytes that each process sends in a step, in fp32, by rings.

    DDP adds gradients up: 2 (P - 1) / P of them. FSDP2 gathers weights twice and scatters gradients once.
    """
    return (3 if split else 2) * (processes - 1) / processes * FLOAT * parameters(size)
