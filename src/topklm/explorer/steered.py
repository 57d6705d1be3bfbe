"""Steered texts beside unsteered ones: what was asked made ready, batches written, each token told."""

import codecs
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import InputError
from ..core.files import finite
from .live import Ticket
from .workspace import Workspace

if TYPE_CHECKING:
    from ..features import SteerableSource
    from ..steering import Edit
    from ..steering.concepts import Judge

UNSTEERED = "unsteered"
LONGEST_PROMPT = 2000
"""Characters."""
MOST_TOKENS = 400
"""Tokens written of a text."""
MOST_EDITS = 16


class Writing(NamedTuple):
    """What is to be written after one prompt, ready: the edits are checked, and in plain units."""

    prompt: str
    names: tuple[str, ...]
    """Of each text: `unsteered`, or its edits in words."""
    given: tuple[tuple["Edit", ...], ...]
    resolved: tuple[tuple["Edit", ...], ...]
    lines: tuple[Any, ...]
    """`Line`s."""
    source: "SteerableSource"
    fluency: tuple[str, Any]
    judge: "Judge | None" = None
    concept: str = ""
    marked: frozenset[int] = frozenset()
    """Tokens to be marked where no concept is asked for."""
    logprobs: int = 0
    """So many of the likeliest tokens are told with every token."""


def make_ready(
    workspace: Workspace,
    prompt: str,
    ways: Sequence[Sequence["Edit"]],
    *,
    concept: str = "",
    logprobs: int = 0,
    **options: Any,
) -> Writing:
    """Check all that is asked. ways: the edits of each text, none for an unsteered one; options: of `Line`.

    Raises InputError, before anything waits, where a feature, a strength, an option or a concept is wrong.
    """
    from ..steering.concepts import judge_for
    from ..steering.editing import steer
    from ..steering.writing import top_tokens

    held, index = workspace.writing(), workspace.index_if_any()
    fluency, fluency_model = held.fluency()
    source = held.writing
    resolved = steer(source, rows=ways, index=index).rows
    line = _line(source, prompt, options)
    judge = judge_for(workspace.run) if concept else None
    if judge is not None and concept not in judge.labeller.names:
        raise InputError(f"there is no concept {concept[:60]!r}; GET steer/concepts lists them")
    edited = next((edits for edits in ways if edits), None)
    return Writing(
        prompt=prompt,
        names=tuple(", ".join(map(str, edits)) or UNSTEERED for edits in ways),
        given=tuple(map(tuple, ways)),
        resolved=tuple(map(tuple, resolved)),
        lines=(line,) * len(ways),
        source=source,
        fluency=(workspace.public(fluency), fluency_model),
        judge=judge,
        concept=concept,
        marked=frozenset(top_tokens(index, edited) if index is not None and edited else ()),
        logprobs=logprobs,
    )


def _line(source: "SteerableSource", prompt: str, options: dict[str, Any]) -> Any:
    """Make what is to be continued. Raises InputError where it does not fit the model's context."""
    from ..data.tokenizer import encode_prompt
    from ..evaluation.generation import Line, check_options

    line = Line(encode_prompt(source.tokenizer, prompt), **options)
    check_options(
        len(line.prompt),
        source.context,
        max_new_tokens=line.max_new_tokens,
        temperature=line.temperature,
        seed=line.seed,
    )
    return line


def write(tickets: Sequence[Ticket], give_way: Callable[[], object] = lambda: None) -> None:
    """Write requests together, in as few batches as they have models. give_way: called before each token."""
    for source in {id(ticket.ask.source): ticket.ask.source for ticket in tickets}.values():
        _write([ticket for ticket in tickets if ticket.ask.source is source], source, give_way)


