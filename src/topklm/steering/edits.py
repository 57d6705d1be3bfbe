"""Edits as data: which feature, changed how, how strongly, at which tokens. They run in `editing.py`.

A strength is a number, or a text such as "2x": so many times the 99th percentile of the feature's firings.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import write_json
from ..core.forms import read_form
from ..core.site import Feature
from .places import Positions, positions_of, positions_to_json, share_places

FORMAT = "topklm.edits/1"
FILE = "edits.json"
"""What edits are called where they lie in a run or a checkpoint."""
ACTIONS = ("set_to", "add", "scale", "ablate")
Strength = float | str


@dataclass(frozen=True)
class Edit:
    """One change of one feature. Exactly one of set_to, add, scale and ablate is given.

        Edit("L3/N17", set_to=4.0)
        Edit("L3/N17", add="2x", positions="generated")
        Edit("L3/N17", scale=0.5, positions=slice(4, 9))
        Edit("L3/N17", ablate=True)

    Raises InputError where a value is missing, contradictory, not finite or of another kind.
    """

    feature: Feature
    """Which one; its name, such as "L3/N17", will do."""
    set_to: Strength | None = None
    """Its activation from now on: a number, or "2x" for twice the 99th percentile of its firings."""
    add: Strength | None = None
    """What is added to its activation, in the same units."""
    scale: float | None = None
    """A factor of its activation; 1 changes nothing."""
    ablate: bool = False
    """Set it to zero."""
    positions: Positions = "all"
    """Which tokens: "all", "prompt", "generated", a slice, or one boolean a token; see `places.py`."""
    before_topk: bool = False
    """Change the stream before TopK chooses, so that the feature competes for one of the k places."""
    keep_k: bool = False
    """Where the edit makes one entry more than k, drop the weakest of the others."""
    keep_error: bool = True
    """Keep what the source's code leaves out of the stream (an SAE's error); of a TopK state nothing is."""

    def __post_init__(self) -> None:
        given: Any = self.feature
        feature = Feature.parse(given) if isinstance(given, str) else given
        if not isinstance(feature, Feature):
            raise InputError(f"{self.feature!r} is no feature; give its name, such as L3/N17")
        object.__setattr__(self, "feature", feature)
        for name in ("ablate", "before_topk", "keep_k", "keep_error"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{feature}: {name}={getattr(self, name)!r} is neither true nor false")
        actions = [name for name in ACTIONS[:3] if getattr(self, name) is not None]
        actions += ["ablate"] if self.ablate else []
        if len(actions) != 1:
            said = " and ".join(actions) or "none"
            raise InputError(f"{feature}: give exactly one of {', '.join(ACTIONS)}, not {said}")
        if not self.ablate:
            name = actions[0]
            object.__setattr__(self, name, strength_of(getattr(self, name), feature, name))
        object.__setattr__(self, "positions", positions_of(self.positions))
        if self.before_topk and self.keep_k:
            raise InputError(f"{feature}: before TopK k is kept anyway; leave out keep_k or before_topk")

    @property
    def action(self) -> str:
        """The one of set_to, add, scale, ablate that is given."""
        return next((name for name in ACTIONS[:3] if getattr(self, name) is not None), "ablate")

    @property
    def in_percentiles(self) -> bool:
        """Whether the strength is in units of the feature's 99th percentile."""
        return isinstance(self.set_to, str) or isinstance(self.add, str)

    @property
    def line(self) -> tuple[float, float]:
        """The edit as (factor, summand) of the activation. Raises InputError while it is in percentiles."""
        if self.in_percentiles:
            raise InputError(f"{self}: {NEEDS_INDEX}")
        if self.action == "scale":
            return float(self.scale or 0.0), 0.0
        if self.action == "add":
            return 1.0, float(self.add or 0.0)
        return 0.0, float(self.set_to or 0.0)

    def resolved(self, p99: float) -> "Edit":
        """Return the same edit in absolute units, given the 99th percentile of the feature's firings.

        Raises InputError where the strength is larger than a number can be.
        """
        if not self.in_percentiles:
            return self
        written = str(getattr(self, self.action))
        strength = times_of(written) * p99
        if not math.isfinite(strength):
            raise InputError(f"{self.feature}: {self.action}={written!r} is too large a strength; give less")
        changed: dict[str, Any] = {self.action: strength}
        return replace(self, **changed)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; what has its default is left out."""
        content: dict[str, Any] = {"feature": str(self.feature)}
        for one in fields(self)[1:]:
            value = getattr(self, one.name)
            if value != one.default:
                content[one.name] = positions_to_json(value) if one.name == "positions" else value
        return content

    @classmethod
    def from_json(cls, content: Any) -> "Edit":
        """Read one. Raises InputError where a field is unknown, missing or malformed."""
        if not isinstance(content, Mapping) or not isinstance(content.get("feature"), str):
            raise InputError(
                'an edit is a JSON object with a feature, such as {"feature": "L3/N17", "set_to": 4}'
            )
        known = [one.name for one in fields(cls)]
        if unknown := sorted(set(content) - set(known)):
            raise InputError(f"an edit has no field {unknown[0]!r}; its fields are {', '.join(known)}")
        return cls(**content)

    def __str__(self) -> str:
        """Write it as on the command line: L3/N17=2x, L3/N17+1.5, L3/N17*0.5, L3/N17 ablated."""
        shown = {name: getattr(self, name) for name in ACTIONS}
        signs = {"set_to": "=", "add": "+", "scale": "*"}
        sign = signs.get(self.action)
        if sign is None:
            return f"{self.feature} ablated"
        value = shown[self.action]
        return f"{self.feature}{sign}{value if isinstance(value, str) else f'{value:g}'}"


NEEDS_INDEX = (
    "strengths such as 2x are in units of the 99th percentile of the feature's firings; an index knows it: "
    "build one with 'topklm index RUN' and give index=FeatureIndex.open('RUN/index'), or give a plain number"
)


def strength_of(value: Any, feature: Feature, name: str) -> Strength:
    """Check a strength: a finite number, or a text "2x". Raises InputError where it is neither."""
    if isinstance(value, str) and value.strip().lower().endswith("x"):
        times = _number(value.strip()[:-1])
        if name == "scale":
            raise InputError(
                f"{feature}: scale={value!r} is a factor already; write scale={value.strip()[:-1]}"
            )
        if times is not None and math.isfinite(times):
            return f"{times:g}x" if float(f"{times:g}") == times else f"{times!r}x"
    number = _number(value)
    if number is None or not math.isfinite(number):
        units = "" if name == "scale" else ", or a multiple of the feature's 99th percentile such as 2x"
        raise InputError(f"{feature}: {name}={value!r} is no strength; give a finite number{units}")
    return number


def times_of(text: str) -> float:
    """Read the number of "2x"."""
    return float(text[:-1])


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def parse_edit(text: str, action: str, **options: Any) -> Edit:
    """Read an edit from the command line: `L3/N17=2x`, or a name alone to ablate.

    Raises InputError where it is none.
    """
    match = re.fullmatch(r"([^=\s]+)=(\S+)", text)
    if action == "ablate":
        return Edit(Feature.parse(text), ablate=True, **options)
    if match is None:
        raise InputError(
            f"{text!r} is no edit; write a feature and a strength, as in L3/N17=2x or L3/N17=4.0"
        )
    options[action] = match[2]
    return Edit(Feature.parse(match[1]), **options)


def check_together(edits: Sequence[Edit]) -> None:
    """Raise InputError where two edits change one feature at the same tokens at the same stage."""
    seen: dict[tuple[Feature, bool], list[Edit]] = {}
    for edit in edits:
        for other in seen.setdefault((edit.feature, edit.before_topk), []):
            if share_places(edit.positions, other.positions):
                raise InputError(
                    f"{other} and {edit} contradict each other: both change {edit.feature} at the same "
                    "tokens; give one of them, or other positions"
                )
        seen[edit.feature, edit.before_topk].append(edit)


def edits_file(edits: Iterable[Edit]) -> dict[str, Any]:
    """Return what a file of edits holds, as JSON."""
    return {"format": FORMAT, "edits": [edit.to_json() for edit in edits]}


def save_edits(edits: Iterable[Edit], path: Path | str) -> Path:
    """Write edits as JSON, whole or not at all; into a directory (a run, a checkpoint) as `edits.json`.

    Raises InputError where the file is there and holds something else.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    if path.is_file():
        read_form(path, FORMAT, {"edits": list}, advice="choose another file")
    write_json(path, edits_file(edits))
    return path


def load_edits(path: Path | str) -> list[Edit]:
    """Read edits from a file, or from a directory that has an `edits.json`.

    Raises InputError where there are none, or one is malformed.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    content = read_form(path, FORMAT, {"edits": list})
    return [Edit.from_json(one) for one in content["edits"]]
