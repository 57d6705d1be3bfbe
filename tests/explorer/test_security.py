"""Who may ask, and how much: hosts, origins, bodies; where the server listens."""

import pytest
from fastapi.testclient import TestClient

from topklm.core.errors import InputError
from topklm.explorer.serve import bind

from .conftest import client_of


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "10.0.0.1"]
)
def test_another_name_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("host", ["127.0.0.1:1234", "localhost:9", "[::1]:8642", "LOCALHOST"])
def test_the_machines_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/api/v1/run", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_forged_request_changes_nothing(writable, headers: dict[str, str]) -> None:
    client = client_of(writable)
    for answer in (
        client.post("/neuron/L0/N3/note", data={"name": "forged"}, headers=headers),
        client.put("/api/v1/notes/L0/N3", json={"name": "forged"}, headers=headers),
    ):
        assert answer.status_code == 403
    assert client.get("/api/v1/notes").json()["notes"] == {}


def test_a_body_that_is_too_long_is_refused(writable) -> None:
    client = client_of(writable)
    long = "x" * 300_000
    assert client.put("/api/v1/notes/L0/N3", json={"name": "n", "note": long}).status_code == 413
    assert client.put("/api/v1/notes/L0/N3", json={"name": "x" * 121}).status_code == 422
    assert (
        client.put(
            "/api/v1/notes/L0/N3", content=b"{", headers={"content-type": "application/json"}
        ).status_code
        == 422
    )
    assert client.get("/api/v1/notes").json()["notes"] == {}


def test_files_outside_the_package_are_not_served(client: TestClient) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        assert client.get(path).status_code == 404


def test_only_addresses_of_this_machine_can_be_listened_on() -> None:
    with pytest.raises(InputError, match=r"192\.0\.2\.1"):
        bind("192.0.2.1", 0)  # an address that is nobody's
    with pytest.raises(InputError, match="65535"):
        bind("127.0.0.1", 70000)
    with bind("127.0.0.1", 0) as taken:
        assert taken.getsockname()[0] == "127.0.0.1"
        port = taken.getsockname()[1]
        taken.listen()
        with pytest.raises(InputError, match=str(port)):
            bind("127.0.0.1", port)
