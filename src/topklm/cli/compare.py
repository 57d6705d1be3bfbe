"""`topklm compare`: every claim decided by one command."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import InputError
from .find import Lexicon
from .output import AsJson, error_console, own_run_path, put, put_json, resumable, say, whole

if TYPE_CHECKING:
    from ..comparison.outcome import Comparison

WIDTH = 100
MOST_DEPARTURES = 30


def compare(
    paths: Annotated[
        list[str],
        typer.Argument(
            parser=own_run_path,
            metavar="RUN...",
            help="A run, or several that differ in their seed alone.",
            show_default=False,
        ),
    ],
    without: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="Stages to leave out: twin, saes, index, codes, loss, tasks, cost, metrics, steering, "
            "tracing.",
        ),
    ] = "",
    twin: Annotated[
        str | None, typer.Option(help="The dense twin; default: twin in the run, trained if missing.")
    ] = None,
    dense_small: Annotated[
        str | None, typer.Option(metavar="RUN", help="A smaller dense model of about equal loss.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Held-out text; may be repeated. Default: stories that a run on stories did not learn "
            "(stories:1), else its own."
        ),
    ] = None,
    lexicon: Lexicon = None,
    tokens: Annotated[int | None, whole("Of that text, at most; default 200,000.")] = None,
    index_tokens: Annotated[int | None, whole("Of the indexed text; default 100,000.")] = None,
    sae_tokens: Annotated[int | None, whole("Most tokens an SAE is trained on; default 400,000.")] = None,
    sae_seeds: Annotated[int, whole("Seeds of the 1x SAEs, for their stability.")] = 2,
    wide: Annotated[int, whole("Width of the wide SAEs, in units of the stream's.")] = 8,
    wide_sites: Annotated[int, whole("The last so many TopK layers get wide SAEs; 0: none.")] = 2,
    sae_checkpoints: Annotated[
        int, whole("SAEs of the twin's last so many checkpoints, for their stability; 0: none.")
    ] = 0,
    task_items: Annotated[int, whole("Items of each task.")] = 100,
    steer_features: Annotated[int | None, whole("Features steered of each arm; default 10.")] = None,
    steer_texts: Annotated[int | None, whole("Texts at each strength; default 32.")] = None,
    trace_tokens: Annotated[int | None, whole("Of the trace's probe text; default 20,000.")] = None,
    earlier: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="An earlier results.json: say which numbers left the interval they had then."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Default: comparison in the run; for several, comparison/seeds in the first."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide every claim about a run: make its twin and SAEs, measure all of them alike, and judge.

    What the run has already (twin, SAEs, index, metrics, steering, trace) is taken as it is, where no option
    asks for something else. Interrupted at any time, the same command goes on with what is done. Writes
    results.json, results.parquet, and a report: report.md and report.html.
    """
    from ..comparison import Budget
    from ..comparison import compare as run_compare
    from ..comparison.earlier import beside_earlier
    from ..comparison.outcome import read_comparison

    before = None if earlier is None else read_comparison(earlier)
    budget = Budget(
        data=tuple(data) if data else None,
        lexicon=None if lexicon is None else str(lexicon),
        tokens=tokens,
        index_tokens=index_tokens,
        sae_tokens=sae_tokens,
        sae_seeds=sae_seeds,
        wide=wide,
        wide_sites=wide_sites,
        sae_checkpoints=sae_checkpoints,
        task_items=task_items,
        steer_features=steer_features,
        steer_texts=steer_texts,
        trace_tokens=trace_tokens,
    )
    if earlier is not None and as_json:
        raise InputError("give --earlier or --json, not both: what left its interval is told in words")
    with resumable():
        found = run_compare(
            paths,
            budget=budget,
            without=[name.strip() for name in without.split(",") if name.strip()],
            twin=twin,
            dense_small=dense_small,
            out=out,
            say=say,
            console=error_console(),
        )
    if as_json:
        put_json(found.as_json())
    else:
        show(found)
        if before is not None:
            put("\n".join(beside_earlier(found, before).lines(MOST_DEPARTURES)))


def show(found: "Comparison") -> None:
    """Print the verdicts, and what is left out."""
    for one in found.claims:
        put(f"{one.claim}  {one.title}: {one.verdict}")
        put(textwrap.indent(textwrap.fill(one.says, WIDTH), "    "))
    for name, why in found.left_out.items():
        put(f"left out: {name}: {why}")
