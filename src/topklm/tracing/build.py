"""Make a trace: plan, one unit for every source and checkpoint, the summary.

The checkpoints of a source are read from the last one back, so that each is read once and only three sets of
codes are held: those of the final checkpoint, of the next one, and of the one at hand. Interrupted anywhere
and called again, it goes on with the units that are whole, and ends with the same files.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from .. import __version__
from ..core.errors import InputError, RunError
from ..core.files import read_json, write_json
from ..core.progress import counted
from ..model import SparseCodes
from ..training import Loaded, Run, load
from ..training.twin import twin_directory
from . import units
from .checkpoints import Checkpoints, OfRun, OwnCheckpoints, TwinCheckpoints, keys_of
from .directory import writing
from .layers import compare_layers, kept, read_layers
from .measure import measure_sites
from .plan import Plan, Say
from .probe import read_codes
from .saes import SAECheckpoints, compare_seeds, manifests, sae_checkpoints, seed_sets
from .stored import ABOUT, UNITS, Trace, twin_of
from .summary import begins, summarise
from .units import Key

Codes = list[dict[int, SparseCodes]]
"""Of each source of a group: codes by site."""


def trace(
    run: Run | Loaded | Path | str,
    *,
    data: str | Sequence[str] | None = None,
    tokens: int | None = None,
    lexicon: Path | str | None = None,
    twin: Path | str | None = None,
    controls: bool = True,
    others: Sequence[Checkpoints] = (),
    out: Path | str | None = None,
    say: Say = lambda message: None,
    console: Console | None = None,
) -> Trace:
    """Trace every neuron of a run over its checkpoints, and its controls likewise.

    data: the probe text, a corpus specification; default: the run's own held-out text. tokens: stop after
    the document that reaches this many (default 50,000). lexicon: a file of concepts instead of the
    stories' own or those of general English. twin: the dense twin, by default `twin` in the run; its
    neurons and its post-hoc TopK are the controls, left out where there is none or with controls=False.
    SAEs of the twin's checkpoints (`topklm sae train RUN --checkpoints N`) and SAEs of several seeds join
    where the run has them. others: further sources with checkpoints. out: default `trace` in the run. What
    is not given is as in the trace that is there already.

    Checkpoints that are missing or damaged are named, skipped and listed under `skipped`. Interrupted
    anywhere and called again, it goes on with what is whole. Raises InputError where the run, the text or
    the directory do not allow it, Interrupted after Ctrl-C.

        traced = trace("runs/quickstart")
        traced.about["identity_match"], traced.life("L2/N17").emergence
    """
    opened = run.run if isinstance(run, Loaded) else run if isinstance(run, Run) else Run(run)
    if opened.settings.dense:
        raise InputError(f"{opened.path} is a dense run: trace the TopK run, this one is its control")
    if not opened.finished:
        raise RunError(
            f"{opened.path} is not finished; go on with: topklm train --resume --out {opened.path}"
        )
    directory = opened.path / "trace" if out is None else Path(out)
    twin = twin or twin_of(directory)
    request = {
        "data": None if data is None else [data] if isinstance(data, str) else list(data),
        "tokens": tokens,
        "lexicon": None if lexicon is None else str(lexicon),
    }
    work = _Trace(Plan(opened, directory, say=say, console=console), twin)
    with writing(directory):
        work.plan.take(request)
        work.add(OwnCheckpoints(opened))
        if controls:
            work.add_twin()
            work.add_saes()
        for one in others:
            work.add(one)
        made = work.make_units()
        if made or not work.is_summed_up():
            work.finish()
    return Trace.open(directory)


class _Trace:
    """One call."""

    def __init__(self, plan: Plan, twin: Path | str | None) -> None:
        self.twin = twin
        self.plan, self.run, self.directory, self.say = plan, plan.run, plan.directory, plan.say
        self.groups: list[tuple[Checkpoints, list[int]]] = []
        self.skipped: list[dict[str, Any]] = []
        self.left_out: dict[str, str] = {}
        self.models: dict[str, tuple[OfRun, list[int]]] = {}
        self.saes: dict[str, SAECheckpoints] = {}

    @property
    def units(self) -> Path:
        """Where the units lie."""
        return self.directory / UNITS

    @property
    def named_twin(self) -> str | None:
        """Where the twin lies, if not in the run."""
        if self.twin is None or Path(self.twin).resolve() == twin_directory(self.run).resolve():
            return None
        return str(Path(self.twin).absolute())

    def add_twin(self) -> None:
        """Add the controls of the dense twin, or say why not; a twin that is named must be there."""
        try:
            twin = TwinCheckpoints(self.run, self.twin)
            if (reason := twin.lacks()) is not None and not self._is_whole(twin):
                twin.names = ("posthoc",)
                self.say(f"dense is left out: {reason}")
                self.left_out["dense"] = reason
            self.add(twin)
        except RunError as error:
            if self.twin is not None:
                raise
            self.say(f"dense and posthoc are left out: {error}")
            self.left_out |= dict.fromkeys(TwinCheckpoints.names, str(error))

    def _is_whole(self, group: Checkpoints) -> bool:
        """Tell whether nothing is left to be read of a group."""
        usable = [step for step in group.steps if group.problem(step) is None]
        keys = [key for place in range(len(usable)) for key in keys_of(group, usable, place)]
        return all(units.is_whole(self.units, key) for key in keys)

    def add_saes(self) -> None:
        """Add the SAEs of the twin's checkpoints, where there are some."""
        for one in sae_checkpoints(self.run, self.twin):
            try:
                self.add(one)
            except RunError as error:
                self.say(f"{', '.join(one.names)} left out: {error}")
                self.left_out |= dict.fromkeys(one.names, str(error))
            else:
                self.saes[one.names[0]] = one

    def add(self, group: Checkpoints) -> None:
        """Add sources, and find out which of their checkpoints can be used."""
        usable = []
        for step in group.steps:
            problem = group.problem(step)
            if problem is None:
                usable.append(step)
                continue
            self.say(f"checkpoint {step} of {', '.join(group.names)} is skipped: {problem}")
            self.skipped += [{"source": name, "step": step, "reason": problem} for name in group.names]
        if len(usable) < 2:
            raise RunError(
                f"{', '.join(group.names)}: {len(usable)} of {len(group.steps)} tracing checkpoints can be "
                "used; a trace needs at least two"
            )
        self.groups.append((group, usable))
        if isinstance(group, OfRun):
            self.models |= dict.fromkeys(group.names, (group, usable))

    def make_units(self) -> int:
        """Make what is missing, source by source, from the last checkpoint back; say how many were."""
        made = 0
        total = sum(len(usable) for _, usable in self.groups) * self.plan.n_tokens
        with counted(self.plan.console, "tracing", unit="tokens", total=total) as report:
            done = 0
            for group, usable in self.groups:
                keys = [keys_of(group, usable, place) for place in range(len(usable))]
                final: Codes | None = None
                following: Codes | None = None
                for place in reversed(range(len(usable))):
                    wanted = [not units.is_whole(self.units, key) for key in keys[place]]
                    if any(wanted):
                        here = self._read(group, usable[place])
                        if place == len(usable) - 1:
                            final = here
                        elif following is None:  # gone on with after an interruption
                            following = self._read(group, usable[place + 1])
                        if final is None:
                            final = following if place == len(usable) - 2 else self._read(group, usable[-1])
                        assert final is not None
                        self._make(keys[place], wanted, here, final, following)
                        following = here
                        made += sum(wanted)
                    else:
                        following = None
                    done += self.plan.n_tokens
                    report(done)
        return made

    def _read(self, group: Checkpoints, step: int) -> Codes:
        probe = self.plan.checked_probe()
        sources = group.open(step)
        assert [one.name for one in sources] == list(group.names)
        self.kinds = [one.kind for one in sources]
        return read_codes(sources, probe)

    def _make(
        self, keys: list[Key], wanted: list[bool], here: Codes, final: Codes, following: Codes | None
    ) -> None:
        for place, key in enumerate(keys):
            if not wanted[place]:
                continue
            after = following[place] if key.next is not None and following is not None else None
            found = measure_sites(here[place], self.plan.probe, final=final[place], following=after)
            units.write(
                self.units, key, found.described, found.final, found.following, kind=self.kinds[place]
            )

    def make_layers(self, sites: list[int]) -> dict[str, Any]:
        """Compare the layers of the final checkpoint; beside it the first one's and the twin's."""
        settings, layers = self.run.settings, {}
        for name, place in (("topk", -1), ("initialisation", 0), ("posthoc", -1)):
            checkpoints = self.models.get("posthoc" if name == "posthoc" else "topk")
            if checkpoints is None:
                continue
            group, usable = checkpoints
            step = usable[place]
            if name == "initialisation" and not begins(self.run, usable):
                continue

            def make(group: OfRun = group, step: int = step) -> dict[str, Any]:
                self.say(f"comparing layers at step {step} of {group.run.path}")
                loaded = load(group.run.path, step=step)
                codes = read_layers(loaded, self.plan.checked_probe(), k=settings.k, by=settings.topk_by)
                return compare_layers(codes)

            key = {"revision": group.revision(step), "corpus": self.plan.content["corpus"]["sha256"]}
            layers[name] = {"step": step, **kept(self.units / f"layers-{name}.json", key, make)}
        main = layers.pop("topk")
        return {**main, "topk_layers": sites, "controls": layers}

    def make_seeds(self) -> list[dict[str, Any]]:
        """Compare SAEs of the twin's final weights that differ in their seed alone."""
        found = []
        for names, hashes in self.seeds:
            key = {"saes": hashes, "corpus": self.plan.content["corpus"]["sha256"]}

            def make(names: list[str] = names) -> dict[str, Any]:
                self.say(f"comparing {', '.join(names)}")
                return {
                    "rows": compare_seeds(
                        load(self.run.path), names, self.plan.checked_probe(), twin=self.twin
                    )
                }

            found += kept(self.units / f"seeds-{names[0]}.json", key, make)["rows"]
        return found

    @cached_property
    def seeds(self) -> list[tuple[list[str], list[str]]]:
        """The sets of SAEs that differ in their seed alone: names, and hashes of their manifests."""
        if "posthoc" not in self.sources:
            return []
        return [(names, manifests(self.run, names)) for names in seed_sets(self.run)]

    @property
    def sources(self) -> dict[str, list[int]]:
        """The steps to be traced, by source."""
        return {name: usable for group, usable in self.groups for name in group.names}

    @cached_property
    def units_digest(self) -> str:
        """Return a SHA-256 of what decides all units: one that was made anew is another."""
        keys = [
            keys_of(group, usable, place) for group, usable in self.groups for place in range(len(usable))
        ]
        return hashlib.sha256(json.dumps(keys).encode()).hexdigest()

    def is_summed_up(self) -> bool:
        """Tell whether trace.json is there and sums up just these sources, by this version of topklm."""
        path = self.directory / ABOUT
        there = read_json(path) if path.is_file() else None
        here = {
            "topklm": __version__,
            "twin": self.named_twin,
            "units": self.units_digest,
            "sources": self.sources,
            "skipped": self.skipped,
            "left_out": self.left_out,
        }
        if not isinstance(there, dict) or "saes" not in there:
            return False
        if there["saes"].get("seed_sets") != [hashes for _, hashes in self.seeds]:
            return False
        return all(there.get(name) == one for name, one in here.items())

    def finish(self) -> None:
        """Sum up the units of this call's sources."""
        content = summarise(self.units, self.sources, self.plan.content, self.run)
        content |= {
            "saes": {
                "checkpoints": {name: one.cost(self.sources[name]) for name, one in self.saes.items()},
                "seeds": self.make_seeds(),
                "seed_sets": [hashes for _, hashes in self.seeds],
            },
            "layers": self.make_layers([one["site"] for one in content["sites"]]),
            "skipped": self.skipped,
            "left_out": self.left_out,
            "units": self.units_digest,
            "twin": self.named_twin,
        }
        write_json(self.directory / ABOUT, content)
