"""What keeps others out: the host, origin and token of a request, headers of every answer.

The server listens on this machine alone, unless told otherwise; then it asks everyone for a token. A page
elsewhere could still send the browser here: under a name that it made point to this machine (the Host header
gives it away) or with a forged form (the Origin does).
"""

import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.responses import PlainTextResponse, RedirectResponse, Response
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
COOKIE = "topklm_token"
TOKEN_HEADERS = ("authorization", "x-secret-key")
"""Where a program gives its token: as `Bearer TOKEN`, or as Neuronpedia's clients do."""
ASKS = "this explorer asks for its token: open the address that the terminal shows which runs it"


class Guard:
    """Refuses requests that are not from this machine's own pages; adds the headers to every answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: frozenset[str] = HOSTS,
        addresses: bool = False,
        token: str | None = None,
    ) -> None:
        self.app, self.hosts, self.addresses, self.token = app, hosts, addresses, token

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
        if refusal is not None:
            status, reason = refusal
            await PlainTextResponse(reason + "\n", status)(scope, receive, with_headers)
        elif self.token is not None and not self._knows_token(scope):
            await self._doorkeeper(scope)(scope, receive, with_headers)
        else:
            await self.app(scope, _limited(receive), with_headers)

    def refusal(self, scope: Any) -> tuple[int, str] | None:
        """Say why a request is refused, and with which status; None where it is not."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not (_name(host) in self.hosts or (self.addresses and _is_address(_name(host)))):
            return 421, "this server answers only under the names of its own machine, such as 127.0.0.1"
        if scope["method"] not in SAFE:
            if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                return 403, "a page of another site may change nothing here"
            origin = headers.get("origin")
            if origin is not None and origin.partition("://")[2] != host:
                return 403, "a page of another site may change nothing here"
        if "\0" in scope["path"]:
            return 404, "no path holds a null byte"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LONGEST_BODY:
            return 413, f"a request's body may have {LONGEST_BODY:,} bytes"
        return None

    def _knows_token(self, scope: Scope) -> bool:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = [headers.get(name, "").removeprefix("Bearer ") for name in TOKEN_HEADERS]
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        return any(map(self._right, [*given, cookie.value if cookie else ""]))

    def _right(self, token: str) -> bool:
        """Compare in a time that tells nothing."""
        return secrets.compare_digest(token.encode(), str(self.token).encode())

    def _doorkeeper(self, scope: Scope) -> Response:
        """Let in who brings the token in the address: a cookie keeps it, the address loses it."""
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in asked if name == "token"]
        if scope["method"] not in SAFE or not any(map(self._right, given)):
            return PlainTextResponse(ASKS + "\n", 401, headers={"www-authenticate": "Bearer"})
        rest = urlencode([(name, value) for name, value in asked if name != "token"])
        here = quote(scope["path"].rsplit("/", 1)[-1])
        answer = RedirectResponse("./" + here + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(COOKIE, str(self.token), httponly=True, samesite="strict", path="/")
        return answer


def _is_address(host: str) -> bool:
    """Tell an address from a name: no other site can make an address its own, as it can a name.

    >>> _is_address("192.168.1.7"), _is_address("[fe80::1]"), _is_address("evil.example")
    (True, True, False)
    """
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


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
