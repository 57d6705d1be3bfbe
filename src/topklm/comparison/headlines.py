"""The numbers that are shown first, which way is better, and where a control comes close to the neurons."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..core.stats import Estimate
from .result import ResultRow

MAIN = "topk"


def is_sae(source: str) -> bool:
    """Tell whether a source is an SAE's latents: what neurons are compared with, and no control."""
    return source.startswith("sae_")


def saes(sources: Iterable[str]) -> set[str]:
    """Return the SAEs among some sources."""
    return set(filter(is_sae, sources))


class Headline(NamedTuple):
    """A number to be shown, by its metric and what it is about."""

    title: str
    metric: str
    about: str | None
    """None: whatever it is about, such as the embedding that it was made with."""
    better: int
    """1: a larger one is better; -1: a smaller one; 0: neither, it only describes."""

    def picks(self, row: ResultRow) -> bool:
        """Tell whether a row is this number; rows of single concepts are not."""
        return row.metric == self.metric and self.about in (None, row.about)


HEADLINES = (
    Headline("live features", "live_features", None, 0),
    Headline("dead features", "dead_features", None, 0),
    Headline("firings per token", "firings_per_token", None, 0),
    Headline("labelled, of live", "labelled_features", "live features", 1),
    Headline("named, of live", "named_features", "live features", 1),
    Headline("label F1", "label_f1", "live features", 1),
    Headline("beyond the null, corrected", "features_beyond_null/corrected", None, 1),
    Headline("lexical coverage", "concept_coverage", "lexical concepts", 1),
    Headline("mixed coverage", "concept_coverage", "mixed concepts", 1),
    Headline("contextual coverage", "concept_coverage", "contextual concepts", 1),
    Headline("lexical best F1", "concept_f1", "lexical concepts", 1),
    Headline("mixed best F1", "concept_f1", "mixed concepts", 1),
    Headline("contextual best F1", "concept_f1", "contextual concepts", 1),
    Headline("senses separated", "senses_separated", None, 1),
    Headline("token entropy, strongest", "token_entropy/strongest", None, -1),
    Headline("token entropy, random", "token_entropy/random", None, -1),
    Headline("semantic, bits below chance", "semantic_entropy_below_random/random", None, 1),
    Headline("example coherence", "example_coherence", None, 1),
    Headline("intruder found (chance 0.167)", "intruder", None, 1),
    Headline("detection (chance 0.5)", "detection", None, 1),
    Headline("probe, 1 feature (chance 0.5)", "probe_accuracy/1", "", 1),
    Headline("probe, 5 features", "probe_accuracy/5", "", 1),
    Headline("probe, whole state", "probe_accuracy/state", "", 0),
    Headline("documents, 5 features", "document_probe_accuracy/5", "", 1),
    Headline("absorption fraction", "absorption_fraction", "", -1),
    Headline("full absorption", "full_absorption", "", -1),
    Headline("probe perturbation, 5", "tpp/5", "", 1),
)


class Line(NamedTuple):
    """One number of one site, for every source that has it."""

    site: int
    headline: Headline
    values: dict[str, Estimate]

    def close(self) -> list[str]:
        """Name the controls that come close: whose interval reaches that of the neurons, or beyond.

        None where the number only describes, or the neurons have none.
        """
        main = self.values.get(MAIN)
        if main is None or not self.headline.better or main.value != main.value:
            return []
        found = []
        for name, value in self.values.items():
            if name == MAIN or value.value != value.value:
                continue
            reaches = value.high >= main.low if self.headline.better > 0 else value.low <= main.high
            if reaches:
                found.append(name)
        return found


def lines_of(rows: Iterable[ResultRow]) -> list[Line]:
    """Gather the headline numbers, site by site, in the order of `HEADLINES`; what nobody has is left out."""
    found: dict[tuple[int, int], dict[str, Estimate]] = {}
    for row in rows:
        for place, headline in enumerate(HEADLINES):
            if row.site is not None and headline.picks(row):
                found.setdefault((row.site, place), {}).setdefault(row.source, row.estimate)
    return [Line(site, HEADLINES[place], values) for (site, place), values in sorted(found.items())]


def verdict(lines: Sequence[Line]) -> str:
    """Say in one sentence whether a control comes close to the neurons, how often and where most.

    Every headline at every site is one comparison.
    """
    compared = [
        line
        for line in lines
        if line.headline.better and MAIN in line.values and set(line.values) - saes(line.values) - {MAIN}
    ]
    if not compared:
        return "No control was measured beside the neurons, so the numbers show nothing yet."
    counts: dict[str, int] = {}
    for line in compared:
        for name in filter(lambda one: not is_sae(one), line.close()):
            counts[name] = counts.get(name, 0) + 1
    if not counts:
        return f"No control comes close to the neurons in any of {len(compared)} numbers."
    said = ", ".join(f"{name} in {count}" for name, count in sorted(counts.items(), key=lambda one: -one[1]))
    return f"Controls come close to the neurons, or pass them, in some of {len(compared)} numbers: {said}."
