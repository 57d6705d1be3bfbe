"""Who writes when: one thread, one model, waiting requests together; who leaves frees the place.

Nothing here knows of models: `steered.py` says how a batch is written.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from ..core.errors import TopKLMError

WAITING = 64
"""Requests that may wait."""
WRITES = ("/steer", "/steer/completion")
"""How the addresses end that wait for texts."""
COURTESY = 0.05
"""Seconds that a token waits at most for those who read."""
TOGETHER = 32
"""Texts of a batch at most; one request's texts are never split."""


class Full(TopKLMError):
    """Everyone's places are taken."""


class Ticket:
    """One request's place in the queue, and what it is told. Made and read in one event loop."""

    def __init__(self, ask: Any, texts: int) -> None:
        self.ask, self.texts = ask, texts
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gone = threading.Event()
        """Set once nobody waits for it any longer: its texts end at the next token."""
        self._loop = asyncio.get_running_loop()

    def tell(self, kind: str, **content: Any) -> None:
        """Tell whoever waits of something, from any thread."""
        if not self.gone.is_set():
            with suppress(RuntimeError):  # the server has ended, and its loop with it
                self._loop.call_soon_threadsafe(self.events.put_nowait, {"event": kind, **content})


class Readers:
    """Counts requests that are being answered, so that whoever writes lets them go first.

    Reading is short and somebody looks at the page; a text may take a moment longer. Wraps an application.
    """

    def __init__(self, app: ASGIApp, *, quiet: threading.Event) -> None:
        self.app, self.quiet, self._count = app, quiet, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, counted unless it is one that waits for texts."""
        if scope["type"] != "http" or scope["path"].endswith(WRITES):
            await self.app(scope, receive, send)
            return
        self._count += 1
        self.quiet.clear()
        try:
            await self.app(scope, receive, send)
        finally:
            self._count -= 1
            if not self._count:
                self.quiet.set()


Write = Callable[[Sequence[Ticket]], None]
"""Writes a batch of requests, telling each of its texts."""


class Desk:
    """The queue and the one thread that writes.

    desk = Desk(write)
    ticket = desk.take(ask, texts=2)    # raises Full
    await ticket.events.get()           # {"event": "place", "ahead": 3}, ...
    desk.leave(ticket)                  # whatever happened
    """

    def __init__(self, write: Write, *, waiting: int = WAITING, together: int = TOGETHER) -> None:
        self.write, self.most, self.together = write, waiting, together
        self._waiting: list[Ticket] = []
        self._writing: list[Ticket] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def take(self, ask: Any, *, texts: int) -> Ticket:
        """Queue up. Raises Full where as many wait as may."""
        ticket = Ticket(ask, texts)
        with self._changed:
            if len(self._waiting) >= self.most:
                raise Full(f"{self.most} requests wait already; try again in a moment")
            self._waiting.append(ticket)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
                self._thread.start()
            self._tell_places()
            self._changed.notify()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the place up; a text that is being written ends at its next token."""
        ticket.gone.set()
        with self._changed:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                self._tell_places()

    @property
    def busy(self) -> tuple[int, int]:
        """How many requests are being written for someone, and how many wait."""
        with self._changed:
            return sum(not one.gone.is_set() for one in self._writing), len(self._waiting)

    def _tell_places(self) -> None:
        before = len(self._writing)
        for place, ticket in enumerate(self._waiting):
            ticket.tell("place", ahead=before + place)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                self._writing = self._batch()
                self._tell_places()
            try:
                self.write(self._writing)
            except Exception as error:  # one batch's failure is not the next one's
                for ticket in self._writing:
                    ticket.tell("failed", error=error)
            with self._changed:
                self._writing = []

    def _batch(self) -> list[Ticket]:
        """Take those at the front that fit together."""
        taken = [self._waiting.pop(0)]
        texts = taken[0].texts
        while self._waiting and texts + self._waiting[0].texts <= self.together:
            texts += self._waiting[0].texts
            taken.append(self._waiting.pop(0))
        return taken
