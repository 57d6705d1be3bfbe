"""Traces over seeds: does a neuron of one run have a partner in another, and do both find the same concepts?

Different seeds are different models, not only different dictionaries, so this is a question of its own.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from ..core.errors import InputError, RunError
from ..core.files import locked, write_json
from ..core.progress import counted
from ..data.tokenizer import fingerprint
from ..features import FeatureSource, LayerNeurons
from ..features.controls import random_neurons
from ..index.sources import calibration_lacks, random_of, twin_sources
from ..metrics import matching
from ..metrics.batch import Row
from ..metrics.labelled import LABELLED, concept_features
from ..metrics.scores import ConceptCounts
from ..model import SparseCodes
from ..training import Loaded, Run, load
from ..training.initial import begin
from ..training.run import WEIGHTS
from ..training.settings import TrainSettings
from ..training.twin import open_twin, twin_directory
from .checkpoints import CALIBRATION_TOKENS
from .layers import kept
from .plan import Plan, Say
from .probe import Probe, read_codes
from .stored import RUNS, UNITS, twin_of

FORMAT = "topklm.trace-runs/1"
SHAPE = ("embedding_drawn_from", "width", "depth", "heads", "head_dim", "mlp")
"""What an initial embedding is drawn by, the tokenizer aside."""


def compare_runs(
    run: Run | Path | str,
    others: Sequence[Run | Path | str],
    *,
    twin: Path | str | None = None,
    out: Path | str | None = None,
    say: Say = lambda message: None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Match the final neurons of a traced run with those of other runs, on the trace's probe text.

    Each source with itself in the other run: `topk`, and where both runs have a twin `dense` and `posthoc`;
    `random` is the architecture at two random initialisations, and where two runs began with one embedding
    `initial` is both as they began: what the shared basis alone brings. Rows are those of
    `metrics.matching`, each beside its chance. `concepts` says for every concept which runs have a feature
    with a held-out F1 of at least 0.5 for it. twin: the traced run's; the others have theirs inside.
    Returns the content of `runs.json` in the trace's directory (format `topklm.trace-runs/1`).
    Raises InputError where the other run has another tokenizer, width or layers.
    """
    opened = run if isinstance(run, Run) else Run(run)
    directory = opened.path / "trace" if out is None else Path(out)
    twin = twin or twin_of(directory)
    planned = Plan.of_finished(opened, directory, say=say, console=console)
    probe, plan = planned.checked_probe(), planned.content
    base = load(opened.path)
    compared = [load(one.path if isinstance(one, Run) else one) for one in others]
    for one in compared:
        _check(base, one)
    pairs: list[dict[str, Any]] = []
    concepts: dict[str, tuple[str, dict[str, float]]] = {}  # by revision: a run given twice counts once
    with locked(directory), counted(console, "comparing", unit="runs", total=len(compared)) as report:
        concepts[str(opened.revision)] = _name(opened), _concepts_of(base, probe, directory, plan)
        for place, one in enumerate(compared):
            say(f"comparing with {one.run.path}")
            pairs.append(_pair(base, one, probe, directory, plan, twin=twin))
            found = _concepts_of(one, probe, directory, plan)
            concepts[str(one.run.revision)] = _name(one.run), found
            report(place + 1)
        content = {
            "format": FORMAT,
            "run": opened.path.name,
            "revision": opened.revision,
            "seeds": [opened.settings.seed, *(one.run.settings.seed for one in compared)],
            "corpus": plan["corpus"],
            "n_tokens": plan["n_tokens"],
            "pairs": pairs,
            "concepts": _found_by(list(concepts.values())),
        }
        write_json(directory / RUNS, content)
    return content


def _check(base: Loaded, other: Loaded) -> None:
    if other.run.settings.dense:
        raise InputError(f"{other.run.path} is a dense run; give TopK runs to compare with")
    if fingerprint(base.tokenizer) != fingerprint(other.tokenizer):
        raise InputError(
            f"{other.run.path} has another tokenizer than {base.run.path}: their tokens cannot be compared; "
            "train one with --tokenizer and the other's directory"
        )
    for name, what in (("topk_layers", "other TopK layers"), ("hidden_size", "another width")):
        if getattr(base.model.config, name) != getattr(other.model.config, name):
            raise InputError(f"{other.run.path} has {what} than {base.run.path}")


def _name(run: Run) -> str:
    return f"seed {run.settings.seed} ({run.path.name})"


def _share_embedding(first: TrainSettings, second: TrainSettings) -> bool:
    """Tell whether two runs began with one embedding: drawn from one seed, for one shape."""
    alike = all(getattr(first, name) == getattr(second, name) for name in SHAPE)
    return alike and not (first.source or second.source)


