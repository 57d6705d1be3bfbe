"""C3 and C4: what features cost, and what the model keeps."""

from ...core.stats import Estimate
from ..gaps import BEHIND, Key, Numbers, standing
from .verdict import FAILS, HOLDS, MAIN, PARTLY, SAE, TWIN, Decider, Verdict, made, unknown

HALF = 0.5
"""C3: largest share of the SAE route's seconds."""
KEPT, NEARLY_KEPT = 0.02, 0.05
"""C4: largest rise of the held-out loss over the twin's, as a share of it."""


def cheap(numbers: Numbers) -> Verdict:
    """C3: seconds and operations until features exist, and to read them, beside the SAE route."""
    keys = {
        "seconds until features exist": Key("features_seconds"),
        "operations until features exist": Key("features_flops"),
        "operations of reading": Key("reading_flops_per_million"),
    }
    found = {says: numbers.ratio(MAIN, SAE, key) for says, key in keys.items()}
    ratios = {says: one for says, one in found.items() if one is not None}
    if len(ratios) < len(keys):
        return unknown("C3", "The cost of SAEs of 1x was not measured, so there is nothing to compare with.")
    seconds, flops, reading = (one.value for one in ratios.values())
    holds = seconds <= HALF and flops <= HALF and reading <= 1
    partly = seconds < 1 or flops < 1
    says = (
        f"Features take {seconds:.2f} of the seconds and {flops:.2f} of the operations of twin and 1x SAEs "
        f"together, and reading them {reading:.2f} of the operations (the bar: {HALF:g} of the seconds and "
        "operations). How readable they are for that: C2; what the model loses: C4."
    )
    decides = [Decider.of(f"{says_}: neurons over {SAE}", one) for says_, one in ratios.items()]
    return made("C3", HOLDS if holds else PARTLY if partly else FAILS, says, decides)


def capable(numbers: Numbers) -> Verdict:
    """C4: the rise of held-out loss over the twin's, and zero-shot tasks beside it."""
    rise = numbers.mean(MAIN, Key("loss_rise", TWIN))
    if rise is None:
        return unknown("C4", "No dense twin's loss was measured.")
    decides = [Decider.of("held-out loss over the twin's, as a share of it", rise)]
    task, gap = _tasks(numbers)
    says = f"The held-out loss is {rise.value:+.1%} [{rise.low:+.1%}, {rise.high:+.1%}] beside the twin's"
    if gap is None:
        says += "; no task was measured."
    else:
        decides.append(Decider.of(f"accuracy on {task}: TopK less twin", gap))
        says += (
            f"; accuracy on {task} is {gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] beside the twin's."
        )
    small = numbers.mean(MAIN, Key("loss_rise", "dense_small"))
    if small is not None:
        says += f" Beside the smaller dense model the loss is {small.value:+.1%}."
    loses = standing(gap) == BEHIND
    if rise.high <= KEPT and gap is not None and not loses:
        return made("C4", HOLDS, says, decides)
    partly = (rise.value <= NEARLY_KEPT and not loses) or rise.high <= KEPT
    return made("C4", PARTLY if partly else FAILS, says, decides)


def _tasks(numbers: Numbers) -> tuple[str, Estimate | None]:
    """Return the whole set of tasks that was measured, and the paired difference from the twin."""
    for task in ("stories", "last_word"):
        gap = numbers.mean(MAIN, Key(f"task_accuracy_beside/{TWIN}", task))
        if gap is not None:
            return task, gap
    return "", None
