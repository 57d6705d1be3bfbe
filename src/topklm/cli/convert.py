"""`topklm convert`: a pretrained Llama to a TopK model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import InputError
from .output import AsJson, decimal, put, put_json, say, whole
from .train import refuse_alone, resume_run


def convert(
    out: Annotated[Path, typer.Option(help="The run's directory, new unless --resume.")],
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="A Llama checkpoint: a directory, a .gguf file, OWNER/NAME of the hub, or a dense run.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, with its own settings.")
    ] = False,
    gguf_file: Annotated[str | None, typer.Option(help="The GGUF file to take in SOURCE.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Training text, as in train; may be repeated. Default: a run's own."),
    ] = None,
    validation: Annotated[
        list[str] | None, typer.Option(help="Held-out text; default: 2 % of the documents.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="A tokenizer's path or name; default: SOURCE's own.")
    ] = None,
    tokens: Annotated[int | None, whole("Tokens to train on. Default: 1M, or a run's own.")] = None,
    seed: Annotated[int | None, whole("Seed of the order of the data.")] = None,
    dense: Annotated[
        bool, typer.Option("--dense", help="Put no TopK in: the original, trained on; a control.")
    ] = False,
    k: Annotated[
        int | None, whole("Entries kept per token and TopK layer. Default: half the width, or a run's own.")
    ] = None,
    topk_by: Annotated[
        str | None,
        typer.Option(help="Rank by value, magnitude (the default, or a run's own) or positive."),
    ] = None,
    n_nontopk: Annotated[int | None, whole("Final layers kept dense.")] = None,
    anneal: Annotated[
        str | None, typer.Option(help="Come to k during training: none, k or blend. Default: k.")
    ] = None,
    anneal_share: Annotated[float | None, decimal("Share of the steps that takes. Default: 0.5.")] = None,
    distill: Annotated[
        float | None,
        decimal("Share of the loss that is the divergence from the original, 0..1. Default: 0."),
    ] = None,
    temperature: Annotated[float | None, decimal("Temperature of that divergence. Default: 1.")] = None,
    context: Annotated[int | None, whole("Tokens per training block.")] = None,
    batch_tokens: Annotated[int | None, whole("Tokens per step.")] = None,
    device_tokens: Annotated[
        int | None, whole("Tokens taken at once, the rest by accumulation; 0: all.")
    ] = None,
    lr: Annotated[float | None, decimal("Peak learning rate.")] = None,
    embedding_lr: Annotated[float | None, decimal("Peak learning rate of the embedding; 0: --lr.")] = None,
    warmup_share: Annotated[float | None, decimal("Share of the steps over which it rises.")] = None,
    evaluations: Annotated[int | None, whole("Held-out evaluations. Default: 20.")] = None,
    eval_tokens: Annotated[int | None, whole("At most this many held-out tokens an evaluation.")] = None,
    full_checkpoints: Annotated[int | None, whole("Points to resume from.")] = None,
    trace_checkpoints: Annotated[int | None, whole("Evenly spaced tracing checkpoints.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, bf16 or fp32.")] = None,
    threads: Annotated[int | None, whole("CPU threads; 0: all allowed.")] = None,
    recover: Annotated[
        float | None, decimal("The loss to reach, in nats per token. Default: the original's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put TopK into a pretrained Llama and train on until its loss comes back.

    The result is an ordinary run, with conversion.json: the original's loss, the loss right after TopK was
    put in, the curve, and the share of the loss recovered.
    """
    from ..training.conversion import write_conversion

    named = {
        "data": data,
        "validation": validation,
        "tokenizer": tokenizer,
        "tokens": tokens,
        "seed": seed,
        "dense": dense or None,
        "k": k,
        "topk_by": topk_by,
        "n_nontopk": n_nontopk,
        "anneal": anneal,
        "anneal_share": anneal_share,
        "distill": distill,
        "temperature": temperature,
        "context": context,
        "batch_tokens": batch_tokens,
        "device_tokens": device_tokens,
        "lr": lr,
        "embedding_lr": embedding_lr,
        "warmup_share": warmup_share,
        "evaluations": evaluations,
        "eval_tokens": eval_tokens,
        "full_checkpoints": full_checkpoints,
        "trace_checkpoints": trace_checkpoints,
        "precision": precision,
        "threads": threads,
    }
    changes = {name: value for name, value in named.items() if value is not None and value != []}
    if resume:
        refuse_no_conversion(out)
    run = (
        resume_run(out, given={**changes, "SOURCE": source or None, "gguf_file": gguf_file or None})
        if resume
        else _started(out, source, gguf_file, changes)
    )
    content = write_conversion(run, recover=recover)
    if as_json:
        put_json(content | {"revision": run.revision})
    else:
        put("\n".join(table(content)))
        say(f"done: {run.path}; try: topklm index {run.path}")


def refuse_no_conversion(out: Path) -> None:
    """Raise InputError where a run that is to be gone on with began from no other model."""
    from ..training import Run

    if (out / "train.json").is_file() and not Run(out).settings.source:
        raise InputError(f"{out} is no conversion; go on with it by: topklm train --resume --out {out}")


def _started(out: Path, source: str | None, gguf_file: str | None, changes: dict[str, Any]) -> Any:
    from .. import training
    from ..training.conversion import conversion_settings
    from .output import error_console

    if source is None:
        raise InputError("name a Llama checkpoint to convert: a directory, a .gguf file, OWNER/NAME or a run")
    if gguf_file is not None:
        source = f"{source.rstrip('/')}/{gguf_file}"
        if not gguf_file.endswith(".gguf"):
            raise InputError(f"--gguf-file {gguf_file} does not end in .gguf")
    settings = conversion_settings(source, **changes)
    refuse_alone(settings, changes)
    return training.train(settings, out, say=say, console=error_console())


def table(content: dict[str, Any]) -> list[str]:
    """Write what a conversion shows as lines of text."""
    distilled = content["distill"]
    how = f", {distilled:g} of it distillation at temperature {content['temperature']:g}" if distilled else ""
    lines = [
        f"original {content['source']}: held-out loss {content['original']:.3f}",
        f"with TopK put in, untrained: {content['inserted']:.3f}",
        f"trained on {', '.join(content['data'])}{how}",
        f"{'tokens':>12}  {'k':>5}  {'blend':>5}  {'loss':>7}  recovered",
    ]
    for row in content["curve"]:
        share = "" if row["recovered"] is None else f"{row['recovered']:9.1%}"
        lines.append(f"{row['n_tokens']:12,}  {row['k']:5}  {row['blend']:5.2f}  {row['loss']:7.3f}  {share}")
    after, target = content["reached_after"], content["target"]
    lines.append(
        f"loss {target:.3f} is not reached in {content['n_tokens']:,} tokens"
        if after is None
        else f"loss {target:.3f} is reached after {after:,} tokens"
    )
    return lines
