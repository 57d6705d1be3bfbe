"""C5 to C7: steering, formation, stability."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..gaps import AHEAD, BEHIND, LEVEL, Key, Numbers, standing
from ..headlines import is_sae
from .verdict import FAILS, HOLDS, MAIN, PARTLY, Decider, Verdict, listed, made, unknown

if TYPE_CHECKING:
    from ...core.stats import Estimate

STEERED = 50
"""C5: least number of steered features, over all seeds, for a verdict without reserve."""
TEXTS = 200
"""C5: least number of texts at each strength for a verdict without reserve."""
WARM = "_warm"
"""Ends the name of SAEs that begin each checkpoint as the one before ended."""
FOLLOWED = 0.9
"""C6: least identity-match rate by which a neuron counts as followed."""


def steerable(numbers: Numbers) -> Verdict:
    """C5: success of neurons beside random neurons, SAE latents, post-hoc TopK."""
    key = Key("steering_success_rate", "")
    own = numbers.mean(MAIN, key)
    if own is None:
        return unknown("C5", "No steering was measured.")
    chance = numbers.gap(MAIN, "random_neurons", key)
    others = [one for one in numbers.sources(key) if is_sae(one) or one == "posthoc"]
    gaps = {one: gap for one in others if (gap := numbers.gap(MAIN, one, key)) is not None}
    features, texts = numbers.n(MAIN, key), numbers.mean(MAIN, Key("steering_texts"))
    enough = features >= STEERED and texts is not None and texts.value >= TEXTS
    rates = {one: numbers.mean(one, key) for one in numbers.sources(key) if one != MAIN}
    told = ", ".join(f"{name} {rate.value:.0%}" for name, rate in rates.items() if rate is not None)
    says = f"Steering succeeds for {own.value:.0%} [{own.low:.0%}, {own.high:.0%}] of {features} neurons"
    says += f" ({told})." if told else "."
    decides = [Decider.of("success rate of neurons", own)]
    if chance is not None:
        decides.append(Decider.of("neurons less random neurons", chance))
    decides += [Decider.of(f"neurons less {one}", gap) for one, gap in gaps.items()]
    if standing(chance) != AHEAD:
        return made("C5", FAILS, says + " That is not above random neurons for certain.", decides)
    level = any(is_sae(one) for one in gaps) and all(standing(one) != BEHIND for one in gaps.values())
    if not enough:
        says += f" Fewer than {STEERED} neurons were steered, or in fewer than {TEXTS} texts each."
    return made("C5", HOLDS if level and enough else PARTLY, says, decides)


def followed(numbers: Numbers) -> Verdict:
    """C6: identity over checkpoints and layers, beside the twin's own neurons and the first checkpoint."""
    over_time, over_layers = Key("identity_match"), Key("layers_identity_match")
    steps = numbers.mean(MAIN, over_time)
    layers = numbers.mean(MAIN, over_layers)
    if steps is None:
        return unknown("C6", "No trace was made.")
    emerged = numbers.mean(MAIN, Key("emergence_share_of_training"))
    says = f"From one checkpoint to the next {steps.value:.1%} of the neurons keep their index"
    says += (
        ""
        if emerged is None
        else f", half of them are what they end as after {emerged.value:.0%} of training"
    )
    says += "" if layers is None else f", and from layer to layer {layers.value:.1%} keep it"
    controls = [(over_time, name) for name in ("permuted", "dense", "posthoc")]
    controls += [(over_layers, name) for name in ("posthoc", "initialisation")]
    gaps = {
        f"{'checkpoints' if key is over_time else 'layers'}: neurons less {name}": gap
        for key, name in controls
        if (gap := numbers.gap(MAIN, name, key)) is not None
    }
    near = [says_ for says_, gap in gaps.items() if standing(gap) != AHEAD]
    decides = [Decider.of("identity match over checkpoints", steps)]
    decides += [] if layers is None else [Decider.of("identity match over layers", layers)]
    decides += [Decider.of(*one) for one in gaps.items()]
    says += "." if not near else f"; not ahead for certain: {', '.join(near)}."
    chance = numbers.gap(MAIN, "permuted", over_time)
    if steps.low < FOLLOWED or standing(chance) != AHEAD:
        return made("C6", FAILS, says, decides)
    whole = layers is not None and layers.low >= FOLLOWED and len(gaps) == len(controls)
    return made("C6", HOLDS if whole and not near else PARTLY, says, decides)


def stable(numbers: Numbers) -> Verdict:
    """C7: identity over checkpoints, and best matches over seeds, beside post-hoc TopK and SAEs."""
    over_time, over_seeds = Key("identity_match"), Key("seeds_best_match_cosine")
    steps = numbers.mean(MAIN, over_time)
    if steps is None:
        return unknown("C7", "No trace was made.")
    saes = [one for one in numbers.sources(over_time) if is_sae(one)]
    seeds = numbers.mean(MAIN, over_seeds)
    latents = [one for one in numbers.sources(over_seeds) if is_sae(one)]
    gaps = _over_time(numbers, saes)
    for name in ("random", "initial", "posthoc", *latents):
        if seeds is not None and (gap := numbers.gap(MAIN, name, over_seeds)) is not None:
            gaps[f"seeds, neurons less {name}"] = gap
    says = f"Over checkpoints {steps.value:.1%} keep their index"
    says += (
        "; other seeds were not compared"
        if seeds is None
        else f"; in another seed the best match has a cosine of {seeds.value:.2f}"
    )
    behind = [says_ for says_, gap in gaps.items() if standing(gap) == BEHIND]
    level = [says_ for says_, gap in gaps.items() if standing(gap) == LEVEL]
    says += "." if not behind + level else f"; behind: {listed(behind)}; level: {listed(level)}."
    if not saes:
        says += " No SAEs of checkpoints stand beside them."
    decides = [Decider.of("identity match over checkpoints", steps)]
    decides += [] if seeds is None else [Decider.of("best match over seeds, cosine", seeds)]
    decides += [Decider.of(*one) for one in gaps.items()]
    if not gaps:
        return unknown("C7", says + " No control was measured.")
    over = {
        part: [standing(gap) for says_, gap in gaps.items() if says_.startswith(part)]
        for part in ("check", "seeds")
    }
    won = {part: bool(found) and all(one == AHEAD for one in found) for part, found in over.items()}
    if all(won.values()) and saes and latents:
        return made("C7", HOLDS, says, decides)
    return made("C7", PARTLY if any(won.values()) or not behind else FAILS, says, decides)


def _over_time(numbers: Numbers, saes: Sequence[str]) -> "dict[str, Estimate]":
    """Return by how much more neurons keep their index over checkpoints than post-hoc TopK and SAEs."""
    key = Key("identity_match")
    gaps: dict[str, Estimate] = {}
    for name in ("posthoc", *saes):
        # Latents of an SAE begun afresh stand in any order: there the partner in the assignment counts.
        afresh = name in saes and not name.endswith(WARM)
        theirs = Key("identity_match/assigned_match") if afresh else key
        if (gap := numbers.gap(MAIN, name, key, their_key=theirs)) is not None:
            gaps[f"checkpoints, neurons less {name}"] = gap
    return gaps
