"""C1 and C2: codes, and how readable features are."""

from ...core.stats import Estimate
from ..gaps import AHEAD, BEHIND, Key, Numbers
from ..headlines import HEADLINES, is_sae
from .verdict import (
    CONTROLS,
    FAILS,
    HOLDS,
    MAIN,
    PARTLY,
    SAE,
    Decider,
    Verdict,
    against,
    count,
    key_of,
    made,
    tally,
    unknown,
)

DIFFERING = 1e-4
"""C1: largest share of tokens whose exported code may differ (a rounding can swap the k-th entry)."""
WIDE_NUMBERS = ("contextual coverage", "probe, 1 feature (chance 0.5)", "probe, 5 features")
"""C2: where the neurons are to stand beside the wide SAEs too."""


def codes(numbers: Numbers) -> Verdict:
    """C1: never more than k entries; the exported layer gives the identical code in SAELens."""
    entries, k = numbers.of(MAIN, Key("entries_per_token_max")), numbers.of(MAIN, Key("k"))
    if not entries:
        return unknown("C1", "No codes were counted.")
    over = [
        site
        for seed, sites in entries.items()
        for site, most in sites.items()
        if most.value > k[seed][site].value
    ]
    most = max(one.value for sites in entries.values() for one in sites.values())
    differs = [
        one for sites in numbers.of(MAIN, Key("exported_code_differs")).values() for one in sites.values()
    ]
    decides = [Decider.of("most entries of a code, over all TopK layers", Estimate.exact(most))]
    if over:
        return made("C1", FAILS, f"Layer {over[0]} has tokens with more than k entries.", decides)
    if not differs:
        says = f"No code has more than k entries (at most {most:g}); the export was not read by SAELens."
        return made("C1", PARTLY, says, decides)
    worst = max(differs, key=lambda one: one.value)
    decides.append(
        Decider.of("share of tokens whose code SAELens reads otherwise, at the worst layer", worst)
    )
    holds = worst.value <= DIFFERING
    says = (
        f"No code has more than k entries (at most {most:g}), and SAELens reads "
        + ("the same code" if not worst.value else f"another code on {worst.value:.2%} of the tokens")
        + " from every layer exported as an SAE."
    )
    return made("C1", HOLDS if holds else FAILS, says, decides)


def interpretable(numbers: Numbers) -> Verdict:
    """C2: the headline metrics of neurons beside those of 1x latents, of wide latents, of the controls."""
    judged = [one for one in HEADLINES if one.better]
    own = [one for one in judged if numbers.has(MAIN, key_of(one))]
    if not own:
        return unknown("C2", "No metrics of the neurons were measured.")
    beside = {name: against(numbers, own, name) for name in (SAE, *CONTROLS)}
    beside = {name: found for name, found in beside.items() if found}
    wide = _wide(numbers)
    against_wide = (
        {} if wide is None else against(numbers, [one for one in own if one.title in WIDE_NUMBERS], wide)
    )
    told = "; ".join(f"{name}: {tally(found)}" for name, found in beside.items())
    if SAE not in beside:
        return unknown("C2", f"There are no SAEs of 1x beside the neurons. {told or 'No control either'}.")
    saes, controls = beside[SAE], [beside[name] for name in CONTROLS if name in beside]
    behind = [title for title, where in saes.items() if where == BEHIND]
    lost = [title for title, where in against_wide.items() if where == BEHIND]
    holds = (
        not behind
        and not lost
        and wide is not None
        and all(BEHIND not in one.values() and 2 * count(one, AHEAD) >= len(one) for one in controls)
    )
    partly = 2 * len(behind) <= len(saes) and all(count(one, AHEAD) > count(one, BEHIND) for one in controls)
    says = f"Of {len(saes)} numbers the neurons are, beside {told}."
    if behind:
        says += f" Behind 1x latents in: {', '.join(behind)}."
    if wide is not None:
        says += f" Beside {wide} in contextual coverage and probing: {tally(against_wide)}."
    decides = [
        Decider.of(f"{one.title}: neurons less {SAE}, more is better", gap)
        for one in own
        if (gap := numbers.gap(MAIN, SAE, key_of(one), better=one.better)) is not None
    ]
    if not controls:
        return made("C2", PARTLY if partly else FAILS, says + " No control was measured.", decides)
    return made("C2", HOLDS if holds else PARTLY if partly else FAILS, says, decides)


def _wide(numbers: Numbers) -> str | None:
    """Return the widest SAEs that were measured, if they are wider than 1x."""
    names = {row.source for row in numbers.rows if row.metric == "live_features" and is_sae(row.source)}
    wide = sorted(names - {SAE}, key=lambda name: (len(name), name))
    return wide[-1] if wide else None
