"""The evaluation of steering: every labelled neuron against its references, resumable, one file a unit.

The directory holds `plan.json` (what decides the texts), `units/` (a file for every unit that is done) and,
written last, `steering.json`. What the numbers become: `summary.py`; when steering succeeds: `success.py`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from ..core.errors import InputError, RunError
from ..core.files import finite, read_json, sha256_file, write_json
from ..core.progress import counted
from ..features.effects import probe_contexts
from ..index import FeatureIndex
from ..model import SparseCodes
from ..reports.figures import Point, fluency_figure
from ..training import Loaded, Run, load
from ..training.twin import twin_if_any
from .arms import DEFAULT, MAIN, Bench, LeftOut, Unit, check_arms
from .concepts import judge_for, labelled_text
from .editing import source_for
from .find import CONTEXT_TOKENS, CONTEXTS
from .kept import kept, writing
from .settings import Settings
from .success import PERPLEXITY
from .summary import summarise
from .trial import Trials, first_tokens

PLAN = "topklm.steering-plan/1"
RESULT = "steering.json"
FIGURE = "success.png"
Say = Callable[[str], None]


def evaluate(
    run: Run | Path | str,
    settings: Settings | None = None,
    *,
    arms: Sequence[str] = DEFAULT,
    index: Path | str | None = None,
    twin: Path | str | None = None,
    lexicon: Path | str | None = None,
    out: Path | str | None = None,
    say: Say = lambda message: None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Steer every labelled neuron of a run towards its concept, and the references likewise; judge the texts.

    arms: which references (see `arms.py`), or "all"; what cannot be run is named under `left_out`. index: the
    run's own by default; its text is read for labels, prompts and contexts. twin: the dense twin, by default
    `twin` in the run; it judges fluency, or else the unsteered model does. lexicon: a file of concepts to be
    used in place of the stories' judge or of general English. out: default `steering` in the run.

    Returns the result, format `topklm.steering/1`, which `out/steering.json` holds too. Interrupted anywhere
    and called again, it goes on with the units that are whole; further arms use what is there.
    Raises InputError where there is no index, no labelled neuron, or `out` holds another evaluation.
    """
    settings = settings or Settings()
    arms = check_arms(arms)
    loaded = load(run.path if isinstance(run, Run) else run)
    directory = loaded.run.path / "steering" if out is None else Path(out)
    work = _Evaluation(loaded, settings, index=index, twin=twin, lexicon=lexicon, say=say)
    with writing(directory):
        work.check_plan(directory)
        content = work.run(directory, arms, console)
        fluency_figure(
            figure_points(content),
            directory / FIGURE,
            limit=PERPLEXITY,
            note=f"{content['n_features']} labelled neurons of {loaded.run.path.name}, and references",
        )
        write_json(directory / RESULT, content)
    return dict(finite(content))


def figure_points(content: dict[str, Any]) -> dict[str, list[Point]]:
    """Take from a result what the figure of success against fluency shows: arms, a point a strength."""

    def points(arm: dict[str, Any]) -> list[Point]:
        return [
            Point(name, float(one["perplexity_ratio"] or np.nan), one["reached"]["value"])
            for name, one in arm["by_strength"].items()
        ]

    return {MAIN: points(content), **{name: points(arm) for name, arm in content["controls"].items()}}


