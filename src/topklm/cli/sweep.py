"""`topklm sweep`: train many variants, measure them alike."""

from pathlib import Path
from typing import Annotated

import typer

from .output import AsJson, error_console, put_drawing, put_json, resumable, say


def sweep(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="YAML: base (settings), seeds, vary (one at a time), grid (all combinations), list (by "
            "name), twins (none, base, all).",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The sweep's directory; its runs lie in it.")],
    as_json: AsJson = False,
) -> None:
    """Train what a file of settings asks for, run after run, and compare the results.

    Each run is an ordinary one. Interrupted at any time, the same command goes on; finished runs are not
    trained again. Writes sweep.json, sweep.parquet, sweep.md and figures.
    """
    from ..comparison.sweep import lines, run_sweep, write_report
    from ..comparison.sweep_plan import read_sweep
    from ..reports.sweep import draw_table

    with resumable():
        result = run_sweep(read_sweep(file), out, say=say, console=error_console())
    found = lines(result)
    written = write_report(out, found, failed=result.failed)
    if as_json:
        put_json(result.as_json())
    else:
        put_drawing(lambda _, width: draw_table(found))
        say(f"written: {', '.join(map(str, written))}")
    if result.failed:
        raise typer.Exit(1)