def _write(tickets: list[Ticket], source: "SteerableSource", give_way: Callable[[], object]) -> None:
    from ..evaluation.generation import continue_live
    from ..steering.editing import Steering

    began = time.perf_counter()
    scribes = [Scribe(ticket, source.tokenizer) for ticket in tickets]
    firsts = [sum(ticket.texts for ticket in tickets[:place]) for place in range(len(tickets))]

    def told(chosen: list[int | None], logits: Any) -> set[int]:
        ended: set[int] = set()
        for scribe, first in zip(scribes, firsts, strict=True):
            rows = range(first, first + scribe.ticket.texts)
            if scribe.ticket.gone.is_set():
                ended.update(rows)
            else:
                scribe.take([chosen[row] for row in rows], logits[first : rows.stop])
        give_way()
        return ended

    rows = [edits for ticket in tickets for edits in ticket.ask.resolved]
    with Steering(source, rows, common=False) as model:
        lines = [line for ticket in tickets for line in ticket.ask.lines]
        continue_live(model, source.tokenizer, lines, told)
    for scribe in scribes:
        if not scribe.ticket.gone.is_set():
            scribe.finish(time.perf_counter() - began)


class Scribe:
    """Turns one request's tokens into text, and tells of them."""

    def __init__(self, ticket: Ticket, tokenizer: Any) -> None:
        from ..data.tokenizer import token_bytes

        self.ticket, self.ask = ticket, ticket.ask
        self.bytes = token_bytes(tokenizer)
        self.decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in range(ticket.texts)]
        self.ids: list[list[int]] = [[] for _ in range(ticket.texts)]
        self.pieces: list[list[str]] = [[] for _ in range(ticket.texts)]
        self.broken = [False] * ticket.texts
        rows = [
            {
                "name": name,
                "edits": [one.to_json() for one in given],
                "resolved": [e.to_json() for e in plain],
            }
            for name, given, plain in zip(self.ask.names, self.ask.given, self.ask.resolved, strict=True)
        ]
        ticket.tell("begin", prompt=self.ask.prompt, texts=rows)

    def take(self, chosen: Sequence[int | None], logits: Any) -> None:
        """Tell of a token more of each text. logits: shape (texts, vocabulary)."""
        told = []
        for text, token in enumerate(chosen):
            if token is None:
                self.broken[text] |= not bool(logits[text].isfinite().all())
                continue
            piece = self.decoders[text].decode(self.bytes[token])
            self.ids[text].append(token)
            self.pieces[text].append(piece)
            one: dict[str, Any] = {"text": text, "piece": piece}
            if self.ask.logprobs:
                one |= self._logprobs(token, logits[text])
            told.append(one)
        if told:
            self.ticket.tell("tokens", tokens=told)

    def _logprobs(self, token: int, logits: Any) -> dict[str, Any]:
        shares = logits[: len(self.bytes)].log_softmax(-1)
        top = shares.topk(self.ask.logprobs)
        likeliest = [
            {"token": self._shown(one), "logprob": value}
            for one, value in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ]
        return {"token": self._shown(token), "logprob": float(shares[token]), "top_logprobs": likeliest}

    def _shown(self, token: int) -> str:
        return self.bytes[token].decode("utf-8", "replace")

    def finish(self, seconds: float) -> None:
        """Tell how fluent the texts are, and where their words of the concept stand."""
        from ..evaluation.fluency import continuation_nats, distinct_bigrams, perplexity

        judge, model = self.ask.fluency
        nats = continuation_nats(model, [line.prompt for line in self.ask.lines], self.ids)
        texts = []
        for text, ids in enumerate(self.ids):
            self.pieces[text].append(self.decoders[text].decode(b"", final=True))
            texts.append(
                {
                    "name": self.ask.names[text],
                    "written": "".join(self.pieces[text]),
                    "n_tokens": len(ids),
                    "marks": self._marks(text),
                    "perplexity": perplexity(nats[text : text + 1], [len(ids)]),
                    "distinct": distinct_bigrams(ids),
                    "broken": self.broken[text],
                }
            )
        self.ticket.tell("end", texts=finite(texts), fluency=judge, seconds=round(seconds, 3))

    def _marks(self, text: int) -> list[list[int]]:
        """Return where marked words stand in what was written: [first character, the one after the last]."""
        if self.ask.judge is not None:
            written = "".join(self.pieces[text])
            return [list(span) for span in self.ask.judge.words(written, self.ask.concept)]
        marks, place = [], 0
        for token, piece in zip(self.ids[text], self.pieces[text], strict=False):
            if token in self.ask.marked and piece.strip():
                bare = place + len(piece) - len(piece.lstrip())
                marks.append([bare, place + len(piece)])
            place += len(piece)
        return marks
