"""What a verdict is, and what all rules share."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ...core.stats import Estimate
from ..gaps import AHEAD, BEHIND, LEVEL, Key, Numbers, standing
from ..headlines import Headline

HOLDS, PARTLY, FAILS, UNKNOWN = "holds", "holds partly", "does not hold", "not measured"
MAIN, TWIN, SAE = "topk", "dense", "sae_1x"
CONTROLS = ("posthoc", "dense", "random", "shuffled")


@dataclass(frozen=True)
class Decider:
    """A number that a verdict rests on."""

    says: str
    """In words, with the sources it compares."""
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, says: str, estimate: Estimate) -> "Decider":
        """Make one from an estimate."""
        return cls(says, *estimate)


@dataclass(frozen=True)
class Verdict:
    """What the rows say of one claim."""

    claim: str
    title: str
    verdict: str
    says: str
    """One or two sentences, with the number that decides."""
    decides: list[Decider] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


TITLES = {
    "C1": "a hidden state is a TopK SAE's code",
    "C2": "interpretable without post-hoc training, comparably to SAEs",
    "C3": "features for less computation than by SAEs",
    "C4": "the model keeps its capabilities",
    "C5": "single-neuron steering works",
    "C6": "neuron formation can be followed over checkpoints and layers",
    "C7": "features are stable",
}


def made(claim: str, verdict: str, says: str, decides: Sequence[Decider]) -> Verdict:
    """Make a verdict."""
    return Verdict(claim, TITLES[claim], verdict, says, list(decides))


def unknown(claim: str, says: str) -> Verdict:
    """Say that a claim was not measured, and why."""
    return made(claim, UNKNOWN, says, [])


def against(numbers: Numbers, headlines: Sequence[Headline], source: str) -> dict[str, str]:
    """Say for each headline where the neurons stand beside a source."""
    found = {}
    for one in headlines:
        where = standing(numbers.gap(MAIN, source, key_of(one), better=one.better))
        if where is not None:
            found[one.title] = where
    return found


def count(found: dict[str, str], where: str) -> int:
    """Count the numbers that stand somewhere."""
    return list(found.values()).count(where)


def tally(found: dict[str, str]) -> str:
    """Say how often the neurons are ahead, level and behind."""
    return ", ".join(f"{count(found, where)} {where}" for where in (AHEAD, LEVEL, BEHIND))


def key_of(headline: Headline) -> Key:
    """Return which number a headline is."""
    return Key(headline.metric, headline.about)


def listed(names: Sequence[str]) -> str:
    """Write names one after another."""
    return ", ".join(names) or "none"
