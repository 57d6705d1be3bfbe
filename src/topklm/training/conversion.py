"""Conversion: a pretrained Llama to a TopK model, as an ordinary run; what it cost and what came back.

Loading the original: `pretrained.py`. Its predictions as a second target: `distillation.py`.
"""

from pathlib import Path
from typing import Any

from ..core.errors import InputError, RunError
from ..core.files import read_json, write_json
from ..core.processes import on_main
from .prepare import settings_of, with_absolute_paths
from .pretrained import SIZES, pretrained_config
from .run import Run
from .schedules import sparsity_of
from .settings import TrainSettings, replaced

FORMAT = "topklm.conversion/1"
FILE = "conversion.json"
TOKENS = 1_000_000
"""Tokens to train on where none are named and the original is no run of ours."""
CONTEXT = 256
"""Tokens per training block, for the same."""
RATE = 3e-4
"""Peak learning rate, for the same: a tenth of what such a model was made with."""


def conversion_settings(source: Path | str, **changes: Any) -> TrainSettings:
    """Choose the settings of a conversion; `changes` are fields of TrainSettings.

    Sizes and tokenizer are the original's. A dense run of ours also brings its text, context, k and learning
    rates; any other original needs `data`, and gets k of half its width by magnitude. Raises InputError where
    the original cannot be converted, and where the settings do not fit it.

        train(conversion_settings("runs/tiny/twin", k=32, tokens=475_000, distill=0.5), "runs/converted")
    """
    source = str(source)
    config = pretrained_config(source)
    sizes = {ours: getattr(config, theirs) for ours, theirs in SIZES.items()}
    for name in sorted(set(changes) & set(sizes)):
        raise InputError(f"{name} is the original's, {sizes[name]}; leave it out")
    fixed = {"source": source, "embedding_seed": None, "embedding_scale": 1.0, "branch_scale": 1.0, **sizes}
    changes = {"tokenizer": source, "warmup_share": 0.05, "evaluations": 20, **changes}
    own = settings_of(source)
    if own is not None:
        return with_absolute_paths(replaced(own, {"dense": False, **changes, **fixed}))
    if not changes.get("data"):
        raise InputError(f"{source} brings no text of its own; name one with --data")
    width, context = config.hidden_size, min(CONTEXT, config.max_position_embeddings)
    context = changes.get("context", context)
    ours = {
        "preset": "none",
        "k": max(1, width // 2),
        "topk_by": "magnitude",
        "n_nontopk": min(2, config.num_hidden_layers - 1),
        "tokens": TOKENS,
        "context": context,
        "batch_tokens": 4 * context,
        "lr": RATE,
        "embedding_lr": 0.0,
    }
    return with_absolute_paths(TrainSettings(**{**ours, **changes, **fixed}))


def record_insertion(run: Run, trainer: Any) -> None:
    """Measure the original, and the same with TopK put in and nothing trained, as evaluations will."""
    losses = {}
    for name, blend in (("original", 0.0), ("inserted", 1.0)):
        if not run.settings.dense:
            trainer.model.set_topk(k=run.settings.k, blend=blend)
        output = trainer.evaluation_loop(
            trainer.get_eval_dataloader(), description=name, prediction_loss_only=True
        )
        losses[name] = output.metrics["eval_loss"]
    on_main(lambda: write_json(run.path / FILE, {"format": FORMAT, **losses}))


def write_conversion(run: Run, *, recover: float | None = None) -> dict[str, Any]:
    """Bring `conversion.json` up to date with the run's metrics, and return it.

    recover: a held-out loss to be reached, in nats per token; by default the original's own. Raises RunError
    where the run was not made from a pretrained model.
    """
    if not run.settings.source or not (run.path / FILE).is_file():
        raise RunError(f"{run.path} is no conversion: 'topklm convert SOURCE --out DIR' makes one")
    measured = read_json(run.path / FILE)
    content = conversion(run, original=measured["original"], inserted=measured["inserted"], recover=recover)
    write_json(run.path / FILE, content)
    return content


def conversion(run: Run, *, original: float, inserted: float, recover: float | None = None) -> dict[str, Any]:
    """Put together what a conversion shows, as JSON. Losses are held-out, in nats per token."""
    settings = run.settings
    lost = inserted - original
    curve = []
    for row in run.metrics():
        if "eval_loss" not in row:
            continue
        now = sparsity_of(settings, row["step"])._asdict()
        share = (inserted - row["eval_loss"]) / lost if lost > 0 else None
        curve.append(
            {
                "n_tokens": row["step"] * settings.batch_tokens,
                **now,
                "loss": row["eval_loss"],
                "recovered": share,
            }
        )
    target = original if recover is None else recover
    whole = {"k": settings.width if settings.dense else settings.k, "blend": 1.0}
    reached = [one for one in curve if one["loss"] <= target and whole.items() <= one.items()]
    return {
        "format": FORMAT,
        "run": str(run.path),
        "source": settings.source,
        "data": settings.data,
        "held_out": run.about.get("corpus", {}).get("validation"),
        "seeds": [settings.seed],
        "distill": settings.distill,
        "temperature": settings.temperature,
        "original": original,
        "inserted": inserted,
        "final": curve[-1]["loss"] if curve else None,
        "recovered": curve[-1]["recovered"] if curve else None,
        "n_tokens": curve[-1]["n_tokens"] if curve else 0,
        "target": target,
        "reached_after": reached[0]["n_tokens"] if reached else None,
        "curve": curve,
    }
