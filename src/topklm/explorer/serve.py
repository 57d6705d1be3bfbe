"""Running the explorer: a server on this machine, and a browser that opens once it answers."""

import socket
import sys
import threading
import webbrowser
from collections.abc import Callable

from ..core.errors import InputError
from .app import create_app
from .workspace import Workspace

LOOPBACK = ("127.0.0.1", "localhost", "::1")
FIRST_PORT, LAST_PORT = 8642, 8662
"""Tried one after the other where none is asked for."""


def bind(host: str, port: int | None) -> socket.socket:
    """Take a port of this machine. Raises InputError for another machine's name, or a port that is taken."""
    if host not in LOOPBACK:
        raise InputError(
            f"host {host} can be reached from elsewhere, and the explorer asks nobody who they are; choose "
            f"{', '.join(LOOPBACK)}, and from another machine: ssh -L {port or FIRST_PORT}:127.0.0.1:"
            f"{port or FIRST_PORT} THIS_MACHINE"
        )
    if port is not None and not 0 <= port <= 65535:
        raise InputError(f"port={port} is not allowed; choose 0 (any free one) to 65535")
    for one in range(FIRST_PORT, LAST_PORT + 1) if port is None else (port,):
        taken = socket.socket(socket.AF_INET6 if host == "::1" else socket.AF_INET)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host, one))
        except OSError as error:
            taken.close()
            if port is not None:
                raise InputError(f"port {port} cannot be used: {error.strerror}; choose another") from None
        else:
            return taken
    raise InputError(f"the ports {FIRST_PORT} to {LAST_PORT} are taken; choose one with --port")


def serve(
    workspace: Workspace,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = True,
    say: Callable[[str], None] = lambda message: None,
) -> None:
    """Serve the explorer until it is interrupted. Requests are not logged: they hold what people read.

    port: default the first free one from 8642 on. say: told the address.
    """
    import uvicorn

    listener = bind(host, port)
    name = "[::1]" if host == "::1" else host
    address = f"http://{name}:{listener.getsockname()[1]}/"
    config = uvicorn.Config(
        create_app(workspace), log_level="warning", access_log=False, server_header=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    listener.listen(128)
    say(address)
    threading.Thread(target=_warm, args=(workspace,), daemon=True).start()
    if browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    with listener:
        server.run(sockets=[listener])


def _warm(workspace: Workspace) -> None:
    """Open in the background what the second page will want."""
    try:
        index = workspace.index()
        _ = index.brief, index.tokens, index.vocabulary
        if workspace.run.finished and "torch" not in sys.modules:
            import torch  # noqa: F401  # reading and effects need it; its import takes seconds
    except Exception as error:  # what is wrong is said where it is asked for
        del error
