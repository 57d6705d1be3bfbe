"""C5 to C7: steering, and what becomes of features over checkpoints, layers and seeds."""

from collections.abc import Iterable
from typing import Any

from ...core.files import read_json
from ...steering.evaluation import PLAN, evaluate
from ...steering.settings import STRENGTHS, Settings
from ...tracing import trace as run_trace
from ...tracing.stored import PLAN as TRACE_PLAN
from ..budget import DEFAULTS
from ..result import ResultRow
from .work import Found, Work, as_estimate

STEERING = "steering"
ARMS = (
    "random_neurons",
    "found_neurons",
    "topk_direction",
    "dense_direction",
    "posthoc_neurons",
    "prompt",
)
DECIDES = (*ARMS, *map(str, STRENGTHS))
"""What decides the stage `steering`, beside weights and budget."""
OF_TWIN = ("dense_direction", "posthoc_neurons")
"""Arms that need the twin."""
NAMED = {"posthoc_neurons": "posthoc"}
"""Arms that are a source under another name."""
CURVES = ("same_index_cosine", "best_match_cosine", "assigned_match")


def steering(work: Work) -> Found:
    """Steer labelled neurons, SAE latents and references towards their concepts, in the run's `steering`."""
    settings = steering_settings(work)
    arms = [*ARMS, *work.saes()] if work.has_twin else [arm for arm in ARMS if arm not in OF_TWIN]
    content = evaluate(
        work.run,
        settings,
        arms=arms,
        twin=work.twin_path if work.has_twin else None,
        lexicon=work.budget.lexicon,
        say=work.say,
        console=work.console,
    )
    rows = list(_arm(work, "topk", content, content["n_tokens"]))
    for arm, one in content["controls"].items():
        rows += _arm(work, NAMED.get(arm, arm), one, content["n_tokens"])
    rows.append(
        work.row(
            "topk",
            "steering_labelled",
            as_estimate(content["labelled_share"]),
            n=content["n_live"],
            n_tokens=content["n_tokens"],
        )
    )
    texts, n_tokens = content["settings"]["texts"], content["n_tokens"]
    rows.append(work.row("topk", "steering_texts", texts, n=content["n_features"], n_tokens=n_tokens))
    notes = {name: content[name] for name in ("judge", "fluency", "settings", "n_labelled", "n_live")}
    return Found(rows, notes, dict(content["left_out"]))


def steering_settings(work: Work) -> Settings:
    """Take the settings of the evaluation that is there, where the budget asks for nothing else."""
    budget, path = work.budget, work.run.path / STEERING / "plan.json"
    taken: dict[str, Any] = {
        "max_features": DEFAULTS["steer_features"],
        "texts": DEFAULTS["steer_texts"],
    }
    if path.is_file():
        there = read_json(path)
        if isinstance(there, dict) and there.get("format") == PLAN:
            taken = {**there["settings"], "strengths": tuple(there["settings"]["strengths"])}
    elif work.loaded.model.config.max_position_embeddings < 70:  # as much as fits a small context
        taken["new_tokens"] = work.loaded.model.config.max_position_embeddings // 2
    asked = {"max_features": budget.steer_features, "texts": budget.steer_texts}
    return Settings(**{**taken, **{name: value for name, value in asked.items() if value is not None}})


def _arm(work: Work, source: str, content: dict[str, Any], n_tokens: int) -> Iterable[ResultRow]:
    count = content["n_features"]
    for metric in ("success_rate", "reached", "fluent"):
        estimate = as_estimate(content[metric])
        yield work.row(source, f"steering_{metric}", estimate, n=count, n_tokens=n_tokens)
    room = content["with_room"]
    estimate = as_estimate(room["success_rate"])
    yield work.row(
        source, "steering_success_rate/with_room", estimate, n=room["n_features"], n_tokens=n_tokens
    )
    for layer, one in content["by_layer"].items():
        if int(layer) >= 0:
            yield work.row(
                source,
                "steering_success_rate",
                as_estimate(one["success_rate"]),
                site=int(layer),
                n=one["n_features"],
                n_tokens=n_tokens,
            )


def tracing(work: Work) -> Found:
    """Trace the run over its checkpoints, beside its twin and the SAEs of the twin's checkpoints."""
    tokens = work.budget.trace_tokens
    if tokens is None and not (work.run.path / "trace" / TRACE_PLAN).is_file():
        tokens = DEFAULTS["trace_tokens"]
    traced = run_trace(
        work.run,
        tokens=tokens,
        lexicon=work.budget.lexicon,
        twin=work.twin_path if work.has_twin else None,
        say=work.say,
        console=work.console,
    )
    about = traced.about
    rows = [*_identity(work, about), *_emergence(work, about), *_layers(work, about), *_seeds(work, about)]
    notes = {
        "n_tokens": about["n_tokens"],
        "checkpoints": about["checkpoints"],
        "steps": about["steps"],
        "saes": about["saes"]["checkpoints"],
        "skipped": about["skipped"],
    }
    return Found(rows, notes, dict(about["left_out"]))


def _with_controls(part: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    yield "topk", part
    yield from part["controls"].items()


def _identity(work: Work, about: dict[str, Any]) -> Iterable[ResultRow]:
    n_tokens = about["n_tokens"]
    for source, one in _with_controls(about["identity_match"]):
        count = one.get("n_features", 0)
        yield work.row(source, "identity_match", as_estimate(one), n=count, n_tokens=n_tokens)
        for metric in CURVES:
            if metric in one:
                estimate = as_estimate(one[metric])
                yield work.row(source, f"identity_match/{metric}", estimate, n=count, n_tokens=n_tokens)
        for layer, found in one.get("by_layer", {}).items():
            estimate = as_estimate(found)
            features = found["n_features"]
            yield work.row(source, "identity_match", estimate, site=int(layer), n=features, n_tokens=n_tokens)


def _emergence(work: Work, about: dict[str, Any]) -> Iterable[ResultRow]:
    """Tell when features become what they end as; of SAEs of the last checkpoints alone it cannot be seen."""
    n_tokens, steps = about["n_tokens"], about["steps"]
    for source, one in _with_controls(about["emergence"]):
        if one["steps"][0] > about["emergence"]["steps"][0]:
            continue
        found = as_estimate(one).transformed(lambda step: step / steps)
        yield work.row(source, "emergence_share_of_training", found, n=one["n"], n_tokens=n_tokens)
        estimate = as_estimate(one["at_start"])
        yield work.row(source, "emerged_at_start", estimate, n=one["n"], n_tokens=n_tokens)


def _layers(work: Work, about: dict[str, Any]) -> Iterable[ResultRow]:
    """Compare every two TopK layers."""
    sites = about["layers"]["topk_layers"]
    for source, one in _with_controls(about["layers"]):
        for pair in one["pairs"]:
            first, second = pair["layers"]
            if first not in sites or second not in sites:
                continue
            where = f"L{first} L{second}"
            for metric in ("identity_match", "same_index_cosine", "best_match_cosine"):
                estimate = as_estimate(pair[metric])
                yield work.row(
                    source, f"layers_{metric}", estimate, about=where, n=pair["n"], n_tokens=about["n_tokens"]
                )


def _seeds(work: Work, about: dict[str, Any]) -> Iterable[ResultRow]:
    """Tell how far SAEs of other seeds have the same latents."""
    for one in about["saes"]["seeds"]:
        estimate = as_estimate(one)
        yield work.row(
            one["first"],
            f"seeds_{one['metric']}",
            estimate,
            site=one["site"],
            about=one["second"],
            n=max(2, one["n"]),
            n_tokens=about["n_tokens"],
        )
