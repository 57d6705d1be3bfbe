"""`topklm sae`: train SAEs of a run's dense twin, and measure them."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import InputError
from .output import AsJson, OwnRunPath, decimal, error_console, put_drawing, put_json, resumable, say, whole

app = typer.Typer(no_args_is_help=True, help="Train and measure SAEs of a run's dense twin (SAELens).")

Twin = Annotated[str | None, typer.Option(help="The dense twin; default: twin in the run.")]


@app.command("train", short_help="Train SAEs on the dense twin's residual streams.")
def train(
    path: OwnRunPath,
    width: Annotated[
        list[str] | None,
        typer.Option(
            metavar="1x|4x|8x|16x", help="Latents, as a multiple of the stream's width; may be repeated."
        ),
    ] = None,
    sites: Annotated[
        str | None, typer.Option(metavar="0,1,3", help="Layers to read; default: the run's TopK layers.")
    ] = None,
    architecture: Annotated[
        str, typer.Option(help="topk, batchtopk, jumprelu (aims at k) or standard (L1).")
    ] = "topk",
    k: Annotated[int | None, whole("Latents that fire on a token; default: the run's k.")] = None,
    tokens: Annotated[
        int | None, whole("Most tokens; training ends earlier where its curve is flat.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Seed of the weights; may be repeated.")
    ] = None,
    batch_tokens: Annotated[int | None, whole("Activations a step.")] = None,
    lr: Annotated[float | None, decimal("Peak learning rate.")] = None,
    sparsity: Annotated[float | None, decimal("Weight of the sparsity penalty (jumprelu, standard).")] = None,
    checkpoints: Annotated[
        int | None,
        whole("SAEs of the twin's last N tracing checkpoints instead, from scratch and warm-started."),
    ] = None,
    twin: Twin = None,
    threads: Annotated[int, whole("CPU threads; 0: as many as torch takes.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Train SAEs on what a run's dense twin computes, on the text that it was trained on.

    All widths, seeds and layers asked for are trained together, on activations that are computed once. They
    are kept in sae/ in the run, as SAELens loads them. With --checkpoints, 'trace' follows their latents from
    one checkpoint to the next. Interrupted, the same command goes on.
    """
    from ..sae.checkpoints import train_checkpoint_saes
    from ..sae.runs import train_run_saes
    from ..sae.settings import parse_widths
    from ..sae.store import read_set

    if sparsity is not None and architecture in ("topk", "batchtopk"):
        raise InputError(f"--sparsity is for jumprelu and standard; {architecture} has k alone")
    chosen = {
        name: value
        for name, value in (
            ("tokens", tokens),
            ("batch_tokens", batch_tokens),
            ("lr", lr),
            ("sparsity", sparsity),
        )
        if value is not None
    }
    widths, seeds = parse_widths(width or ["1x"]), seed or (0,)
    shared: dict[str, Any] = {
        "sites": None if sites is None else parse_sites(sites),
        "k": k,
        "twin": twin,
        "threads": threads,
        "say": say,
        "console": error_console(),
        "architecture": architecture,
        **chosen,
    }
    with resumable():
        if checkpoints is None:
            made = train_run_saes(path, widths=widths, seeds=seeds, **shared)
        elif len(widths) > 1 or len(seeds) > 1:
            raise InputError("--checkpoints takes one --width and one --seed")
        else:
            made = train_checkpoint_saes(path, count=checkpoints, width=widths[0], seed=seeds[0], **shared)
    abouts = [read_set(one) for one in made]
    if as_json:
        put_json({"format": "topklm.sae-training/1", "run": path, "saes": abouts})
        return
    from ..reports.sae import draw_trained

    put_drawing(lambda _, width: draw_trained(abouts))


@app.command("eval", short_help="Measure how well SAEs stand for the stream.")
def evaluate(
    path: OwnRunPath,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Such as sae_8x; default: all that the run has.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Text; may be repeated. Default: the validation part.")
    ] = None,
    tokens: Annotated[int, whole("How many tokens of it.")] = 65_536,
    twin: Twin = None,
    as_json: AsJson = False,
) -> None:
    """Measure explained variance, CE score and dead latents of a run's SAEs, layer by layer.

    Beside them stand TopK applied to the twin's stream when reading (posthoc), and the run's own neurons
    (topk), which lose nothing of their model; what that model's loss is beside the twin's says the column
    'loss'.
    """
    from ..sae.quality import saes_quality
    from ..training import load
    from .evaluate import held_out_text

    if tokens < 1:
        raise InputError(f"tokens={tokens} is not allowed; choose 1 or more")
    loaded = load(path)
    with tempfile.TemporaryDirectory() as scratch:
        packed = None if data is None else held_out_text(loaded, data, Path(scratch))
        found = saes_quality(loaded, names=source, twin=twin, packed=packed, tokens=tokens, say=say)
    if as_json:
        first = found[0].measured
        content = {
            "format": "topklm.sae-quality/1",
            "run": path,
            "revision": loaded.run.revision,
            "data": data or ["validation"],
            "n_tokens": first.n_tokens,
            "n_documents": first.n_documents,
            "seeds": sorted({one.seed for one in found}),
            "rows": [row for one in found for row in one.rows()],
        }
        put_json(content)
        return
    from ..reports.sae import draw_quality

    put_drawing(lambda _, width: draw_quality(found))


def parse_sites(text: str) -> tuple[int, ...]:
    """Read `0,1,3`. Raises InputError where it is none."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"--sites {text!r} is no list of layers; write it as 0,1,3")
    return tuple(int(part) for part in parts)
