"""What a sweep is to train: a file of settings becomes a list of runs."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import InputError
from ..training import TrainSettings, preset
from ..training.settings import replaced

KEYS = ("base", "seeds", "vary", "grid", "list", "twins", "include_base")
TWINS = ("none", "base", "all")
BASE = "base"
HELP = "a sweep has base, seeds, vary, grid, list, twins (none, base or all), include_base"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=,+-]*")


class Planned(NamedTuple):
    """One run of a sweep."""

    variant: str
    """What it is called in tables; runs that differ in their seed alone share it."""
    settings: TrainSettings
    place: Path
    """The run's directory, within the sweep's."""


@dataclass(frozen=True)
class Sweep:
    """Which settings to train, and with which seeds.

    base: settings as of `TrainSettings`, `preset` among them. variants: a name and the settings that differ
    from the base. twins: which TopK variants get their dense twin: none, base, all.
    """

    base: TrainSettings
    variants: dict[str, dict[str, Any]]
    seeds: tuple[int, ...] = (0,)
    twins: str = "none"

    def runs(self) -> list[Planned]:
        """List the runs in the order in which they are trained: seed by seed, so that one is whole soon."""
        found = []
        for seed, (name, changes) in itertools.product(self.seeds, self.variants.items()):
            settings = changed(self.base, {**changes, "seed": seed}, of=name)
            settings.model_config(vocab_size=LARGE)  # wrong sizes are said before anything is trained
            place = Path(name) / f"seed-{seed}"
            found.append(Planned(name, settings, place))
            if not settings.dense and (self.twins == "all" or (self.twins == "base" and name == BASE)):
                found.append(Planned(f"{name} (dense twin)", replace(settings, dense=True), place / "twin"))
        return found


LARGE = 50_000  # a vocabulary for checking sizes before the tokenizer exists


def read_sweep(path: Path | str) -> Sweep:
    """Read a sweep from a YAML or JSON file. Raises InputError where it is none.

    base: {preset: tiny, tokens: 1_000_000}
    seeds: [0, 1, 2]
    vary: {k: [16, 64], anneal: [none, blend]}     # one at a time, everything else as the base
    grid: {width: [256, 512], k: [16, 32]}         # every combination
    list: {wide: {width: 1024, mlp: 128}}          # by name
    twins: base                                    # none, base, all
    """
    import yaml

    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        raise InputError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no sweep; {HELP}")
    try:
        return as_sweep(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def as_sweep(content: Mapping[str, Any]) -> Sweep:
    """Make a sweep of what a file holds. Raises InputError where something is unknown or wrong."""
    for key in content:
        if key not in KEYS:
            raise InputError(f"unknown key {key!r}; {HELP}")
    mappings = {key: _mapping(content, key) for key in ("base", "vary", "grid", "list")}
    seeds = content.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or len(set(map(repr, seeds))) < len(seeds):
        raise InputError(f"seeds={seeds!r} is not allowed; give a list of different whole numbers")
    twins = content.get("twins", "none")
    if twins not in TWINS:
        raise InputError(f"twins={twins!r} is not allowed; choose one of {', '.join(TWINS)}")
    include_base = content.get("include_base", True)
    if not isinstance(include_base, bool):
        raise InputError(f"include_base={include_base!r} is not allowed; choose true or false")
    variants = _variants(mappings, include_base=include_base)
    base = dict(mappings["base"])
    if "seed" in base:
        raise InputError("base has a seed; name seeds with seeds: [0, 1]")
    start = preset(str(base.pop("preset", "tiny")))
    sweep = Sweep(changed(start, base, of="base"), variants, tuple(seeds), twins)
    sweep.runs()
    return sweep


def _variants(mappings: Mapping[str, dict[str, Any]], *, include_base: bool) -> dict[str, dict[str, Any]]:
    variants: dict[str, dict[str, Any]] = {}
    if include_base:
        variants[BASE] = {}
    for key, values in mappings["vary"].items():
        for value in _values(key, values):
            _add(variants, _named({key: value}), {key: value})
    if mappings["grid"]:
        names = list(mappings["grid"])
        for chosen in itertools.product(*(_values(key, mappings["grid"][key]) for key in names)):
            combination = dict(zip(names, chosen, strict=True))
            _add(variants, _named(combination), combination)
    for name, changes in mappings["list"].items():
        if not isinstance(changes, dict):
            raise InputError(f"list: {name} should be settings, not {changes!r}")
        _add(variants, str(name), changes)
    if not variants:
        raise InputError("there is nothing to train; give vary, grid or list")
    return variants


def changed(settings: TrainSettings, changes: Mapping[str, Any], *, of: str) -> TrainSettings:
    """Replace some settings. Raises InputError where one is unknown or wrong."""
    known = {one.name for one in fields(TrainSettings)}
    for name in changes:
        if name not in known:
            raise InputError(f"{of}: unknown setting {name!r}; settings are {', '.join(sorted(known))}")
    try:
        return replaced(settings, changes)
    except InputError as error:
        raise InputError(f"{of}: {error}") from None


def _mapping(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = content.get(key) or {}
    if not isinstance(found, dict):
        raise InputError(f"{key} should be a mapping, not {found!r}")
    return {str(name): value for name, value in found.items()}


def _values(key: str, values: Any) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise InputError(f"{key}: give a list of values, not {values!r}")
    return values


def _named(changes: Mapping[str, Any]) -> str:
    def written(value: Any) -> str:
        return "+".join(map(str, value)) if isinstance(value, list) else str(value)

    return ",".join(f"{name}={written(value)}" for name, value in changes.items())


def _add(variants: dict[str, dict[str, Any]], name: str, changes: dict[str, Any]) -> None:
    if not NAME.fullmatch(name) or len(name) > 100:
        raise InputError(
            f"{name!r} is no name for a directory: letters, digits and . _ = , + - make one; "
            "list: gives settings a name"
        )
    if name in variants:
        raise InputError(f"{name!r} is there twice")
    if "seed" in changes:
        raise InputError(f"{name!r} has a seed; name seeds with seeds: [0, 1]")
    if "preset" in changes:
        raise InputError(f"{name!r} has a preset; a preset belongs into base, one sweep for each")
    variants[name] = changes
