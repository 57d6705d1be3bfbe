"""What keeps other people's pages out: the host and origin of a request, headers of every answer.

The server listens on this machine alone. A page elsewhere could still send the browser here: under a name
that it made point to this machine (the Host header gives it away) or with a forged form (the Origin does).
"""

from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Names of this machine, without the port: a tunnel may give it another."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer, our own forms would send the origin null
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_BODY = 256 * 1024
"""Bytes of a request's body."""


class Guard:
    """Refuses requests that are not from this machine's own pages; adds the headers to every answer."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] = HOSTS) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message.setdefault("headers", [])}
                message["headers"] += [
                    (name.encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.encode() not in there
                ]
            await send(message)

        refusal = self.refusal(scope)
        if refusal is None:
            await self.app(scope, _limited(receive), with_headers)
        else:
            status, reason = refusal
            await PlainTextResponse(reason + "\n", status)(scope, receive, with_headers)

    def refusal(self, scope: Any) -> tuple[int, str] | None:
        """Say why a request is refused, and with which status; None where it is not."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if _name(host) not in self.hosts:
            return 421, "this server answers only under the names of its own machine, such as 127.0.0.1"
        if scope["method"] not in SAFE:
            if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                return 403, "a page of another site may change nothing here"
            origin = headers.get("origin")
            if origin is not None and origin.partition("://")[2] != host:
                return 403, "a page of another site may change nothing here"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LONGEST_BODY:
            return 413, f"a request's body may have {LONGEST_BODY:,} bytes"
        return None


def _name(host: str) -> str:
    """Return the host without its port.

    >>> _name("127.0.0.1:8000"), _name("[::1]:8000"), _name("localhost")
    ('127.0.0.1', '[::1]', 'localhost')
    """
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()


def _limited(receive: Receive) -> Receive:
    """End a body that goes on beyond what is allowed, whatever its length was said to be."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LONGEST_BODY:
            return {"type": "http.disconnect"}
        return message

    return limited
