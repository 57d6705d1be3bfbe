"""The queue: places, limits, batches; and over a real socket: who leaves frees the place within a second."""

import asyncio
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from topklm.explorer import Workspace, create_app
from topklm.explorer.live import Desk, Full, Readers, Ticket

from .browser import served


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scene in a thread of its own: a browser's tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(scene())).result()


class Hand:
    """Writes batches when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.go = threading.Semaphore(0)
        self.began = threading.Semaphore(0)

    def __call__(self, tickets: Sequence[Ticket]) -> None:
        self.batches.append([ticket.ask for ticket in tickets])
        self.began.release()
        self.go.acquire()
        for ticket in tickets:
            if ticket.ask == "bad":
                raise ValueError("broken")
            ticket.tell("end")


async def told(ticket: Ticket, kind: str, **content: Any) -> bool:
    """Wait until a ticket is told of something."""
    async with asyncio.timeout(10):
        while await ticket.events.get() != {"event": kind, **content}:
            pass
    return True


def test_those_who_wait_are_told_their_place_and_written_together() -> None:
    async def scene() -> None:
        hand = Hand()
        desk = Desk(hand, waiting=3, together=4)
        first = desk.take("a", texts=2)
        await asyncio.to_thread(hand.began.acquire)
        others = [desk.take(name, texts=2) for name in "bcd"]
        with pytest.raises(Full, match="3 requests"):
            desk.take("e", texts=1)
        for place, ticket in enumerate(others, 1):
            assert await told(ticket, "place", ahead=place)
        desk.leave(others[0])
        assert await told(others[1], "place", ahead=1)
        assert await told(others[2], "place", ahead=2)
        assert desk.busy == (1, 2)
        hand.go.release(2)
        assert await told(first, "end")
        assert await told(others[2], "end")
        assert hand.batches == [["a"], ["c", "d"]]

    play(scene)


def test_a_batch_that_fails_does_not_stop_the_next() -> None:
    async def scene() -> None:
        hand = Hand()
        desk = Desk(hand, together=1)
        bad, good = desk.take("bad", texts=1), desk.take("good", texts=1)
        hand.go.release(2)
        assert await told(good, "end")
        kinds = [bad.events.get_nowait()["event"] for _ in range(bad.events.qsize())]
        assert kinds[-1] == "failed"

    play(scene)


@pytest.fixture(scope="module")
def address(explored: Path) -> Iterator[str]:
    """A real server on a free port."""
    with served(create_app(Workspace(explored))) as found:
        yield found.rstrip("/")


LONG = {
    "prompt": "The cat",
    "edits": [{"feature": "L0/N3", "set_to": 9}],
    "max_new_tokens": 400,
    "ladder": False,
}


def soon(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is true."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if true():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a text take its time: half a minute, unless it is ended between two tokens."""
    from topklm.explorer.steered import Scribe

    take = Scribe.take
    monkeypatch.setattr(Scribe, "take", lambda *given: (time.sleep(0.4), take(*given)))


def queue(address: str) -> dict[str, int]:
    return httpx.get(f"{address}/api/v1/steer/queue").json()


def test_a_closed_tab_frees_its_place_within_a_second(address: str, slowly: None) -> None:
    with (
        httpx.stream("POST", f"{address}/api/v1/steer", json=LONG, timeout=60) as first,
        httpx.stream("POST", f"{address}/api/v1/steer", json=LONG, timeout=60) as second,
    ):
        lines = first.iter_lines()  # held: what is thrown away closes the stream
        assert any(line == "event: tokens" for line in lines)
        assert queue(address)["writing"] + queue(address)["waiting"] == 2
        second.close()
        first.close()
        left = time.monotonic()
        assert soon(lambda: sum(list(queue(address).values())[:2]) == 0, 1.0)
    with httpx.stream(
        "POST", f"{address}/api/v1/steer", json={**LONG, "max_new_tokens": 1}, timeout=60
    ) as next_:
        assert any(line == "event: begin" for line in next_.iter_lines())
        assert time.monotonic() - left < 5  # nobody waits for texts that nobody reads


def test_neuronpedias_client_that_leaves_frees_its_place_too(address: str, slowly: None) -> None:
    from .test_steer import COMPLETION

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{address}/v1/steer/completion", json={**COMPLETION, "n_completion_tokens": 400}, timeout=1.0
        )
    assert soon(lambda: queue(address)["writing"] == 0, 1.0)


