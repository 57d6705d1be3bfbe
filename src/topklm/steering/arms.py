"""The arms of the evaluation: the neurons, and every reference that they stand beside.

An arm is a list of units, each one thing that is steered towards one concept. How a unit is run: `trial.py`.
"""

import hashlib
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from ..core.errors import InputError
from ..core.site import Feature
from ..features import SteerableSource
from ..features.effects import probe_contexts
from ..index import FeatureIndex, source_of
from ..index.sources import is_plugin
from ..metrics.labelled import FEWEST
from ..training import Loaded
from .concepts import LabelledText
from .find import CONTEXT_TOKENS, CONTEXTS, find_by_concept
from .survey import Survey, Surveyed, mean_directions, survey

MAIN = "neurons"
UNSTEERED = "unsteered"
DEFAULT = ("random_neurons",)


class Unit(NamedTuple):
    """One thing that is steered towards one concept."""

    arm: str
    name: str
    """Of the feature, or of the direction."""
    site: int
    """Its layer; -1 for a prompt."""
    concept: str
    f1: float
    """Held-out F1 of the feature for the concept; NaN where it has none."""
    unit: float
    """What a strength of 1x is: the 99th percentile of a feature's firings, the distance of the two means
    that give a direction; NaN for a prompt."""
    action: str
    """What is done with a strength: set_to, or add."""
    source: SteerableSource | None
    """None: nothing is edited, the concept's word stands in the prompt."""
    feature: Feature | None

    @property
    def key(self) -> str:
        """A name for its file, unique in an evaluation."""
        plain = "".join(letter if letter.isalnum() else "-" for letter in f"{self.name} {self.concept}")
        if len(plain) > LONGEST_KEY or not re.fullmatch(r"[\w: ]*", self.concept):
            # else a lexicon's C# and C+ would share a file
            plain = f"{plain[:LONGEST_KEY]}-{hashlib.sha256(self.concept.encode()).hexdigest()[:8]}"
        return f"{self.arm}--{plain}"


LONGEST_KEY = 80
"""Letters of a unit's name in its file's."""


@dataclass
class Bench:
    """What all arms share."""

    loaded: Loaded
    twin: Loaded | None
    source: SteerableSource
    text: LabelledText
    index: FeatureIndex
    max_features: int | None
    seed: int
    action: str = "set_to"
    """What is done with features; directions are always added to."""
    units: dict[str, list[Unit]] = field(default_factory=dict)

    @cached_property
    def survey(self) -> Survey:
        """What the run's own neurons stand for."""
        return survey(self.source, self.text)

    @property
    def sites(self) -> tuple[int, ...]:
        """The TopK layers."""
        return tuple(self.source.sites)

    def of(self, arm: str) -> list[Unit]:
        """Return an arm's units. Raises LeftOut where it needs what is not there."""
        if arm not in self.units:
            self.units[arm] = ARMS[arm](self) if arm in ARMS else features_of(self, arm)
        return self.units[arm]


class LeftOut(Exception):
    """An arm cannot be run; the message says what it lacks."""


def check_arms(names: Sequence[str]) -> tuple[str, ...]:
    """Return the arms asked for, without doubles. Raises InputError for one that does not exist."""
    known = list(ARMS)[1:]
    found: list[str] = []
    for name in names:
        if name == "all":
            found += list(ARMS)[1:]
        elif name in known or is_plugin(name):
            found.append(name)
        elif name not in (MAIN, UNSTEERED):  # both are always there
            raise InputError(
                f"there is no arm {name!r}; choose among {', '.join(known)}, SAEs' such as sae_8x, or all"
            )
    return tuple(dict.fromkeys(found))


def neurons(bench: Bench) -> list[Unit]:
    """Every labelled neuron; where there are more than asked for, evenly many of each layer, drawn."""
    return [_unit(MAIN, bench, bench.source, one) for one in drawn(bench.survey, bench)]


def features_of(bench: Bench, arm: str) -> list[Unit]:
    """Every labelled feature of another source of the run: of the dense twin, of an SAE."""
    name = {"posthoc_neurons": "posthoc"}.get(arm, arm)
    twin = _twin(bench)
    source = source_of(bench.loaded, name, twin=twin.run.path)
    if not isinstance(source, SteerableSource):
        raise LeftOut(f"the source {name} cannot be steered")
    return [_unit(arm, bench, source, one) for one in drawn(survey(source, bench.text), bench)]


def random_neurons(bench: Bench) -> list[Unit]:
    """For each neuron another live one of its layer, drawn, that does not carry its label."""
    generator = random.Random(bench.seed)
    found = []
    for unit in bench.of(MAIN):
        others = [
            one
            for one in bench.survey.features
            if one.feature.layer == unit.site
            and one.live
            and one.p99 > 0
            and not (one.labelled and one.concept == unit.concept)
        ]
        if others:
            other = generator.choice(others)
            found.append(
                _unit("random_neurons", bench, bench.source, other)._replace(
                    concept=unit.concept, f1=float("nan")
                )
            )
    return _unique(found)


