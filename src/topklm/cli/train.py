"""`topklm train`: train a model, its dense twin, or go on with a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import InputError
from .output import AsJson, decimal, error_console, put, put_json, say, whole

NEEDS = {
    "lift_below": "lift",
    "lift_fade": "lift",
    "aux_k": "aux_loss",
    "revive_share": "revive",
    "temperature": "distill",
}
"""Settings that do nothing where another is 0."""
WATCHING = ("lift", "aux_loss", "revive")
"""Settings that keep neurons alive."""


def train(
    out: Annotated[Path, typer.Option(help="The run's directory, new unless --resume.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, with its own settings.")
    ] = False,
    config: Annotated[
        str | None,
        typer.Option(help="Take all settings from a run, its train.json, or a file of settings."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="tiny (minutes), small (hours), base, large. Default: tiny.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Training text; may be repeated: a .txt, .jsonl or .parquet file, a directory of "
            "them, 'stories' (labelled, generated; the default), 'code' (installed Python files), "
            "or a hub dataset."
        ),
    ] = None,
    validation: Annotated[
        list[str] | None, typer.Option(help="Held-out text; default: 2 % of the documents.")
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="bpe:N trains one of N tokens; or a tokenizer's path or name."),
    ] = None,
    tokens: Annotated[int | None, whole("Tokens to train on.")] = None,
    seed: Annotated[int | None, whole("Seed of weights and order of data.")] = None,
    dense: Annotated[
        bool | None,
        typer.Option("--dense/--no-dense", help="The dense twin: no TopK, everything else the same."),
    ] = None,
    k: Annotated[int | None, whole("Entries kept per token and TopK layer.")] = None,
    topk_by: Annotated[str | None, typer.Option(help="Rank entries by value, magnitude or positive.")] = None,
    n_nontopk: Annotated[int | None, whole("Final layers kept dense.")] = None,
    topk_layers: Annotated[
        str | None,
        typer.Option(help="Layers with TopK, as in 0,1,3; default: all but the final ones."),
    ] = None,
    anneal: Annotated[
        str | None, typer.Option(help="Come down to k during training: none, k or blend.")
    ] = None,
    width: Annotated[int | None, whole("Residual stream: neurons per layer.")] = None,
    depth: Annotated[int | None, whole("Number of blocks.")] = None,
    heads: Annotated[int | None, whole("Attention heads per block.")] = None,
    head_dim: Annotated[int | None, whole("Width of one head.")] = None,
    mlp: Annotated[int | None, whole("Width of a block's MLP.")] = None,
    context: Annotated[int | None, whole("Tokens per training block.")] = None,
    lr: Annotated[float | None, decimal("Peak learning rate.")] = None,
    embedding_lr: Annotated[float | None, decimal("Peak learning rate of the embedding; 0: --lr.")] = None,
    embedding_seed: Annotated[
        int | None, whole("Seed of the initial embedding alone; default: --seed.")
    ] = None,
    embedding_scale: Annotated[float | None, decimal("Initial embedding times this.")] = None,
    branch_scale: Annotated[
        float | None, decimal("Initial attention and MLP output weights times this.")
    ] = None,
    lift: Annotated[
        float | None,
        decimal("Bias that lifts unused neurons: step in standard deviations, as 0.01; 0: none."),
    ] = None,
    lift_below: Annotated[
        float | None, decimal("Lift neurons below this share of their fair share k/width.")
    ] = None,
    lift_fade: Annotated[float | None, decimal("Last share of the steps, over which the lift fades.")] = None,
    aux_loss: Annotated[
        float | None, decimal("Weight of the auxiliary loss on dead neurons, as 0.03; 0: none.")
    ] = None,
    aux_k: Annotated[int | None, whole("Dead entries per token in that loss; 0: k.")] = None,
    revive: Annotated[int | None, whole("How often dead neurons are drawn anew; 0: never.")] = None,
    revive_share: Annotated[
        float | None, decimal("First share of the steps, over which that is spread.")
    ] = None,
    dead_after: Annotated[int | None, whole("Tokens without a firing after which a neuron is dead.")] = None,
    batch_tokens: Annotated[int | None, whole("Tokens per step.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, bf16 or fp32.")] = None,
    attention: Annotated[str | None, typer.Option(help="auto, eager or sdpa.")] = None,
    threads: Annotated[int | None, whole("CPU threads; 0: all allowed.")] = None,
    compile_model: Annotated[
        bool, typer.Option("--compile", help="Compile the model with torch.compile.")
    ] = False,
    device_tokens: Annotated[
        int | None, whole("Tokens a device takes at once, the rest of a step in turns; 0: all.")
    ] = None,
    fsdp: Annotated[
        bool, typer.Option("--fsdp", help="Split weights and optimizer over the processes (FSDP2).")
    ] = False,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Compute activations twice: less memory, more time.")
    ] = False,
    evaluations: Annotated[int | None, whole("Held-out evaluations.")] = None,
    full_checkpoints: Annotated[int | None, whole("Points to resume from.")] = None,
    trace_checkpoints: Annotated[
        int | None, whole("Evenly spaced tracing checkpoints, besides 0, 1, 2, 4, ...")
    ] = None,
    report_to: Annotated[
        list[str] | None, typer.Option(help="tensorboard, wandb or trackio; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a TopK language model, or its dense twin (--dense), on any text.

    Interrupted at any time, it goes on with: topklm train --resume --out DIR
    Several processes: torchrun --nproc_per_node 8 -m topklm train ... (docs/scaling.md)
    """
    named = {
        "data": data,
        "validation": validation,
        "tokenizer": tokenizer,
        "tokens": tokens,
        "seed": seed,
        "dense": dense,
        "k": k,
        "topk_by": topk_by,
        "n_nontopk": n_nontopk,
        "topk_layers": parse_layers(topk_layers),
        "anneal": anneal,
        "width": width,
        "depth": depth,
        "heads": heads,
        "head_dim": head_dim,
        "mlp": mlp,
        "context": context,
        "lr": lr,
        "embedding_lr": embedding_lr,
        "embedding_seed": embedding_seed,
        "embedding_scale": embedding_scale,
        "branch_scale": branch_scale,
        "lift": lift,
        "lift_below": lift_below,
        "lift_fade": lift_fade,
        "aux_loss": aux_loss,
        "aux_k": aux_k,
        "revive": revive,
        "revive_share": revive_share,
        "dead_after": dead_after,
        "batch_tokens": batch_tokens,
        "precision": precision,
        "attention": attention,
        "threads": threads,
        "compile": compile_model or None,
        "device_tokens": device_tokens,
        "fsdp": fsdp or None,
        "recompute": recompute or None,
        "evaluations": evaluations,
        "full_checkpoints": full_checkpoints,
        "trace_checkpoints": trace_checkpoints,
        "report_to": report_to,
    }
    changes = {name: value for name, value in named.items() if value is not None and value != []}
    run = (
        resume_run(out, given={**changes, "preset": preset, "config": config})
        if resume
        else start_run(out, changes, preset=preset, config=config)
    )
    put_trained(run, as_json=as_json)


