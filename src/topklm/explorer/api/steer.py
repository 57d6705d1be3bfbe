"""Steering, as events while it is written, as a Python snippet, as a file of edits."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from ...core.errors import InputError, TopKLMError
from ..depends import Explored
from ..live import Desk, Ticket
from ..steered import LONGEST_PROMPT, MOST_EDITS, MOST_TOKENS, Writing, make_ready
from ..workspace import Workspace

router = APIRouter(tags=["steer"])
LOOK = 0.25
"""Seconds between looks whether the client is still there."""
EVENTS = """Events, each with JSON as its data.
place: `ahead`, how many requests are written before this one.
begin: `prompt`, and each of `texts` with its edits as given and in plain units.
tokens: of `tokens`, each is a `piece` of the text of number `text`.
end: each of `texts`: what was `written`, the `marks`, `perplexity` under `fluency`, `distinct` (distinct-2).
failed: `error`."""
MOST = 1e6
Size = Annotated[float, Field(ge=-MOST, le=MOST, allow_inf_nan=False)]
Times = Annotated[str, Field(pattern=r"^-?[0-9]{1,4}(\.[0-9]{1,4})?x$", examples=["2x"])]


class Change(BaseModel):
    """One edit, as in a file of edits: exactly one of set_to, add, scale and ablate."""

    model_config = ConfigDict(extra="forbid")
    feature: str = Field(max_length=24, examples=["L1/N17"])
    set_to: Size | Times | None = None
    add: Size | Times | None = None
    scale: Size | None = None
    ablate: bool = False
    positions: str = Field("all", pattern=r"^(all|prompt|generated|[0-9]{0,6}:[0-9]{0,6})$")
    before_topk: bool = False
    keep_k: bool = False


class Asked(BaseModel):
    """A prompt, edits, and how to write on."""

    model_config = ConfigDict(extra="forbid")
    prompt: str = Field(min_length=1, max_length=LONGEST_PROMPT)
    edits: list[Change] = Field(default_factory=list, max_length=MOST_EDITS)
    ladder: bool = Field(False, description="Write at rising strengths, 0.25x to 4x, of one edit.")
    concept: str = Field("", max_length=80, description="Its words are marked; else the neuron's top tokens.")
    max_new_tokens: int = Field(60, ge=1, le=MOST_TOKENS)
    temperature: float = Field(0.8, ge=0, le=100, allow_inf_nan=False)
    seed: int = Field(0, ge=0, lt=2**63)

    def ways(self) -> list[list[Any]]:
        """Return the edits of each text, the unsteered one first."""
        from ...steering.edits import Edit
        from ...steering.writing import ladder

        edits = [Edit.from_json(one.model_dump(exclude_defaults=True)) for one in self.edits]
        if self.ladder:
            return [[], *([one] for one in ladder(edits))]
        return [[], edits] if edits else [[]]

    def ready(self, workspace: Workspace) -> Writing:
        """Check it against the run. Raises InputError."""
        if 0 < self.temperature < 1e-3:
            raise InputError(f"temperature={self.temperature} is not allowed; choose 0, or 0.001 to 100")
        return make_ready(
            workspace,
            self.prompt,
            self.ways(),
            concept=self.concept,
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            seed=self.seed,
        )


class Stream(StreamingResponse):
    """Server-sent events of a ticket; its place is freed whenever and however the answer ends."""

    def __init__(self, desk: Desk, ticket: Ticket, content: AsyncIterator[str]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(content, media_type="text/event-stream", headers=headers)
        self.desk, self.ticket = desk, ticket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what there is to tell."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.desk.leave(self.ticket)


def desk_of(request: Request) -> Desk:
    """Return the application's queue."""
    found: Desk = request.app.state.desk
    return found


