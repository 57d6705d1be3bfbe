"""Names for features: automatic ones, and ones from an endpoint that may fail in every way."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from planted import (
    ABSORBED,
    ABSORBER,
    CONCEPTS,
    DEAD,
    MOOD,
    NOISE,
    PERFECT,
    SPLIT,
    WIDTH,
    nothing_planted,
    planted,
)
from topklm.concepts.namer import Namer, NamerError, Shown, ask_names, examples_of
from topklm.concepts.naming import NO_NAME, name_features
from topklm.core.errors import InputError
from topklm.metrics.batch import Batch, halves
from topklm.metrics.firings import FiringSample
from topklm.metrics.rules import rule_f1, top_types
from topklm.metrics.scores import concept_scores
from topklm.model import SparseCodes


def decode(token: int) -> str:
    return f"w{token}"


def test_planted_features_get_their_names_and_noise_none() -> None:
    names = name_features(planted().batch, CONCEPTS, decode)
    assert (names[PERFECT].text, names[PERFECT].kind, names[PERFECT].score) == ("colour", "concept", 1)
    assert (names[MOOD].text, names[MOOD].kind) == ("mood", "concept")
    assert (names[ABSORBER].text, names[ABSORBER].kind) == (f"'w{ABSORBED}'", "tokens")
    assert names[SPLIT].text in ("'w1', 'w2'", "'w2', 'w1'")
    assert {names[feature].text for feature in (*NOISE, DEAD)} == {NO_NAME}
    assert max(names[feature].score for feature in NOISE) < 0.3
    assert names[DEAD].n == 0


def test_where_nothing_is_planted_nothing_is_named() -> None:
    assert {name.kind for name in name_features(nothing_planted().batch, CONCEPTS, decode)} == {"none"}


def test_a_feature_that_foresees_a_token_is_named_by_what_comes() -> None:
    text = planted().batch
    dense = torch.zeros(len(text.codes), WIDTH)
    dense[:-1, 0] = (text.token_ids[1:] == 33).float()
    batch = text._replace(codes=SparseCodes.from_dense(dense))
    promoted = torch.tensor([[33, 34, 35]]).repeat(WIDTH, 1)
    name = name_features(batch, CONCEPTS, decode, promoted=promoted)[0]
    assert (name.text, name.kind) == ("before 'w33'", "next tokens")
    assert name.score > 0.95  # but for the last tokens of documents


@given(st.integers(0, 1_000))
@settings(max_examples=20, deadline=None)
def test_a_rule_scores_as_a_concept_of_the_same_tokens_would(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    dense = torch.randint(-1, 4, (60, 2), generator=g).float()
    ids = torch.randint(0, 5, (60,), generator=g)
    documents = torch.arange(60) // 6
    rule = torch.tensor([[1, 3], [0, -1]])  # the first token type is one as any other
    carries = torch.stack([ids == 1, torch.isin(ids, torch.tensor([1, 3])), ids == 0], dim=1)
    batch = Batch(SparseCodes.from_dense(dense), ids, documents, SparseCodes.from_dense(carries.float()))
    expected = concept_scores(batch).f1
    found = rule_f1(batch, rule).f1
    torch.testing.assert_close(found[:, 0, 0], expected[:, 0, 0])
    torch.testing.assert_close(found[:, 1, 0], expected[:, 0, 1])
    for rank in (0, 1):
        torch.testing.assert_close(found[:, rank, 1], expected[:, 1, 2])


def test_top_types_are_those_of_one_half() -> None:
    text = planted().batch
    found = top_types(text, count=5, half=0)
    assert set(found[PERFECT].tolist()) == {1, 2, 3, 4, -1}
    assert found[DEAD].tolist() == [-1] * 5
    half = halves(text.documents)
    chosen = torch.from_numpy(half == 0) & (text.codes.to_dense()[:, NOISE[0]] > 0)
    assert int(found[NOISE[0], 0]) in text.token_ids[chosen].tolist()


Answer = Callable[[str], tuple[int, bytes]]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Start a server that answers a prompt by a function; gives its URL."""
    servers = []

    def start(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                seen.append((self.path, dict(self.headers), content))
                status, body = answer(content["messages"][0]["content"])
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        seen: list[tuple[str, dict[str, str], dict[str, object]]] = []
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.seen = seen  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        server.handle_error = lambda *_: None  # a client that hangs up is what some tests are about
        servers.append(server)
        start.seen = seen  # type: ignore[attr-defined]
        return f"http://127.0.0.1:{server.server_address[1]}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def chat(text: object) -> tuple[int, bytes]:
    return 200, json.dumps({"choices": [{"message": {"content": text}}]}).encode()


SHOWN = Shown(["a <<cat>>", "my <<cat>>"], ["the <<cat>>", "a <<dog>>", "no <<cat>>", "<<I>>"],
              [True, False, True, False])  # fmt: skip


def test_an_endpoints_name_is_scored_by_detection(serve: Callable[[Answer], str]) -> None:
    def clever(prompt: str) -> tuple[int, bytes]:
        return chat("fits: [1, 3]") if "numbered" in prompt else chat('"the word cat"\n')

    (name,) = ask_names(Namer(serve(clever), model="m", api_key="k"), {7: SHOWN})
    assert (name.feature, name.text, name.kind, name.score, name.n) == (7, "the word cat", "endpoint", 1.0, 4)
    path, headers, content = serve.seen[0]  # type: ignore[attr-defined]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer k"
    assert content["model"] == "m"


def test_a_name_that_does_not_tell_is_no_good_name(serve: Callable[[Answer], str]) -> None:
    (name,) = ask_names(Namer(serve(lambda p: chat("[1, 2]" if "numbered" in p else "things"))), {7: SHOWN})
    assert (name.text, name.kind, name.score) == (NO_NAME, "none", 0.5)


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>not json</html>"),
        (200, b"[" * 100_000),
        (200, b'{"choices": []}'),
        (200, b'{"choices": [{"message": {"content": null}}]}'),
        (200, b'["a"]'),
        (200, b"\xff\xfe"),
        (200, b" " * 1_100_000),
        (500, b"oops"),
        (404, b""),
        chat(""),
        chat("x" * 500),
        chat("two\nlines"),
    ],
)
def test_an_endpoint_that_answers_nonsense_is_said_and_left_alone(
    serve: Callable[[Answer], str], answer: tuple[int, bytes]
) -> None:
    said: list[str] = []
    shown = dict.fromkeys(range(6), SHOWN)
    assert ask_names(Namer(serve(lambda _: answer)), shown, say=said.append) == []
    assert len(said) == 4  # three failures, and that it is left alone
    assert "left alone" in said[-1]
    assert not any("\n" in message for message in said)