@pytest.mark.parametrize("whole", [True, False])
def test_a_half_closed_connection_frees_its_place(address: str, slowly: None, whole: bool) -> None:
    body = json.dumps(LONG).encode()
    head = (
        f"POST /api/v1/steer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1]))) as line:
        line.sendall(head + (body if whole else body[:10]))
        if whole:
            assert soon(lambda: queue(address)["writing"] == 1, 30)
        line.shutdown(socket.SHUT_WR)
        assert soon(lambda: queue(address)["writing"] == 0, 1.0)
    assert httpx.get(f"{address}/api/v1/run").status_code == 200


def test_a_page_is_read_while_texts_are_written(address: str, slowly: None) -> None:
    with httpx.stream("POST", f"{address}/api/v1/steer", json=LONG, timeout=60) as stream:
        lines = stream.iter_lines()  # held: what is thrown away closes the stream
        assert any(line == "event: tokens" for line in lines)
        began = time.monotonic()
        read = httpx.post(
            f"{address}/api/v1/read", json={"text": "The cat and the dog.", "top": 2}, timeout=60
        )
        assert read.status_code == 200
        assert time.monotonic() - began < 20
        assert queue(address)["writing"] == 1


def fired(tokens: list[dict[str, Any]]) -> dict[tuple[int, str, str], float]:
    """Activations by place, token and feature."""
    return {
        (place, one["token"], firing["feature"]): firing["activation"]
        for place, one in enumerate(tokens)
        for firings in one["firings"].values()
        for firing in firings
    }


def test_an_edit_in_force_changes_nothing_for_those_who_read(address: str, slowly: None) -> None:
    text = {"text": "The cat went to the wood.", "top": 5}
    before = httpx.post(f"{address}/api/v1/read", json=text, timeout=60).json()
    with httpx.stream("POST", f"{address}/api/v1/steer", json=LONG, timeout=60) as stream:
        lines = stream.iter_lines()  # held: what is thrown away closes the stream
        assert any(line == "event: tokens" for line in lines)
        other = {**text, "text": text["text"] + " "}  # what was read is kept, so another text
        during = httpx.post(f"{address}/api/v1/read", json=other, timeout=60).json()
    here, then = (fired(one["tokens"][: len(before["tokens"]) - 1]) for one in (during, before))
    assert here.keys() == then.keys()
    # a longer text is added up in another order on some machines
    assert [here[one] for one in then] == pytest.approx(list(then.values()), rel=1e-5)


def test_texts_read_at_once_do_not_see_each_other(explored: Path) -> None:
    texts = [f"The {one} went to the {two}." for one in ("cat", "dog", "hen") for two in ("wood", "barn")]

    def read(workspace: Workspace, text: str) -> list[Any]:
        reading = workspace.reading(text)
        told = [reading.strongest(place, 0, top=5) for place in range(len(reading.tokens))]
        return [told, workspace.predictions(reading, 2)]

    workspace, alone = Workspace(explored), Workspace(explored)
    workspace.model()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda text: read(workspace, text), [f"{text} " for text in texts] + texts))
    assert together[len(texts) :] == [read(alone, text) for text in texts]


def test_those_who_read_go_before_those_who_write() -> None:
    quiet = threading.Event()
    quiet.set()
    seen: list[bool] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        seen.append(quiet.is_set())
        if scope["path"] == "/bad":
            raise ValueError("broken")

    async def scene() -> None:
        app = Readers(answer, quiet=quiet)
        for path in ("/neurons", "/api/v1/steer", "/v1/steer/completion"):
            await app({"type": "http", "path": path}, None, None)  # type: ignore[arg-type]
            assert quiet.is_set()
        with pytest.raises(ValueError, match="broken"):
            await app({"type": "http", "path": "/bad"}, None, None)  # type: ignore[arg-type]
        assert quiet.is_set()

    play(scene)
    assert seen == [False, True, True, False]


def test_an_effect_does_not_wait_long_for_another(explored: Path) -> None:
    workspace = Workspace(explored)
    held = workspace.writing()
    with held.probing_turn, pytest.raises(Full, match="another effect"):
        workspace.effect("L0/N3")
    assert workspace.effect("L0/N3").feature == "L0/N3"


def test_models_and_readings_are_those_of_the_weights_that_are_there(explored: Path, tmp_path: Path) -> None:
    path = shutil.copytree(explored, tmp_path / "run")
    workspace = Workspace(path)
    first, second = workspace.checkpoints[:2]
    own = workspace.model()
    for step in (first, second, first):
        workspace.model(step)
        assert workspace.model() is own  # a checkpoint makes room for another one, not the run's own model
    read = workspace.reading("The cat went.")
    assert workspace.reading("The cat went.") is read
    os.utime(path / "model.safetensors", ns=(1, 1))
    assert workspace.reading("The cat went.") is not read
    assert workspace.model() is not own
