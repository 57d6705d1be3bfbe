"""`topklm index`: what every neuron does on a text, stored so that it can be asked."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import InputError
from .output import AsJson, RunPath, decimal, error_console, put, put_json, resumable, say, whole


def index(
    path: RunPath,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Text to index; may be repeated. Default: the run's validation part. 'stories:1' tells "
            "stories that the run has not seen."
        ),
    ] = None,
    tokens: Annotated[int | None, whole("Stop after the document that reaches this many tokens.")] = None,
    sample: Annotated[
        float, decimal("Share of documents whose firings are kept; counts stay those of all.")
    ] = 1.0,
    out: Annotated[
        Path | None, typer.Option(help="The index's directory; default: index, or index-SOURCE, in the run.")
    ] = None,
    source: Annotated[
        str, typer.Option(help="topk, a control (random, shuffled, dense, posthoc), or SAEs such as sae_8x.")
    ] = "topk",
    twin: Annotated[str | None, typer.Option(help="The dense twin; default: twin in the run.")] = None,
    seed: Annotated[int, whole("Seed of the sources random and shuffled.")] = 0,
    effects: Annotated[
        bool,
        typer.Option("--effects/--no-effects", help="Measure the tokens that each neuron promotes."),
    ] = True,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Make only the I-th of N shares, next to other processes; afterwards the same command "
            "without --shard joins them.",
        ),
    ] = None,
    join: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Take the parts that --shard made in DIR, on a machine without a shared disk; repeatable.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Index what every neuron of a run does on a text.

    Interrupted at any time, the same command goes on with what is done.
    Several processes: torchrun --nproc_per_node 8 -m topklm index ... (docs/scaling.md)
    """
    from ..index import build_index, build_shard

    options: dict[str, Any] = {
        "source": source,
        "twin": twin,
        "seed": seed,
        "data": data or None,
        "tokens": tokens,
        "sample": sample,
        "out": out,
        "effects": effects,
        "say": say,
        "console": error_console(),
    }
    with resumable():
        if shard is not None:
            if join:
                raise InputError("give --shard or --join, not both")
            build_shard(path, parse_shard(shard), **options)
            say(f"share {shard} is done; when all are, the same command without --shard joins them")
            return
        built = build_index(path, join=join or (), **options)
    if as_json:
        put_json({"run": path, "index": str(built.path), "seeds": [seed], **built.about})
    else:
        put(summary(built))


def summary(built: Any) -> str:
    """Say in a few lines what an index holds."""
    about = built.about
    kind = f"{about['kind']}s"
    lines = [
        f"{built.path}: {about['n_tokens']:,} tokens of {', '.join(about['corpus']['spec'])}, "
        f"{about['sample']['firings']:,} of {about['firings']:,} firings kept"
    ]
    lines += [
        f"layer {site['site']}: {site['width']:,} {kind}, {site['live']:,} live, {site['rare']:,} rare, "
        f"{site['dead']:,} dead"
        for site in about["sites"]
    ]
    return "\n".join(lines)


def parse_shard(text: str) -> tuple[int, int]:
    """Read `2/4`. Raises InputError where it is none."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None:
        raise InputError(f"--shard {text!r} is no share; write it as 1/4, the first of four")
    return int(match[1]), int(match[2])
