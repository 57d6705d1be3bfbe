"""Steering as Neuronpedia's inference server is asked for it, so that its clients work here too.

Schema: its OpenAPI document (github.com/hijohnnylin/neuronpedia, schemas/openapi/inference). A source is
named as in our export: `3-topk` is layer 3 of the run's own neurons. Not taken: vectors of one's own.
"""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from ...core.errors import InputError
from ..depends import Explored
from ..live import Ticket
from ..steered import LONGEST_PROMPT, MOST_EDITS, MOST_TOKENS, Writing, make_ready
from ..workspace import Workspace
from .steer import Size, Stream, desk_of, events_of, queue_up, told

router = APIRouter(prefix="/v1", tags=["Neuronpedia"])
Kind = Literal["STEERED", "DEFAULT"]


class Feature(BaseModel):
    """A neuron and how strongly it is steered, in units of its activation."""

    model: str = Field(max_length=200, description="Taken as it comes: this server has one model.")
    source: str = Field(pattern=r"^[0-9]{1,3}-topk$", examples=["1-topk"])
    index: int = Field(ge=0, lt=2**31)
    strength: Size


class Completion(BaseModel):
    """A request of Neuronpedia's `/v1/steer/completion`."""

    prompt: str = Field(min_length=1, max_length=LONGEST_PROMPT)
    model: str = Field(max_length=200)
    steer_method: Literal["SIMPLE_ADDITIVE", "ORTHOGONAL_DECOMP"] = Field(
        description="Add to the neuron's activation; or set it, whatever it is."
    )
    normalize_steering: bool = Field(description="Changes nothing: a neuron's direction has length 1.")
    types: list[Kind] = Field(min_length=1, max_length=2)
    features: list[Feature] | None = Field(None, max_length=MOST_EDITS)
    vectors: list[dict[str, Any]] | None = Field(None, max_length=0, description="None are taken.")
    n_completion_tokens: int = Field(ge=1, le=MOST_TOKENS)
    temperature: float = Field(ge=0, le=100, allow_inf_nan=False)
    strength_multiplier: Size
    freq_penalty: float = Field(ge=-100, le=100, allow_inf_nan=False)
    seed: float = Field(ge=0, lt=2**53, allow_inf_nan=False, description="Its whole part counts.")
    stream: bool | None = False
    n_logprobs: int | None = Field(0, ge=0, le=10)

    def ready(self, workspace: Workspace) -> Writing:
        """Check it against the run. Raises InputError."""
        from ...steering.edits import Edit

        if "STEERED" in self.types and not self.features:
            raise InputError(
                "features is empty; give at least one to steer, or ask for the type DEFAULT alone"
            )
        action = "add" if self.steer_method == "SIMPLE_ADDITIVE" else "set_to"
        edits = [
            Edit.from_json(
                {
                    "feature": f"L{one.source.removesuffix('-topk')}/N{one.index}",
                    action: one.strength * self.strength_multiplier,
                }
            )
            for one in self.features or ()
        ]
        return make_ready(
            workspace,
            self.prompt,
            [edits if kind == "STEERED" else [] for kind in self.types],
            logprobs=self.n_logprobs or 0,
            max_new_tokens=self.n_completion_tokens,
            temperature=max(self.temperature, 1e-3) if self.temperature else 0.0,
            seed=int(self.seed),
            penalty=self.freq_penalty,
        )


class Logprob(BaseModel):
    """A token with its log-probability, in nats."""

    token: str
    logprob: float


class Chosen(Logprob):
    """The token that was written, beside the likeliest."""

    top_logprobs: list[Logprob]


class Output(BaseModel):
    """A text: the prompt and what was written after it."""

    type: Kind
    output: str
    logprobs: list[Chosen] | None = None


class Completed(BaseModel):
    """The texts, in the order asked for."""

    outputs: list[Output]


@router.post(
    "/steer/completion",
    response_model=Completed,
    response_model_exclude_none=True,
    responses={503: {"description": "Too many wait already."}},
)
async def completion(request: Request, workspace: Explored, asked: Annotated[Completion, Body()]) -> Response:
    """Complete a prompt, steered and unsteered; `stream` sends all so far, again and again."""
    ready = await run_in_threadpool(asked.ready, workspace)
    desk, ticket = desk_of(request), queue_up(request, ready)
    if asked.stream:
        return Stream(desk, ticket, _messages(request, ticket, asked))
    answer: dict[str, Any] = {"outputs": []}
    try:
        async for found in _states(request, ticket, asked):
            answer = found
    finally:
        desk.leave(ticket)
    return JSONResponse(answer)


async def _messages(request: Request, ticket: Ticket, asked: Completion) -> AsyncIterator[str]:
    try:
        async for found in _states(request, ticket, asked):
            yield f"data: {json.dumps(found)}\n\n"
    except Exception as error:
        yield f"data: {json.dumps({'error': told(request, error)})}\n\n"


async def _states(request: Request, ticket: Ticket, asked: Completion) -> AsyncIterator[dict[str, Any]]:
    """Yield the answer as far as it is written, after each token and once more at the end."""
    outputs: list[dict[str, Any]] = [{"type": kind, "output": asked.prompt} for kind in asked.types]
    if asked.n_logprobs:
        outputs = [{**one, "logprobs": []} for one in outputs]
    async for event in events_of(request, ticket):
        if event is None or event["event"] in ("place", "begin"):
            continue
        if event["event"] == "failed":
            raise event["error"]
        if event["event"] == "end":
            for one, text in zip(outputs, event["texts"], strict=True):
                one["output"] = asked.prompt + text["written"]
        for token in event.get("tokens", ()):
            one = outputs[token.pop("text")]
            one["output"] += token.pop("piece")
            if token:
                one["logprobs"].append(token)
        yield {"outputs": outputs}
