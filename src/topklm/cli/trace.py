"""`topklm trace`: how neurons form over the checkpoints of a run, beside their controls."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import InputError
from .find import Lexicon
from .output import AsJson, OwnRunPath, error_console, name_of, put_drawing, put_json, resumable, say, whole

if TYPE_CHECKING:
    from ..tracing import Trace


def trace(
    path: OwnRunPath,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NEURON", help="Such as L3/N17: show this one's life.", show_default=False),
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
    other: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN",
            help="Also match the final neurons with another run's, such as another seed's; may be repeated.",
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the neuron's life into this file, .png or .svg."),
    ] = None,
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
    if source != "topk" and name is None and concept is None:
        raise InputError("--source says whose life or carriers are shown: name a neuron, or --concept NAME")
    if figure is not None:
        check_figure(figure, name)
    shown = name is not None or concept is not None
    asks_for_work = bool(data or tokens or lexicon or twin or other) or not controls
    traced = finished_trace(path, out) if shown and not asks_for_work else None
    if traced is None:
        with resumable():
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
    if other:
        from ..tracing.runs import compare_runs

        compare_runs(path, other, twin=twin, out=traced.path, say=say, console=error_console())
    show(path, traced, name, concept, source=source, figure=figure, as_json=as_json)


def finished_trace(path: str, out: Path | None) -> "Trace | None":
    """Open the trace of a run as it is; None where there is none of these weights."""
    from ..tracing.stored import ABOUT, Trace
    from ..training import Run

    directory = Path(path) / "trace" if out is None else out
    if not (directory / ABOUT).is_file():
        return None
    traced = Trace.open(directory)
    return traced if traced.about["revision"] == Run(path).revision else None


def show(
    path: str,
    traced: "Trace",
    name: str | None,
    concept: str | None,
    *,
    source: str,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Print what was asked of a trace: one life, the carriers of a concept, or all of it."""
    from ..reports.lives import draw_carriers, draw_life
    from ..reports.tracing import draw_runs, draw_trace

    about = {key: traced.about[key] for key in ("run", "revision", "n_tokens", "seeds", "checkpoints")}
    if name is not None:
        life = traced.life(name, source=source)
        if figure is not None:
            traced.draw_life(life, figure)
            say(f"written: {figure}")
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
        runs = traced.runs
        put_json(traced.about if runs is None else {**traced.about, "runs": runs})
    else:
        put_drawing(lambda _, width: draw_trace(traced.about))
        if (runs := traced.runs) is not None:
            put_drawing(lambda _, width: draw_runs(runs))
        traced.draw()
        say(f"all of it, and figures: {traced.path}; one neuron: topklm trace {name_of(path)} L0/N0")


def check_figure(figure: Path, name: str | None) -> None:
    """Raise InputError where a figure cannot be drawn, before any work is done."""
    if name is None:
        raise InputError("--figure draws one neuron's life: name a neuron, such as L0/N0")
    if figure.suffix not in (".png", ".svg"):
        raise InputError(f"--figure {figure} should end in .png or .svg")
    if not figure.absolute().parent.is_dir():
        raise InputError(f"there is no directory {figure.absolute().parent}; make it first")
