"""Which attention implementation and precision train fastest on this processor."""

from .models import BF16, training_step
from .pairs import Ratio, ratio


def attention() -> list[Ratio]:
    """Training step of `tiny`: eager against SDPA in either precision, bf16 autocast against fp32.

    `training/machine.py` takes its rule from here. On a processor without bf16 there is only fp32.
    """
    rows = []
    for bf16 in (True, False) if BF16 else (False,):
        for context in (128, 256, 512):
            name = f"{'bf16' if bf16 else 'fp32'} eager / sdpa, context {context}"
            steps = [
                training_step("tiny", bf16=bf16, attention=kind, context=context)
                for kind in ("eager", "sdpa")
            ]
            rows.append(ratio(name, steps[0], steps[1]))
    if BF16:
        fp32 = training_step("tiny", bf16=False, attention="sdpa", context=128)
        bf16_step = training_step("tiny", bf16=True, attention="eager", context=128)
        rows.append(ratio("bf16 eager / fp32 sdpa, context 128", bf16_step, fp32))
    return rows
