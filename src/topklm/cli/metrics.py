"""`topklm metrics`: every metric of a run's neurons, with the controls beside each number."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import InputError
from .output import AsJson, RunPath, error_console, put_drawing, put_json, resumable, say, whole

if TYPE_CHECKING:
    from ..comparison.result import Result


def metrics(
    path: RunPath,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="topk, dense, posthoc, random, shuffled, or SAEs such as sae_8x; may be repeated. "
            "Default: the first five.",
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Held-out text; may be repeated. Default: the run's own. 'stories:1' tells stories that "
            "the run has not seen."
        ),
    ] = None,
    tokens: Annotated[
        int | None, whole("Stop after the document that reaches this many; default: 200,000 at most.")
    ] = None,
    lexicon: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Concepts as lists of words, .yaml or .csv. Default: the stories' own on stories, general "
            "English on any other text.",
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="A column of the corpus to probe as labels of documents; may be repeated. Default: all "
            "that tell documents apart.",
        ),
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="A sentence-transformers model, by path or name, for coherence and intruders. Default: "
            "static vectors of the text itself.",
        ),
    ] = None,
    namer: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An OpenAI-compatible endpoint that names some of the neurons."),
    ] = None,
    namer_model: Annotated[
        str | None, typer.Option(help="The name the endpoint knows its model by; default: default.")
    ] = None,
    named: Annotated[
        int | None, whole("Live neurons that the endpoint is asked to name, drawn; default: 100.")
    ] = None,
    twin: Annotated[str | None, typer.Option(help="The dense twin; default: twin in the run.")] = None,
    seed: Annotated[int, whole("Seed of the controls random and shuffled.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Default: metrics in the run.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how readable a run's neurons are, next to controls: one text, one code for all.

    Concepts and names are also written to the run's index, where there is one: 'neurons' and 'neuron' show
    them. Interrupted at any time, the same command goes on with the sources that are done.
    """
    from ..comparison import Settings, measure
    from ..concepts.namer import Namer
    from ..index.sources import NAMES

    for option, value in (("--named", named), ("--namer-model", namer_model)):
        if value is not None and namer is None:
            raise InputError(f"{option} goes with --namer URL: nobody else is asked for names")
    settings = Settings(
        data=tuple(data) if data else None,
        tokens=tokens,
        lexicon=lexicon,
        labels=tuple(labels) if labels else None,
        embedding=embedding,
        seed=seed,
    )
    with resumable():
        result = measure(
            path,
            settings,
            sources=source or NAMES,
            twin=twin,
            namer=None if namer is None else Namer(namer, model=namer_model or "default"),
            named=100 if named is None else named,
            out=out,
            say=say,
            console=error_console(),
        )
    if as_json:
        put_json(result.as_json())
    else:
        show(result)


def show(result: "Result") -> None:
    """Print the headline numbers, layer by layer."""
    from ..comparison.headlines import lines_of, verdict
    from ..reports.metrics import Cell, draw_metrics

    lines = lines_of(result.rows)
    blocks: dict[str, list[tuple[str, dict[str, Cell]]]] = {}
    for line in lines:
        near = line.close()
        cells = {name: Cell(*value, close=name in near) for name, value in line.values.items()}
        blocks.setdefault(f"layer {line.site}", []).append((line.headline.title, cells))
    notes = [
        verdict(lines),
        f"{result.n_tokens:,} tokens, {result.n_documents:,} documents of "
        f"{', '.join(result.corpus['spec'])}; {result.concepts} concepts; embedding: {result.embedding}",
        *(f"left out: {name}: {why}" for name, why in result.left_out.items()),
    ]
    put_drawing(lambda _, width: draw_metrics(blocks, list(result.sources), notes=notes, width=width))
