"""Hostile input: whatever comes, it is shown as text or refused, and the server goes on."""

import json
import re
import shutil
import socket
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from topklm.explorer import Workspace, create_app
from topklm.index import build_index
from topklm.training import Run

from .browser import served
from .conftest import client_of

TAGS = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{ 7 * 7 }}{% raw %}${7*7}<!--"
JSON = {"content-type": "application/json"}
PLACES = ("/", "/neurons", "/neuron/L0/N3", "/read", "/steer", "/compare", "/trace", "/api")
NAMES = ("q", "prompt", "text", "edit", "concept", "where", "feature", "source", "sort")
POSTED = ("/api/v1/steer", "/api/v1/steer/python", "/v1/steer/completion", "/api/v1/read")


@pytest.fixture(scope="module")
def poisoned(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose indexed text is full of markup."""
    path = tmp_path_factory.mktemp("poisoned") / "run"
    shutil.copytree(trained.path, path)
    text = path.parent / "text.txt"
    text.write_text("\n<|endoftext|>\n".join(f"The cat saw {TAGS} and the dog. {n}" for n in range(60)))
    build_index(path, data=str(text), tokens=2500)
    return path


class Found(HTMLParser):
    """Reads a page as a browser would, and collects what could run something."""

    def __init__(self) -> None:
        super().__init__()
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        bad = [name for name in given if name.startswith("on") or name == "style"]
        bad += [value for value in given.values() if value.strip().lower().startswith("javascript:")]
        if bad or tag in ("img", "iframe", "object") or (tag == "script" and "src" not in given):
            self.active.append(f"{tag} {bad}")


def active(page: str) -> list[str]:
    """Return the elements of a page that could run something."""
    found = Found()
    found.feed(page)
    return found.active


def test_markup_in_a_corpus_is_text_on_every_page(poisoned: Path) -> None:
    client = client_of(poisoned)
    features = [row["feature"] for row in client.get("/api/v1/features?limit=12").json()["features"]]
    for address in (*PLACES, "/neurons?q=script", *(f"/neuron/{feature}" for feature in features)):
        page = client.get(address).text
        assert active(page) == [], address
    examples = "".join(client.get(f"/neuron/{feature}").text for feature in features)
    assert "script" in re.sub(r"<[^>]*>", "", examples)  # it is there, as text


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NAMES)
def test_markup_in_an_address_is_text(client: TestClient, place: str, name: str) -> None:
    answer = client.get(place, params={name: TAGS})
    assert answer.status_code < 500
    assert active(answer.text) == []
    assert "49" not in re.findall(r"alert\(2\).{0,60}", answer.text)


def test_markup_in_a_name_and_a_note_is_text(writable: Path) -> None:
    client = client_of(writable)
    assert client.put("/api/v1/notes/L0/N3", json={"name": TAGS, "note": TAGS}).status_code == 200
    for address in ("/neuron/L0/N3", "/neurons?named=1", "/neurons"):
        page = client.get(address).text
        assert active(page) == []
    assert client.get("/api/v1/notes/L0/N3").json()["note"] == TAGS


def test_markup_in_a_prompt_comes_back_as_data(client: TestClient) -> None:
    answer = client.post("/api/v1/steer", json={"prompt": "<b>{{7*7}}</b>", "max_new_tokens": 2})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert '"prompt": "<b>{{7*7}}</b>"' in answer.text


@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}],
)
def test_a_forged_post_makes_nobody_write(client: TestClient, path: str, headers: dict[str, str]) -> None:
    asked = {"prompt": "The cat", "text": "The cat", "max_new_tokens": 2}
    assert client.post(path, json=asked, headers=headers).status_code == 403
    # as a page elsewhere can send it without being asked first
    plain = client.post(path, content=json.dumps(asked), headers={**headers, "content-type": "text/plain"})
    assert plain.status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"])
def test_a_name_made_to_point_here_gets_nothing(client: TestClient, host: str) -> None:
    for address in ("/", "/api/v1/notes", "/api/v1/steer/queue", "/static/steer.js"):
        assert client.get(address, headers={"host": host}).status_code == 421
    assert client.post("/api/v1/steer", json={"prompt": "x"}, headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2f..%2fpyproject.toml",
        "/static/..%5c..%5capp.py",
        "/static/%00",
        "/static//etc/passwd",
        "/static/%252e%252e/app.py",
        "/neuron/../../etc/passwd",
        "/neuron/..%2f..%2f/N3",
        "/neuron/L0/..%2f..%2fetc%2fpasswd",
        "/api/v1/features/..%2f/etc",
        "/api/v1/concepts/..%2f..%2fetc%2fpasswd",
        "/api/v1/features?source=../../etc",
        "/neurons?source=..%2f..%2f",
        "/neurons?source=%00",
    ],
)
def test_no_path_leads_out(client: TestClient, explored: Path, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 422)
    assert "root:" not in answer.text
    assert "create_app" not in answer.text
    assert str(explored.parent) not in answer.text


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"prompt": "The',
    "no JSON": b"\xff\xfe\x00",
    "no object": b"[]",
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 40_000,
    "a long number": b'{"prompt": "x", "seed": ' + b"9" * 5000 + b"}",
    "not a number": b'{"prompt": "x", "temperature": NaN}',
    "endless": b'{"prompt": "x", "temperature": Infinity}',
    "half a letter": b'{"prompt": "\\ud800", "max_new_tokens": 2}',
    "a null letter": b'{"prompt": "a\\u0000b", "max_new_tokens": 2}',
    "twice": b'{"prompt": "x", "prompt": 3}',
    "many edits": b'{"prompt": "x", "edits": [' + b'{"feature": "L0/N1", "ablate": true},' * 5000 + b"null]}",
}


@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize("name", BODIES)
def test_malformed_json_is_a_mistake_of_the_client(client: TestClient, path: str, name: str) -> None:
    answer = client.post(path, content=BODIES[name], headers=JSON)
    wanted = (200, 400, 422) if name == "a null letter" else (400, 422)
    assert answer.status_code in wanted, answer.text
    assert name == "a null letter" or answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/v1/steer", "/v1/steer/completion", "/api/v1/notes/L0/N3"])
def test_a_huge_body_is_refused_whatever_length_it_claims(client: TestClient, path: str) -> None:
    huge = json.dumps({"prompt": "x" * 1_000_000}).encode()
    method = client.put if "notes" in path else client.post
    assert method(path, content=huge, headers=JSON).status_code == 413

    def in_parts() -> Any:
        for start in range(0, len(huge), 50_000):
            yield huge[start : start + 50_000]

    assert method(path, content=in_parts(), headers=JSON).status_code in (400, 413)


@settings(max_examples=40)
@given(prompt=st.text(min_size=1, max_size=30))
def test_any_prompt_is_written_on_or_refused(client: TestClient, prompt: str) -> None:
    try:
        body = json.dumps({"prompt": prompt, "max_new_tokens": 1})
    except UnicodeEncodeError:
        return
    answer = client.post("/api/v1/steer", content=body, headers=JSON)
    assert answer.status_code in (200, 422)
    assert "event: failed" not in answer.text


POST = b"POST /api/v1/steer HTTP/1.1\r\nHost: 127.0.0.1\r\n"
RAW = {
    "half a line": b"GET / HT",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "nonsense": b"\x16\x03\x01\x02\x00\x01\x00\x01",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 9\r\n\r\n{}",
    "half a body": POST + b"Content-Length: 500\r\n\r\n{",
    "half a part": POST + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
    "long header": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
}


@pytest.fixture(scope="module")
def raw_address(explored: Path) -> Any:
    with served(create_app(Workspace(explored))) as found:
        yield found


@pytest.mark.parametrize("name", RAW)
def test_a_broken_connection_leaves_the_server_as_it_was(raw_address: str, name: str) -> None:
    port = int(raw_address.rstrip("/").rsplit(":", 1)[1])
    said = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as line,
        suppress(ConnectionError, OSError),
    ):
        line.sendall(RAW[name])
        line.shutdown(socket.SHUT_WR)
        while part := line.recv(65536):
            said += part
    assert b" 500 " not in said[:20]
    queue = httpx.get(raw_address + "api/v1/steer/queue").json()
    assert (queue["writing"], queue["waiting"]) == (0, 0)
