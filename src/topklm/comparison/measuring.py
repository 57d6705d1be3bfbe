"""All metrics of a run's neurons and of the controls beside them: one text, one code, results on disk.

The directory holds `sources/` (what each source gave, kept as soon as it is measured), `features/` and
`concepts/` (tables of its features) and, written last, `metrics.json` and `metrics.parquet`.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from ..concepts.namer import Namer
from ..core.errors import InputError, Interrupted, RunError
from ..core.files import PARTIAL, disk_full_is_said, locked, remove_partial
from ..core.progress import counted
from ..core.site import Neuron
from ..features import FeatureSource
from ..index.sources import NAMES, is_plugin, source_of
from ..metrics.batch import Row
from ..training import Loaded, Run, load
from . import naming
from .annotate import Annotated, annotate, promoted_of
from .reading import Reading
from .result import Result, as_row, key_of, read_source, write_result, write_source
from .tally import Tally
from .text import MeasuredText, find_measured

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is measured on, and how thoroughly. Raises InputError where a value is out of range."""

    data: tuple[str, ...] | None = None
    """The text, as for `load_corpus`; default: the run's own held-out text."""
    tokens: int | None = None
    """Stop after the document that reaches so many; default: 200,000, or what the run's text has."""
    lexicon: str | None = None
    """A file of concepts; default: the stories' own on stories, general English on any other text."""
    labels: tuple[str, ...] | None = None
    """Columns whose values are probed as labels of documents; default: all that tell documents apart."""
    embedding: str | None = None
    """A sentence-transformers model; default: static vectors of the text itself."""
    probed: int = 6
    """Concepts of each family (lexical, mixed, contextual) that are probed."""
    examples: int = 300
    """Examples of each side of a probed concept."""
    sense_examples: int = 1000
    """Occurrences of each meaning of an ambiguous word, and of its topic's words."""
    head_tokens: int = 40_000
    """Tokens of the text on which features are named."""
    null_tokens: int = 10_000
    """Tokens of the text on which the permutation null is drawn."""
    null_draws: int = 39
    """The least p-value is 1 / (1 + draws)."""
    seed: int = 0
    """Of the controls' random weights and shuffles."""

    def __post_init__(self) -> None:
        limits = {"probed": 0, "examples": 40, "sense_examples": 20, "head_tokens": 100, "seed": 0}
        limits |= {"null_tokens": 100, "null_draws": 1}
        for name, least in limits.items():
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)} is not allowed; choose {least} or more")


def measure(
    run: Run | Path | str,
    settings: Settings | None = None,
    *,
    sources: Sequence[str] = NAMES,
    further: Iterable[FeatureSource] = (),
    twin: Path | str | None = None,
    namer: Namer | None = None,
    named: int = 100,
    out: Path | str | None = None,
    say: Say = lambda message: None,
    console: Console | None = None,
) -> Result:
    """Measure a run's neurons and its controls, each at every site, on the same held-out text.

    sources: names as in `source_of`; one that needs a dense twin which is not there is left out and named.
    further: other sources of the same tokenizer, such as SAEs. twin: the dense twin, by default `twin` in
    the run. namer: an endpoint that names `named` live features of the run's own neurons; where it fails,
    the automatic names stay. out: default `metrics` in the run. Concepts, names and numbers of features are
    also written to the index of the same source and revision, where there is one in the run.

    Killed at any instant and called again, it goes on with the sources that are done. Raises InputError
    where text, concepts or run do not allow it.

        result = measure("runs/quickstart", Settings(data=("stories:1",), tokens=100_000))
        result.rows[0]
    """
    settings = settings or Settings()
    for name in sources:
        if name not in NAMES and not is_plugin(name):
            raise InputError(
                f"there is no source {name!r}; choose among {', '.join(NAMES)}, or an SAE's, such as sae_8x"
            )
    loaded = load(run.path if isinstance(run, Run) else run)
    directory = loaded.run.path / "metrics" if out is None else Path(out)
    directory.mkdir(parents=True, exist_ok=True)
    with disk_full_is_said(directory), locked(directory):
        remove_partial(directory)
        try:
            with tempfile.TemporaryDirectory(dir=directory, prefix=PARTIAL) as scratch:
                work = _Work(loaded, settings, directory, Path(scratch), say, console)
                work.measure_all(sources, further, twin)
                names = work.names(namer, named) if "topk" in work.result.sources else {}
            write_result(directory, work.result)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted; the sources in {directory / 'sources'} are done: the same call goes on"
            ) from None
    annotate(loaded.run, directory, work.annotated, names, say=say)
    return work.result


