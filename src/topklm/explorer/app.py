"""The web application: routers put together, files served, errors answered for people and for programs."""

import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from .. import __version__
from ..core.errors import InputError, TopKLMError
from .api import neuronpedia
from .api import routers as api_routers
from .live import COURTESY, Desk, Full, Readers
from .logs import Log
from .pages import routers as page_routers
from .render import answer, shades
from .security import HOSTS, Guard
from .steered import write
from .workspace import Missing, Workspace

STATIC = Path(__file__).parent / "static"
API = "/api/v1"
THREADS = 4
"""Requests that are answered at once; the others wait their turn."""
SWITCH = 0.0005
"""Seconds after which a thread that waits for the interpreter gets it. A model's every operation gives it up,
so that at the usual 0.005 a token takes seconds while others read."""
JSON = (API, "/v1/")
"""Where programs ask."""


def create_app(
    workspace: Workspace,
    *,
    hosts: frozenset[str] = HOSTS,
    addresses: bool = False,
    token: str | None = None,
    log_prompts: bool = False,
) -> FastAPI:
    """Make the application for one run. hosts: names under which it answers, without a port.

    addresses: whether it also answers under any address in numbers. token: what everyone must know.
    log_prompts: whether logs may hold what people write.

    app = create_app(Workspace("runs/quickstart"))
    """
    app = FastAPI(
        title="topklm explorer",
        version=__version__,
        description="All that the explorer's pages show, as JSON.",
        openapi_url=f"{API}/openapi.json",
        lifespan=_few_threads,
        docs_url=None,  # Swagger's page loads its script from elsewhere
        redoc_url=None,
    )
    app.state.workspace = workspace
    app.state.log = Log(prompts=log_prompts)
    quiet = threading.Event()
    quiet.set()
    app.state.desk = Desk(partial(write, give_way=partial(quiet.wait, COURTESY)))
    for router in api_routers:
        app.include_router(router, prefix=API)
    app.include_router(neuronpedia.router)
    for router in page_routers:
        app.include_router(router, include_in_schema=False)

    @app.get("/static/shades.css", include_in_schema=False)
    def shades_css() -> Response:
        return PlainTextResponse(shades(), media_type="text/css")

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Readers, quiet=quiet)
    app.add_middleware(Guard, hosts=hosts, addresses=addresses, token=token)
    _answer_errors(app, workspace)
    return app


@asynccontextmanager
async def _few_threads(app: FastAPI) -> AsyncIterator[None]:
    """Let few threads answer at once: many would only take the interpreter from each other."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    yield
    sys.setswitchinterval(before)


def _answer_errors(app: FastAPI, workspace: Workspace) -> None:
    """Answer errors as pages, or as JSON below the API; no path of this machine, no traceback."""

    def told(request: Request, status: int, title: str, message: str, command: str = "") -> Response:
        message = workspace.public(message)
        if request.url.path.startswith(JSON):
            return JSONResponse({"error": message, **({"command": command} if command else {})}, status)
        depth = request.url.path.count("/") - 1
        return answer(
            workspace,
            "error.html",
            "error",
            depth=depth,
            status=status,
            title=title,
            message=message,
            command=command,
        )

    @app.exception_handler(TopKLMError)
    def known(request: Request, error: TopKLMError) -> Response:
        if isinstance(error, Full):
            return told(request, 503, "Too many at once", str(error))
        if isinstance(error, Missing):
            return told(request, 404, "Not there yet", str(error), error.command)
        if isinstance(error, InputError):
            return told(request, 422, "That does not work", str(error))
        return told(request, 500, "That failed", str(error))

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        title = "There is no such page" if error.status_code == 404 else "That does not work"
        return told(request, error.status_code, title, str(error.detail))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        return told(request, 422, "That does not work", f"{where}: {first['msg']}")

    @app.exception_handler(Exception)
    def unknown(request: Request, error: Exception) -> Response:
        return told(request, 500, "That failed", app.state.log.failed(error))