def put_trained(run: Any, *, as_json: bool) -> None:
    """Print what was trained, and how well it predicts held-out text."""
    rows = run.metrics()
    final = next((row["eval_loss"] for row in reversed(rows) if "eval_loss" in row), None)
    if as_json:
        put_json(
            {
                "format": "topklm.train/1",
                "run": str(run.path),
                "revision": run.revision,
                "steps": run.settings.steps,
                "n_tokens": run.settings.steps * run.settings.batch_tokens,
                "seeds": [run.settings.seed],
            }
        )
    else:
        loss = "" if final is None else f", held-out loss {final:.3f}"
        put(f"done: {run.path}{loss}; try: topklm generate {run.path} 'Once'")


def start_run(out: Path, changes: dict[str, Any], *, preset: str | None, config: str | None) -> Any:
    """Train into a new directory, from a preset or from another run's settings."""
    from .. import training
    from ..training.run import read_settings
    from ..training.settings import replaced

    if config is not None and preset is not None:
        raise InputError("give --preset or --config, not both")
    settings = (
        read_settings(Path(config))
        if config is not None
        else training.preset("tiny" if preset is None else preset)
    )
    settings = replaced(settings, changes)
    refuse_alone(settings, changes)
    return training.train(settings, out, say=say, console=error_console())


def refuse_alone(settings: Any, changes: Mapping[str, Any]) -> None:
    """Raise InputError where a setting is named that does nothing without another."""
    for name, needed in NEEDS.items():
        if name in changes and not getattr(settings, needed):
            alone, other = (f"--{one.replace('_', '-')}" for one in (name, needed))
            raise InputError(f"{alone} does nothing without {other}; give that too, or leave it out")
    if settings.dense and (named := next((one for one in WATCHING if changes.get(one)), None)):
        raise InputError(
            f"--{named.replace('_', '-')} is for TopK layers, which --dense has not; leave it out"
        )
    if "dead_after" in changes and not settings.watches_neurons:
        raise InputError("--dead-after does nothing without --lift, --aux-loss or --revive")
    if "anneal_share" in changes and settings.anneal == "none":
        raise InputError("--anneal-share does nothing with --anneal none; leave it out")


def resume_run(out: Path, *, given: Mapping[str, Any] | None = None) -> Any:
    """Go on with a run. Raises InputError where `given` holds anything but None: the run has its settings."""
    from .. import training

    if names := [name for name, value in (given or {}).items() if value is not None]:
        raise InputError(f"with --resume all settings come from the run; leave out {', '.join(names)}")
    return training.resume(out, say=say, console=error_console())


def parse_layers(text: str | None) -> list[int] | None:
    """Read `0,1,3`. Raises InputError where it is no list of layers."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--topk-layers {text!r} is no list of layers; write it as 0,1,3") from None
