"""Where others can reach the server, a token is asked for; logs hold no prompts unless asked."""

import logging
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from topklm.explorer import Workspace, create_app
from topklm.explorer.security import COOKIE
from topklm.explorer.serve import address_of, names_of

from .conftest import BASE

TOKEN = "correct-horse-battery"
EVERYWHERE = "0.0.0.0"  # noqa: S104
ASKED = {"prompt": "The secret cat", "max_new_tokens": 2}


@pytest.fixture
def guarded(explored: Path) -> TestClient:
    app = create_app(Workspace(explored), token=TOKEN, addresses=True)
    return TestClient(app, base_url=BASE, raise_server_exceptions=False)


@pytest.mark.parametrize(
    "path", ["/", "/neurons", "/api/v1/run", "/static/explorer.css", "/v1/steer/completion"]
)
def test_nothing_is_answered_without_the_token(guarded: TestClient, path: str) -> None:
    for answer in (
        guarded.get(path),
        guarded.get(path, params={"token": "wrong"}),
        guarded.get(path, params={"token": "wrøng"}),
        guarded.get(path, params={"token": ""}),
        guarded.get(path, headers={"cookie": f"{COOKIE}=wrong"}),
        guarded.get(path, headers={"authorization": "Bearer wrong"}),
        guarded.post(path, params={"token": TOKEN}),
    ):
        assert answer.status_code == 401
        assert "token" in answer.text
        assert TOKEN not in answer.text


def test_the_address_lets_in_and_loses_its_token(guarded: TestClient) -> None:
    answer = guarded.get(f"/neurons?token={TOKEN}&q=dog", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "./neurons?q=dog"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    page = guarded.get("/neurons?q=dog")
    assert page.status_code == 200
    assert TOKEN not in page.text
    assert guarded.get("/").status_code == 200


@pytest.mark.parametrize("headers", [{"authorization": f"Bearer {TOKEN}"}, {"x-secret-key": TOKEN}])
def test_programs_give_it_as_a_header(guarded: TestClient, headers: dict[str, str]) -> None:
    assert guarded.get("/api/v1/run", headers=headers).status_code == 200
    assert not guarded.cookies


def test_a_token_does_not_open_to_other_sites(guarded: TestClient) -> None:
    right = {"authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/", headers={**right, "host": "evil.example"}).status_code == 421
    assert guarded.get("/", headers={**right, "host": "192.168.1.7:8642"}).status_code == 200
    forged = guarded.post("/api/v1/steer", json=ASKED, headers={**right, "origin": "https://evil.example"})
    assert forged.status_code == 403


def test_a_redirect_stays_on_this_server(guarded: TestClient) -> None:
    for path in ("//evil.example/", "/%2f%2fevil.example", "/a/..//evil.example", "/https:evil.example"):
        answer = guarded.get(f"{BASE}{path}?token={TOKEN}", follow_redirects=False)
        assert answer.headers.get("location", "./").startswith("./")


def test_the_printed_address_is_the_one_that_lets_in() -> None:
    assert address_of("127.0.0.1", 80, None) == "http://127.0.0.1:80/"
    assert address_of("::1", 80, None) == "http://[::1]:80/"
    assert address_of("10.1.2.3", 80, TOKEN) == f"http://10.1.2.3:80/?token={TOKEN}"
    name = address_of(EVERYWHERE, 80, TOKEN).removeprefix("http://").partition(":")[0]
    assert name.lower() in names_of(EVERYWHERE)


@pytest.mark.parametrize("log_prompts", [False, True])
def test_a_log_holds_prompts_only_where_that_was_asked_for(
    explored: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, log_prompts: bool
) -> None:
    caplog.set_level(logging.INFO)
    app = create_app(Workspace(explored), log_prompts=log_prompts)
    client = TestClient(app, base_url=BASE, raise_server_exceptions=False)
    assert client.post("/api/v1/steer", json=ASKED).status_code == 200
    assert "1 of 2 tokens" in caplog.text

    def broken(self: Workspace, text: str, step: int | None = None) -> None:
        raise ValueError(f"cannot read {text}")

    monkeypatch.setattr(Workspace, "reading", broken)
    failed = client.post("/api/v1/read", json={"text": "The secret dog"})
    assert failed.status_code == 500
    assert "secret" not in failed.text
    assert "ValueError" in caplog.text
    assert ("secret cat" in caplog.text) == log_prompts
    assert ("secret dog" in caplog.text) == log_prompts
