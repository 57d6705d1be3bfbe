"""`topklm trace`: how neurons form over the checkpoints of a run, beside their controls."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import InputError, Interrupted
from .find import Lexicon
from .output import AsJson, RunPath, error_console, put_drawing, put_json, say, whole


def trace(
    path: RunPath,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NEURON]", help="Such as L3/N17: show this one's life.", show_default=False),
    ] = None,
    concept: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show all neurons that ever told this concept.")
    ] = None,
    source: Annotated[
        str, typer.Option(help="Whose feature or carriers are shown: topk, or a control: dense, posthoc.")
    ] = "topk",
    data: Annotated[
        list[str] | None,
        typer.Option(help="The probe text; may be repeated. Default: the run's held-out text."),
    ] = None,
    tokens: Annotated[
        int | None, whole("Stop after the document that reaches this many tokens; default 50,000.")
    ] = None,
    lexicon: Lexicon = None,
    twin: Annotated[str | None, typer.Option(help="The dense twin; default: twin in the run.")] = None,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Trace the dense twin as well.")
    ] = True,
    out: Annotated[Path | None, typer.Option(help="Default: trace in the run.")] = None,
    as_json: AsJson = False,
) -> None:
    """Trace every neuron over a run's checkpoints: when it became what it is, and whether its index kept it.

    Every tracing checkpoint is read once at the final k. Beside the neurons stand the dense twin's own and
    its post-hoc TopK. Interrupted at any time, the same command goes on with what is done; a finished trace
    is only read.
    """
    from ..tracing import trace as run_trace

    if name is not None and concept is not None:
        raise InputError("give a neuron or --concept NAME, not both")
    try:
        traced = run_trace(
            path,
            data=data or None,
            tokens=tokens,
            lexicon=lexicon,
            twin=twin,
            controls=controls,
            out=out,
            say=say,
            console=error_console(),
        )
    except KeyboardInterrupt:
        raise Interrupted("interrupted; what is done is kept: the same command goes on from there") from None
    from ..reports.tracing import draw_carriers, draw_life, draw_trace

    about = {key: traced.about[key] for key in ("run", "revision", "n_tokens", "seeds", "checkpoints")}
    if name is not None:
        life = traced.life(name, source=source)
        moments = [one._asdict() for one in life.moments]
        if as_json:
            put_json({"format": "topklm.life/1", **about, **life._asdict(), "moments": moments})
        else:
            put_drawing(lambda _, width: draw_life(life))
    elif concept is not None:
        rows = traced.carriers(concept, source=source)
        if as_json:
            put_json({"format": "topklm.carriers/1", **about, "concept": concept, "features": rows})
        else:
            put_drawing(lambda _, width: draw_carriers(concept, rows, traced.sources[source]))
    elif as_json:
        put_json(traced.about)
    else:
        put_drawing(lambda _, width: draw_trace(traced.about))
        say(f"all of it: {traced.path / 'trace.json'}; one neuron: topklm trace {path} L0/N0")
