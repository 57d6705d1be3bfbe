"""What the machine does best: device, precision, attention, threads; fixed rules, stored in the run."""

import os
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ..core.processes import place
from .settings import TrainSettings


@dataclass(frozen=True)
class Machine:
    """The choices a run was made with; resuming keeps them, so that its numbers stay the same.

    With another number of processes numbers change in their last digits anyway, so threads may too.
    """

    device: str
    precision: str
    attention: str
    threads: int
    """CPU threads of each process."""
    processes: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)

    @classmethod
    def for_settings(cls, settings: TrainSettings) -> "Machine":
        """Fill in what the settings leave to `auto`."""
        # Apple's mps has no float64, in which losses are added up, so there it is the CPU
        device = "cuda" if torch.cuda.is_available() else "cpu"
        precision = settings.precision
        if precision == "auto":
            precision = "bf16" if has_fast_bf16(device) else "fp32"
        attention = settings.attention
        if attention == "auto":
            attention = best_attention(device, precision, settings.context)
        here = place()
        threads = settings.threads or max(1, available_threads() // here.local_size)
        return cls(device, precision, attention, threads, here.size)


def has_fast_bf16(device: str) -> bool:
    """Tell whether bf16 arithmetic is built into the device; emulated, it is slower than fp32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def best_attention(device: str, precision: str, context: int) -> str:
    """Choose the attention implementation by the rule found in `benchmarks/attention.py`."""
    return "eager" if device == "cpu" and precision == "bf16" and context <= 512 else "sdpa"


def available_threads() -> int:
    """Count the cores that this process may use, or what OMP_NUM_THREADS says where that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # a list: one for each nested level
    return min(cores, int(wanted)) if wanted.isdecimal() and int(wanted) else cores
