"""Which attention implementation and precision train fastest on this processor."""

from .models import training_step
from .pairs import Ratio, ratio


def attention() -> list[Ratio]:
    """Training step of `tiny`: eager against SDPA, bf16 autocast against fp32.

    `training/machine.py` takes its rule from here.
    """
    rows = []
    for context in (128, 256, 512):
        name = f"bf16 eager / bf16 sdpa, context {context}"
        steps = [training_step("tiny", attention=kind, context=context) for kind in ("eager", "sdpa")]
        rows.append(ratio(name, steps[0], steps[1]))
    fp32 = training_step("tiny", bf16=False, attention="sdpa", context=128)
    bf16 = training_step("tiny", context=128)
    rows.append(ratio("bf16 eager / fp32 sdpa, context 128", bf16, fp32))
    return rows
