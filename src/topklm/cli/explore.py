"""`topklm explore`: a run's neurons in a browser, on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import InputError
from .output import RunPath, put, say, whole


def explore(
    path: RunPath,
    host: Annotated[
        str, typer.Option(help="Where to listen; if others can reach it, a token is asked for.")
    ] = "127.0.0.1",
    port: Annotated[int | None, whole("Port; default: the first free one from 8642 on.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Serve nothing; write pages there that open without a server."),
    ] = None,
    neurons: Annotated[int | None, whole("With --export: how many neurons get a page; default: 200.")] = None,
    log_prompts: Annotated[
        bool, typer.Option("--log-prompts", help="Let the log hold what people let the model write.")
    ] = False,
) -> None:
    """Open RUN in a browser: its neurons as a table and as pages, read, compared, steered and traced.

    Listens on this machine only, unless --host says otherwise; stop it with Ctrl-C. With --export it writes
    the pages as files instead: overview, neurons, comparison and trace. Needs: pip install 'topklm[explore]'.
    """
    if neurons is not None and export is None:
        raise InputError("--neurons goes with --export DIR; served, every neuron has its page")
    try:
        from ..explorer import Workspace
        from ..explorer.export import export as export_pages
        from ..explorer.serve import serve
    except ModuleNotFoundError as error:
        raise InputError(
            f"the explorer needs the package {error.name}; install it with: pip install 'topklm[explore]'"
        ) from None
    workspace = Workspace(path)
    if export is not None:
        put(str(export_pages(workspace, export, neurons=200 if neurons is None else neurons, say=say)))
        return
    serve(
        workspace,
        host=host,
        port=port,
        browser=not no_browser,
        log_prompts=log_prompts,
        say=lambda address: say(f"{workspace.name} is at {address} (Ctrl-C ends it)"),
    )
