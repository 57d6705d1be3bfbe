"""`topklm push`: a run on the Hugging Face hub."""

from typing import Annotated

import typer

from .output import AsJson, RunPath, put_json, resumable, say


def push(
    path: RunPath,
    name: Annotated[str, typer.Argument(metavar="NAME", help="user/name on the hub.", show_default=False)],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints/--no-checkpoints", help="Send tracing checkpoints as branches.")
    ] = True,
    licence: Annotated[
        str | None, typer.Option("--license", help="Of the weights, as the hub names it: apache-2.0.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send a run to the hub: weights, tokenizer, settings, losses, a model card; checkpoints as branches.

    The hub's own token is used (hf auth login, or HF_TOKEN). Interrupted, the same command goes on.
    """
    from ..export import push as push_run
    from ..training import Run

    run = Run(path)
    with resumable():
        found = push_run(run, name, private=private, checkpoints=checkpoints, licence=licence, say=say)
    if as_json:
        about = {"run": path, "revision": run.revision, "url": found.url, "revisions": found.revisions}
        put_json({"format": "topklm.push/1", **about})
    else:
        say(f"there now: {found.url}")