class _Work:
    """One call."""

    def __init__(
        self,
        loaded: Loaded,
        settings: Settings,
        directory: Path,
        scratch: Path,
        say: Say,
        console: Console | None,
    ) -> None:
        self.loaded, self.settings, self.directory = loaded, settings, directory
        self.say, self.console = say, console
        run = loaded.run
        self.text: MeasuredText = find_measured(loaded, scratch, settings, say=say, console=console)
        self.result = Result(
            run=str(run.path),
            revision=run.revision or "",
            n_tokens=len(self.text.packed.tokens),
            n_documents=len(self.text.packed.documents),
            seeds=[run.settings.seed],
            corpus={"spec": self.text.spec, "sha256": self.text.sha256},
            concepts=len(self.text.names) - len(self.text.absent),
            embedding=self.text.embedder.name,
            settings=asdict(settings),
        )
        self.annotated: list[Annotated] = []

    def measure_all(
        self, names: Sequence[str], further: Iterable[FeatureSource], twin: Path | str | None
    ) -> None:
        """Measure one source after the other."""
        for name in names:
            try:
                source = source_of(self.loaded, name, twin=twin, seed=self.settings.seed)
            except RunError as error:
                self.result.left_out[name] = str(error)
                self.say(f"{name} is left out: {error}")
                continue
            self.one(source)
        for source in further:
            self.one(source)
        if not self.result.rows:
            raise InputError(f"no source can be measured: {'; '.join(self.result.left_out.values())}")

    def one(self, source: FeatureSource) -> None:
        """Measure one source, or take what was measured before."""
        promoted = promoted_of(self.loaded.run, source)
        key = key_of(source, self.text, self.settings, promoted=bool(promoted))
        kept = read_source(self.directory, source.name, key)
        if kept is None:
            kept = self._measured(source, key, promoted)
        else:
            self.say(f"{source.name}: measured already")
        self.result.add(source, kept, seed=self.loaded.run.settings.seed)
        self.annotated.append(Annotated(source.name, source.revision, source.kind))

    def names(self, namer: Namer | None, count: int) -> dict[str, tuple[str, float]]:
        """Ask an endpoint for names, or take those that one gave before."""
        revision, corpus = self.result.sources["topk"], self.text.sha256
        if namer is not None:
            source = source_of(self.loaded, "topk")
            asked = naming.ask(source, self.text, namer, count=count, say=self.say, console=self.console)
            naming.keep(self.directory, asked)
        content = naming.kept(self.directory, revision=revision, corpus=corpus)
        for site, rows in content.get("rows", {}).items():
            seed = self.loaded.run.settings.seed
            self.result.add_rows("topk", int(site), (Row(**as_row(row)) for row in rows), seed=seed)
        return {feature: (text, score) for feature, (text, score) in content.get("names", {}).items()}

    def _measured(
        self, source: FeatureSource, key: dict[str, Any], promoted: dict[int, torch.Tensor]
    ) -> dict[str, Any]:
        began, worked = time.monotonic(), time.process_time()
        by_magnitude = self.loaded.run.settings.topk_by == "magnitude"
        signed = by_magnitude and source.kind is Neuron and source.name != "dense"  # latents have one side
        total = 2 * len(self.text.packed.tokens)
        with counted(self.console, f"measuring {source.name}", unit="tokens", total=total) as report:
            reading = Reading(source, self.text, signed=signed, report=report)
            tallies = {
                site: Tally(
                    self.text, reading.width(site), self.settings, directions=reading.directions(site)
                )
                for site in source.sites
            }
            for stretch in reading:
                for site, tally in tallies.items():
                    states = None if stretch.states is None else stretch.states[site]
                    tally.update(stretch.batches[site], states)
            checks = {site: tally.checks() for site, tally in tallies.items()}
            for stretch in reading:
                for site, check in checks.items():
                    check.update(stretch.batches[site])
        content: dict[str, Any] = {"rows": {}, "features": {}, "concepts": {}}
        with counted(self.console, f"summing up {source.name}", unit="sites", total=len(tallies)) as report:
            for number, (site, tally) in enumerate(tallies.items(), start=1):
                names = tally.names()
                content["rows"][site] = list(tally.rows(checks[site], names))
                if site in promoted:
                    names = tally.names(doubled(promoted[site], reading.signed))
                content["features"][site] = tally.features(names, source.width(site))
                content["concepts"][site] = tally.concepts(source.width(site))
                report(number)
        seconds = time.monotonic() - began
        self.say(f"{source.name}: {seconds:.0f} s, {time.process_time() - worked:.0f} s of a processor")
        return write_source(self.directory, source.name, key, content, seconds=seconds)


def doubled(promoted: torch.Tensor, signed: bool) -> torch.Tensor:
    """Give n- the suppressed tokens' place: nothing is known of what it promotes."""
    return torch.cat([promoted, torch.full_like(promoted, -1)]) if signed else promoted