def found_neurons(bench: Bench) -> list[Unit]:
    """For each concept that a neuron stands for, the one that raises its tokens most, as `find` ranks them.

    Of up to 80 candidates: those that tell the concept best and those that promote its tokens. They are
    chosen at other stretches of the text than those at which an edit's effect is reported. Concepts for
    which no token stands are left out.
    """
    tokens = torch.from_numpy(bench.index.tokens.astype(np.int64))
    length = min(CONTEXT_TOKENS, bench.source.context)
    contexts = probe_contexts(tokens, count=2 * CONTEXTS, length=length)[1::2]
    known = {str(one.feature): one for one in bench.survey.features if one.live and one.p99 > 0}
    found = []
    for concept in dict.fromkeys(unit.concept for unit in bench.of(MAIN)):
        if not len(bench.text.target(concept).tokens):
            continue
        ranked = find_by_concept(
            bench.source, bench.index, bench.text, concept, surveyed=bench.survey, contexts=contexts
        )
        live = [known[one.feature] for one in ranked.features if one.feature in known]
        if live:
            unit = _unit("found_neurons", bench, bench.source, live[0])
            found.append(unit._replace(concept=concept, f1=float("nan")))
    if not found:
        raise LeftOut("no token stands for any of the concepts")
    return found


def topk_direction(bench: Bench) -> list[Unit]:
    """The difference of means of the TopK model's states, at each neuron's layer, for its concept: added."""
    return _directions(bench, "topk_direction", bench.loaded)


def dense_direction(bench: Bench) -> list[Unit]:
    """The same in the dense twin, which then writes the texts."""
    return _directions(bench, "dense_direction", _twin(bench))


def prompt(bench: Bench) -> list[Unit]:
    """The concept's word in the prompt, nothing edited."""
    concepts = dict.fromkeys(unit.concept for unit in bench.of(MAIN))
    nan = float("nan")
    words = {name: bench.text.target(name).word for name in concepts}
    return [Unit("prompt", word, -1, name, nan, nan, "", None, None) for name, word in words.items() if word]


ARMS: dict[str, Callable[[Bench], list[Unit]]] = {
    MAIN: neurons,
    "random_neurons": random_neurons,
    "found_neurons": found_neurons,
    "topk_direction": topk_direction,
    "dense_direction": dense_direction,
    "posthoc_neurons": lambda bench: features_of(bench, "posthoc_neurons"),
    "prompt": prompt,
}


def drawn(found: Survey, bench: Bench) -> list[Surveyed]:
    """Take the labelled features of a survey: all, or evenly many of each layer, in the order of layers."""
    generator = random.Random(bench.seed)
    layers: dict[int, list[Surveyed]] = {}
    for one in found.features:
        if one.labelled:
            layers.setdefault(one.feature.layer, []).append(one)
    left = sum(map(len, layers.values())) if bench.max_features is None else bench.max_features
    chosen: list[Surveyed] = []
    smallest_first = sorted(layers, key=lambda layer: (len(layers[layer]), layer))
    for place, layer in enumerate(smallest_first):  # what a small layer cannot give, the larger ones do
        count = min(len(layers[layer]), -(-left // (len(smallest_first) - place)))
        chosen += generator.sample(layers[layer], count)
        left -= count
    return sorted(chosen, key=lambda one: one.feature)


def _unit(arm: str, bench: Bench, source: SteerableSource, one: Surveyed) -> Unit:
    return Unit(
        arm,
        str(one.feature),
        one.feature.layer,
        one.concept,
        one.f1,
        one.p99,
        bench.action,
        source,
        one.feature,
    )


def _unique(units: list[Unit]) -> list[Unit]:
    return list({unit.key: unit for unit in units}.values())


def _twin(bench: Bench) -> Loaded:
    if bench.twin is None:
        raise LeftOut("there is no dense twin")
    return bench.twin


def _directions(bench: Bench, arm: str, loaded: Loaded) -> list[Unit]:
    pairs = dict.fromkeys((unit.site, unit.concept) for unit in bench.of(MAIN))
    concepts = list(dict.fromkeys(concept for _, concept in pairs))
    if not concepts:
        return []
    labels: Any = bench.text.labels.select(concepts)
    assert int(labels.counts.min()) >= FEWEST  # a feature was labelled with it
    source, lengths = mean_directions(
        loaded.model, loaded.tokenizer, bench.text.packed, labels.occurrences, bench.sites, name=arm
    )
    found = []
    for site, concept in pairs:
        place = concepts.index(concept)
        feature = source.kind(site, place)
        length = float(lengths[site][place])
        found.append(Unit(arm, f"L{site}", site, concept, float("nan"), length, "add", source, feature))
    return found
