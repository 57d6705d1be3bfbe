"""Running the explorer: a server on this machine, and a browser that opens once it answers."""

import errno
import logging
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable

from ..core.errors import InputError
from .app import create_app
from .security import HOSTS
from .workspace import Workspace

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104
logs = logging.getLogger("topklm.explorer")
FIRST_PORT, LAST_PORT = 8642, 8662
"""Tried one after the other where none is asked for."""


def bind(host: str, port: int | None) -> socket.socket:
    """Take a port of this machine. Raises InputError for another machine's name, or a port that is taken."""
    if port is not None and not 0 <= port <= 65535:
        raise InputError(f"port={port} is not allowed; choose 0 (any free one) to 65535")
    for one in range(FIRST_PORT, LAST_PORT + 1) if port is None else (port,):
        taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host, one))
        except OSError as error:
            taken.close()
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise InputError(
                    f"host {host[:80]} is no address of this machine; choose 127.0.0.1"
                ) from None
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
    log_prompts: bool = False,
    say: Callable[[str], None] = lambda message: None,
) -> None:
    """Serve the explorer until it is interrupted. Requests are not logged: they hold what people read.

    port: default the first free one from 8642 on. say: told the address. Where others can reach the host,
    the address holds a token, and nobody is answered without it. log_prompts: whether what people let the
    model write goes into the log.
    """
    import uvicorn

    listener = bind(host, port)
    token = None if host in LOOPBACK else secrets.token_urlsafe(24)
    address = address_of(host, listener.getsockname()[1], token)
    logs.setLevel(logging.INFO)
    if not logs.handlers:
        logs.addHandler(logging.StreamHandler())
    app = create_app(
        workspace, hosts=names_of(host), addresses=token is not None, token=token, log_prompts=log_prompts
    )
    # uvicorn's own log would quote what an error says, and that may be what somebody wrote
    config = uvicorn.Config(app, log_level="critical", access_log=False, server_header=False, lifespan="on")
    server = uvicorn.Server(config)
    listener.listen(128)
    say(address)
    threading.Thread(target=_warm, args=(workspace,), daemon=True).start()
    if browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    with listener:
        server.run(sockets=[listener])


def address_of(host: str, port: int, token: str | None) -> str:
    """Write the address to open. Where all interfaces are listened on, it names this machine."""
    name = socket.gethostname() if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


def names_of(host: str) -> frozenset[str]:
    """Return the names under which a server that listens on a host answers."""
    if host in LOOPBACK:
        return HOSTS
    return HOSTS | {name.lower() for name in (host, socket.gethostname(), socket.getfqdn())}


def _warm(workspace: Workspace) -> None:
    """Open in the background what the second page will want."""
    try:
        index = workspace.index()
        _ = index.brief, index.tokens, index.vocabulary
        if workspace.run.finished and "torch" not in sys.modules:
            import torch  # noqa: F401  # reading and effects need it; its import takes seconds
    except Exception as error:  # what is wrong is said where it is asked for
        del error