def _sources(loaded: Loaded, name: str, twin: Path | str | None = None) -> FeatureSource | None:
    """Open one source of a run; None where it has no twin, unless one is named."""
    if name == "topk":
        return LayerNeurons(loaded.model, loaded.tokenizer, k=loaded.run.settings.k, revision="own")
    if name == "initial":
        settings = loaded.run.settings
        begun = partial(begin, settings=settings)
        return random_neurons(loaded.model, loaded.tokenizer, seed=settings.seed, scale=begun)
    if name == "random":
        return random_of(loaded, seed=int(str(loaded.run.revision)[:7], 16))  # even where seeds are shared
    try:
        dense = open_twin(loaded.run, twin)
    except RunError:
        if twin is not None:
            raise
        return None
    try:
        return twin_sources(dense, loaded.run, [name], calibration_tokens=CALIBRATION_TOKENS)[0]
    except RunError:  # it came without the text that sets thresholds
        return None


def _twin_revision(run: Run, twin: Path | str | None = None) -> str | None:
    directory = twin_directory(run, twin)
    return str(Run(directory).revision) if (directory / WEIGHTS).is_file() else None


def _without_text(base: Run, other: Run, twin: Path | str | None) -> Iterator[int]:
    """Yield the places of runs whose twin came without the text that sets thresholds."""
    for place, directory in enumerate((twin_directory(base, twin), twin_directory(other))):
        if (directory / WEIGHTS).is_file() and calibration_lacks(Run(directory)) is not None:
            yield place


def _pair(
    base: Loaded,
    other: Loaded,
    probe: Probe,
    directory: Path,
    plan: dict[str, Any],
    *,
    twin: Path | str | None,
) -> dict[str, Any]:
    """Match every source of two runs, or read what was matched before."""
    key = {
        "revisions": [base.run.revision, other.run.revision],
        "twins": [_twin_revision(base.run, twin), _twin_revision(other.run)],
        "corpus": plan["corpus"]["sha256"],
    }
    if lacking := [str(place) for place in _without_text(base.run, other.run, twin)]:
        key["without_text"] = lacking  # it may come back

    def make() -> dict[str, Any]:
        rows: dict[str, list[dict[str, Any]]] = {}
        left_out = []
        initial = ["initial"] if _share_embedding(base.run.settings, other.run.settings) else []
        for name in ("topk", "dense", "posthoc", *initial, "random"):
            sources = [_sources(base, name, twin), _sources(other, name)]
            if sources[0] is None or sources[1] is None:
                left_out.append(name)
                continue
            first, second = (read_codes([source], probe)[0] for source in sources if source is not None)
            rows[name] = [row for site in first for row in _rows(site, first[site], second[site])]
        return {"sources": rows, "left_out": left_out}

    path = directory / UNITS / f"runs-{str(other.run.revision)[:16]}.json"
    about = {"run": other.run.path.name, "seed": other.run.settings.seed, "revision": other.run.revision}
    return {**about, **kept(path, key, make)}


def _rows(site: int, first: SparseCodes, second: SparseCodes) -> list[dict[str, Any]]:
    def as_json(row: Row) -> dict[str, Any]:
        interval = {"value": row.value, "low": row.low, "high": row.high}
        return {"site": site, "metric": row.metric, **interval, "n": row.n}

    return [as_json(row) for row in matching.measure(first, second)]


def _concepts_of(loaded: Loaded, probe: Probe, directory: Path, plan: dict[str, Any]) -> dict[str, float]:
    """Return for each concept that occurs often enough the held-out F1 of a run's best neuron."""
    key = {"revision": loaded.run.revision, "corpus": plan["corpus"]["sha256"]}

    def make() -> dict[str, Any]:
        source = _sources(loaded, "topk")
        assert source is not None
        best: dict[str, tuple[float, float]] = {}
        for codes in read_codes([source], probe)[0].values():
            counts = ConceptCounts(codes.width, len(probe.labels.names))
            counts.update(probe.batch(codes))
            chosen = concept_features(counts.result())
            for name, by, f1, feature in zip(
                probe.labels.names,
                chosen.chosen_f1.tolist(),
                chosen.f1.tolist(),
                chosen.feature.tolist(),
                strict=True,
            ):
                if feature >= 0 and by > best.get(name, (0.0, 0.0))[0]:
                    best[name] = (by, f1)
        return {name: f1 for name, (_, f1) in best.items()}

    path = directory / UNITS / f"concepts-of-{str(loaded.run.revision)[:16]}.json"
    return kept(path, key, make)


def _found_by(concepts: list[tuple[str, dict[str, float]]]) -> dict[str, Any]:
    """Say which concepts all runs find, some, or none."""
    names = sorted({name for _, scores in concepts for name in scores})
    by_name = {name: [run for run, scores in concepts if scores.get(name, 0.0) >= LABELLED] for name in names}
    return {
        "threshold": LABELLED,
        "runs": [run for run, _ in concepts],
        "all": [name for name, found in by_name.items() if len(found) == len(concepts)],
        "some": {name: found for name, found in by_name.items() if 0 < len(found) < len(concepts)},
        "none": [name for name, found in by_name.items() if not found],
    }