async def events_of(request: Request, ticket: Ticket) -> AsyncIterator[dict[str, Any] | None]:
    """Yield what a ticket is told, until it is finished or the client has gone; None now and then."""
    looked = time.monotonic()
    while True:
        try:
            event = await asyncio.wait_for(ticket.events.get(), LOOK)
        except TimeoutError:
            event = None
        if time.monotonic() - looked >= LOOK:
            looked = time.monotonic()
            if await request.is_disconnected():
                return
        last = event is not None and event["event"] in ("end", "failed")
        yield event
        if last:
            return


async def _lines(request: Request, ticket: Ticket) -> AsyncIterator[str]:
    quiet = 0
    async for event in events_of(request, ticket):
        quiet = quiet + 1 if event is None else 0
        if event is None:
            if quiet % 40 == 0:
                yield ": still here\n\n"
            continue
        if event["event"] == "failed":
            event = {"event": "failed", "error": told(request, event["error"])}
        yield f"event: {event.pop('event')}\ndata: {json.dumps(event)}\n\n"


def told(request: Request, error: Exception) -> str:
    """Say what went wrong while writing, without what only the terminal should show."""
    if isinstance(error, TopKLMError):
        return str(request.app.state.workspace.public(str(error)))
    return str(request.app.state.log.failed(error))


def queue_up(request: Request, ready: Writing) -> Ticket:
    """Take a place. Raises Full."""
    ticket = desk_of(request).take(ready, texts=len(ready.names))
    request.app.state.log.steered(ready)
    return ticket


@router.post(
    "/steer",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
            "description": EVENTS,
        },
        503: {"description": "Too many wait already."},
    },
)
async def steer(request: Request, workspace: Explored, asked: Annotated[Asked, Body()]) -> StreamingResponse:
    """Write on from a prompt, unsteered and steered, all texts at once with the same seed."""
    ready = await run_in_threadpool(asked.ready, workspace)
    ticket = queue_up(request, ready)
    return Stream(desk_of(request), ticket, _lines(request, ticket))


@router.post("/steer/{form}")
def settings(
    workspace: Explored, form: Literal["python", "edits"], asked: Annotated[Asked, Body()]
) -> dict[str, Any]:
    """Write what was asked as a Python snippet that writes the same text, or as a file of edits."""
    from ...steering.edits import edits_file

    edits = asked.model_copy(update={"ladder": False}).ready(workspace).given[-1]
    if form == "edits":
        return edits_file(edits)
    return {"python": snippet(workspace.name, asked, edits)}


def snippet(run: str, asked: Asked, edits: Any) -> str:
    """Write Python that steers as asked."""
    changes = [
        ", ".join([repr(one.pop("feature")), *(f"{name}={value!r}" for name, value in one.items())])
        for one in (edit.to_json() for edit in edits)
    ]
    return "\n".join(
        [
            "import topklm",
            "from topklm.evaluation.generation import write",
            "",
            f"loaded = topklm.load({run!r})  # where the run lies",
            f"prompt = {asked.prompt!r}",
            f"options = dict(max_new_tokens={asked.max_new_tokens}, temperature={asked.temperature!r}, "
            f"seed={asked.seed})",
            "edits = [",
            *(f"    topklm.Edit({one})," for one in changes),
            "]",
            "print(prompt + write(loaded.model, loaded.tokenizer, prompt, **options))",
            "with topklm.steer(loaded, edits) as model:",
            "    print(prompt + write(model, loaded.tokenizer, prompt, **options))",
            "",
        ]
    )


@router.get("/steer/concepts")
def concepts(workspace: Explored) -> dict[str, Any]:
    """List the concepts whose words can be marked."""
    from ...steering.concepts import judge_for

    judge = judge_for(workspace.run)
    return {"judge": judge.name, "concepts": list(judge.labeller.names)}


@router.get("/steer/queue")
def queue(request: Request) -> dict[str, int]:
    """Say how many requests are being written, how many wait, and how many may."""
    desk = desk_of(request)
    writing, waiting = desk.busy
    return {"writing": writing, "waiting": waiting, "most_waiting": desk.most}