def test_one_failure_does_not_cost_the_others_their_names(serve: Callable[[Answer], str]) -> None:
    asked = []

    def moody(prompt: str) -> tuple[int, bytes]:
        asked.append(prompt)
        if len(asked) in (1, 3):  # the first name, and the second detection
            return chat("[9, 10]") if "numbered" in prompt else (503, b"")
        return chat("[1, 3]") if "numbered" in prompt else chat("cat")

    names = ask_names(Namer(serve(moody)), dict.fromkeys(range(4), SHOWN))
    assert [name.feature for name in names] == [2, 3]


def test_an_endpoint_that_is_down_or_slow_is_not_waited_for(serve: Callable[[Answer], str]) -> None:
    with pytest.raises(NamerError, match="no answer"):
        Namer("http://127.0.0.1:9", timeout=5).ask("x")
    with pytest.raises(NamerError, match="no answer"):
        Namer("http://localhost:abc/v1", timeout=5).ask("x")

    def slow(_: str) -> tuple[int, bytes]:
        time.sleep(1.0)
        return chat("late")

    start = time.monotonic()
    with pytest.raises(NamerError, match="no answer"):
        Namer(serve(slow), timeout=0.2).ask("x")
    assert time.monotonic() - start < 0.9


@pytest.mark.parametrize("url", ["", "localhost:8080", "file:///etc/passwd", "http://", "ftp://x"])
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="http://localhost"):
        Namer(url)


def test_examples_are_marked_and_the_held_out_ones_from_other_documents() -> None:
    text = planted().batch
    sample = FiringSample(WIDTH, by="random")
    sample.update(text)
    shown = examples_of(
        sample.result(),
        text.token_ids.numpy(),
        text.documents.numpy(),
        lambda ids: "".join(f" w{one}" for one in ids),
    )
    assert DEAD not in shown
    one = shown[PERFECT]
    assert all(any(f"<< w{colour}>>" in example for colour in (1, 2, 3, 4)) for example in one.examples)
    assert len(one.held_out) == 10
    for example, fires in zip(one.held_out, one.fires, strict=True):
        assert fires <= any(f"<< w{colour}>>" in example for colour in (1, 2, 3, 4))
    assert sum(one.fires) == 5
