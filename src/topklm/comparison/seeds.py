"""Several seeds of one setting: every seed's number, and paired differences of neurons and controls."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.stats import Estimate, paired_t
from .gaps import AHEAD, BEHIND, LEVEL, standing
from .headlines import MAIN, Headline, is_sae, lines_of, saes
from .result import Result

Array = np.ndarray[Any, Any]


class SeedLine(NamedTuple):
    """One headline over seeds, at one site or averaged over all."""

    headline: Headline
    site: int | None
    """None: the mean over all sites that a source has, seed by seed."""
    values: dict[str, list[float]]
    """By source, one number per seed, in the order of the results; NaN where it has none."""
    gaps: dict[str, Estimate]
    """By control: neurons minus control over the sites that both have, turned so that more is better, with a
    paired t-interval."""

    def close(self) -> list[str]:
        """Name the controls whose gap is not above 0 for certain."""
        return [name for name, gap in self.gaps.items() if not gap.low > 0]


def over_seeds(results: Sequence[Result]) -> list[SeedLine]:
    """Put results of several seeds side by side: all headlines, first averaged over sites, then by site.

    Raises InputError where they are not of the same text, sources and sites, or a seed stands there twice.
    """
    check_alike(results)
    tables = [{(line.site, line.headline): line.values for line in lines_of(one.rows)} for one in results]
    headlines = list(dict.fromkeys(headline for table in tables for _, headline in table))
    sites = sorted({site for table in tables for site, _ in table})
    sources = list(results[0].sources)
    found = []
    for headline in headlines:
        by_site: dict[int | None, dict[str, list[float]]] = {}
        for site in sites:
            by_site[site] = {
                source: [_value(table.get((site, headline), {}), source) for table in tables]
                for source in sources
            }
        tables_of = {source: np.array([by_site[site][source] for site in sites]) for source in sources}
        averaged = {source: _mean(table).tolist() for source, table in tables_of.items()}
        found.append(SeedLine(headline, None, averaged, _gaps(headline, tables_of)))
        for place, values in by_site.items():
            own = {source: np.array([numbers]) for source, numbers in values.items()}
            found.append(SeedLine(headline, place, values, _gaps(headline, own)))
    return sorted(found, key=lambda line: (line.site is not None, line.site or 0))


def check_alike(results: Sequence[Result]) -> None:
    """Raise InputError unless the results can be compared seed by seed."""
    if not results:
        raise InputError("give at least one run")
    seeds = [seed for one in results for seed in one.seeds]
    if len(set(seeds)) < len(seeds):
        raise InputError(f"a seed stands there twice: {', '.join(map(str, seeds))}")
    for one in results[1:]:
        for name, mine, first in (
            ("corpus", one.corpus["spec"], results[0].corpus["spec"]),
            ("text", one.corpus["sha256"], results[0].corpus["sha256"]),
            ("sources", list(one.sources), list(results[0].sources)),
            ("sites", {row.site for row in one.rows}, {row.site for row in results[0].rows}),
        ):
            if mine != first:
                raise InputError(f"{one.run} and {results[0].run} cannot be compared: their {name} differ")


def seed_verdict(lines: Sequence[SeedLine]) -> str:
    """Say in one sentence in which numbers, averaged over sites, a control comes close or passes."""
    compared = [line for line in lines if line.site is None and set(line.gaps) - saes(line.gaps)]
    if not compared:
        return "No control was measured beside the neurons, so the numbers show nothing yet." + _saes(lines)
    near = [[name for name in line.close() if not is_sae(name)] for line in compared]
    counts = Counter(name for names in near for name in names)
    if not counts:
        says = f"No control comes close to the neurons in any of {len(compared)} numbers."
        return says + _saes(lines)
    said = ", ".join(f"{name} in {count}" for name, count in counts.most_common())
    return (
        f"Controls come close to the neurons, or pass them, in {sum(map(bool, near))} of {len(compared)} "
        f"numbers: {said}." + _saes(lines)
    )


def _saes(lines: Sequence[SeedLine]) -> str:
    """Say where the neurons stand beside SAE latents, which are no control."""
    says = ""
    whole = [line for line in lines if line.site is None]
    for name in dict.fromkeys(name for line in whole for name in line.gaps if is_sae(name)):
        stands = [standing(line.gaps[name]) for line in whole if name in line.gaps]
        counts = ", ".join(f"{stands.count(where)} {where}" for where in (AHEAD, LEVEL, BEHIND))
        says += f" Beside {name} the neurons are: {counts}."
    return says


def _value(values: dict[str, Estimate], source: str) -> float:
    return values[source].value if source in values else float("nan")


def _mean(table: Array) -> Array:
    """Return the mean over sites, the first axis, of what is a number; NaN where nothing is."""
    known = np.isfinite(table)
    found: Array = np.where(known, table, 0.0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
    return found


def _gaps(headline: Headline, tables: dict[str, Array]) -> dict[str, Estimate]:
    if not headline.better or MAIN not in tables:
        return {}
    found = {}
    for source, other in tables.items():
        differences = _mean(headline.better * (tables[MAIN] - other))
        if source != MAIN and np.isfinite(differences).all():
            found[source] = paired_t(differences)
    return found