class _Evaluation:
    """One call."""

    def __init__(
        self, loaded: Loaded, settings: Settings, *, index: Any, twin: Any, lexicon: Any, say: Say
    ) -> None:
        self.loaded, self.settings, self.say = loaded, settings, say
        source = source_for(loaded)
        self.twin = twin_if_any(loaded.run, twin)
        self.index = _open_index(loaded, index)
        self.judge = judge_for(loaded.run, lexicon)
        self.lexicon = None if lexicon is None else sha256_file(Path(lexicon))
        say(f"labelling the text of {self.index.path} ({self.judge.name})")
        text = labelled_text(
            self.index, loaded.run, loaded.tokenizer, self.judge, tokens=settings.label_tokens
        )
        self.text = text
        self.bench = Bench(
            loaded, self.twin, source, text, self.index, settings.max_features, settings.seed, settings.action
        )
        prompts = self._prompts()
        room = loaded.model.config.max_position_embeddings - settings.prompt_tokens - 1
        if settings.new_tokens > room:
            raise InputError(
                f"new_tokens={settings.new_tokens} do not fit the context; choose at most {room}"
            )
        tokens = torch.from_numpy(self.index.tokens.astype(np.int64))
        self.trials = Trials(
            text,
            (self.twin or loaded).model,
            prompts=prompts,
            contexts=probe_contexts(
                tokens,
                count=CONTEXTS,
                length=min(CONTEXT_TOKENS, source.context),
            ),
            strengths=settings.strengths,
            new_tokens=settings.new_tokens,
            temperature=settings.temperature,
            seed=settings.seed,
            batch=settings.batch,
        )

    def _prompts(self) -> list[list[int]]:
        """Take what the texts begin with from the indexed documents."""
        count, length = self.settings.texts, self.settings.prompt_tokens
        prompts = first_tokens(self.text, count=count, length=length)
        if not prompts:
            raise InputError(
                f"no document of {self.index.path} has {length} tokens; choose fewer prompt_tokens"
            )
        if (different := len(set(map(tuple, prompts)))) < len(prompts):
            self.say(
                f"{different} different prompts for {len(prompts)} texts: the index holds no more documents"
            )
        return prompts

    def plan(self) -> dict[str, Any]:
        """Say what decides the texts; an evaluation goes on only where this is the same."""
        return {
            "format": PLAN,
            "revision": self.loaded.run.revision,
            "twin": self.twin.run.revision if self.twin else None,
            "corpus": self.index.about["corpus"]["sha256"],
            "concepts": [self.judge.name, *self.text.names],
            "lexicon": self.lexicon,
            "labels": _hash_of(self.text.labels.occurrences),
            "settings": {**asdict(self.settings), "strengths": list(self.settings.strengths)},
        }

    def check_plan(self, directory: Path) -> None:
        """Begin a plan, or check that the one there is the same."""
        path, ours = directory / "plan.json", self.plan()
        if not path.is_file():
            write_json(path, ours)
            return
        there = read_json(path)
        # an evaluation that was begun before these two were noted knows neither
        known = {name: ours[name] for name in ("lexicon", "labels")}
        known |= there if isinstance(there, dict) else {}
        if known != ours:
            differs = [name for name in ours if known.get(name) != ours[name]]
            raise InputError(
                f"{directory} holds an evaluation with another {differs[0] if differs else 'plan'}; choose "
                "another directory with --out, or delete it"
            )

    def run(self, directory: Path, arms: Sequence[str], console: Console | None) -> dict[str, Any]:
        """Run what is missing, and sum up."""
        self.say("labelling neurons")
        if not self.bench.of(MAIN):
            raise InputError(
                f"no neuron of {self.loaded.run.path} has a held-out F1 of 0.5 for a concept of the "
                f"{self.judge.name}, so there is none to steer; train longer, or index more text"
            )
        units, left_out = self._units(arms)
        plain, results = self._results(directory, units, console)
        features = self.bench.survey.features
        return summarise(
            plain,
            results,
            about={
                "run": str(self.loaded.run.path),
                "revision": self.loaded.run.revision,
                "twin": str(self.twin.run.path) if self.twin else None,
                "index": str(self.index.path),
                "judge": self.judge.name,
                "fluency": "the dense twin" if self.twin else "the unsteered model",
                "n_tokens": len(self.text.ids),
                "seeds": [self.settings.seed],
                "settings": asdict(self.settings),
                "n_live": sum(one.live for one in features),
                "n_labelled": sum(one.labelled and one.live for one in features),
                "left_out": left_out,
            },
            writers={arm: self._writer(some[0]) for arm, some in units.items() if some},
            prompts=self.trials.prompt_texts,
        )

    def _results(
        self, directory: Path, units: dict[str, list[Unit]], console: Console | None
    ) -> tuple[dict[str, dict[str, Any]], dict[str, list[dict[str, Any]]]]:
        """Steer every unit that is not done yet; return unsteered texts by writer, and units by arm."""
        plain: dict[str, dict[str, Any]] = {}
        results: dict[str, list[dict[str, Any]]] = {arm: [] for arm in units}
        texts = self.settings.texts * len(self.settings.strengths)
        total = texts * sum(map(len, units.values()))
        with counted(console, "steering", unit="texts", total=total) as report:
            done = 0
            for arm, some in units.items():
                for unit in some:
                    writer = self._writer(unit)
                    if writer not in plain:
                        plain[writer] = self._unsteered(directory, writer)
                    results[arm].append(self._unit(directory, unit))
                    done += texts
                    report(done)
        return plain, results

    def _units(self, arms: Sequence[str]) -> tuple[dict[str, list[Unit]], dict[str, str]]:
        """Return each arm's units, and why others are left out."""
        units: dict[str, list[Unit]] = {}
        left_out: dict[str, str] = {}
        for arm in (MAIN, *arms):
            try:
                units[arm] = self.bench.of(arm)
                self.say(f"{arm}: {len(units[arm])} to steer")
            except (LeftOut, RunError) as error:
                left_out[arm] = str(error)
                self.say(f"{arm} is left out: {error}")
        return units, left_out

    def _writer(self, unit: Unit) -> str:
        """Say whose texts a unit's are compared with: the run's, or the twin's."""
        twins = unit.source is not None and self.twin is not None
        return "twin" if twins and unit.source.model is not self.loaded.model else "run"  # type: ignore[union-attr]

    def _unsteered(self, directory: Path, writer: str) -> dict[str, Any]:
        path = directory / "units" / f"unsteered--{writer}.json"
        loaded = self.twin if writer == "twin" and self.twin else self.loaded
        return kept(path, lambda: self.trials.unsteered(loaded.model))

    def _unit(self, directory: Path, unit: Unit) -> dict[str, Any]:
        model = self.loaded.model if unit.source is None else unit.source.model
        path = directory / "units" / f"{unit.key}.json"
        revision = None if unit.source is None else unit.source.revision
        return kept(path, lambda: self.trials.run(unit, model), revision=revision)


def _hash_of(codes: SparseCodes) -> str:
    """Hash which concepts stand at which tokens."""
    seen = hashlib.sha256(codes.offsets.numpy().tobytes())
    seen.update(codes.indices.numpy().tobytes())
    return seen.hexdigest()


def _open_index(loaded: Loaded, index: Path | str | None) -> FeatureIndex:
    path = loaded.run.path / "index" if index is None else Path(index)
    if not path.is_dir():
        raise InputError(
            f"{path} does not exist; the evaluation reads labels, strengths and prompts from an index: build "
            f"one with: topklm index {loaded.run.path}"
        )
    return FeatureIndex.open(path, revision=loaded.run.revision)
