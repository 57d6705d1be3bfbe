"""Steering over HTTP: events, what they say, that they say what the command line would; Neuronpedia's way."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import topklm
from topklm.evaluation.generation import write
from topklm.steering.edits import load_edits

ASKED = {"prompt": "The cat", "edits": [{"feature": "L0/N3", "set_to": 9.0}], "max_new_tokens": 12, "seed": 5}
COMPLETION = {
    "prompt": "The cat",
    "model": "any",
    "steer_method": "SIMPLE_ADDITIVE",
    "normalize_steering": False,
    "types": ["STEERED", "DEFAULT"],
    "features": [{"model": "any", "source": "0-topk", "index": 3, "strength": 3}],
    "n_completion_tokens": 12,
    "temperature": 0.8,
    "strength_multiplier": 3.0,
    "freq_penalty": 0.0,
    "seed": 5,
}


def events(client: TestClient, asked: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    answer = client.post("/api/v1/steer", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    for block in answer.text.strip().split("\n\n"):
        kind, data = block.split("\n")
        yield kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def end(client: TestClient, asked: dict[str, Any]) -> dict[str, Any]:
    return list(events(client, asked))[-1][1]


def test_the_pieces_of_a_stream_are_the_texts_at_its_end(client: TestClient) -> None:
    told = list(events(client, ASKED))
    assert next(kind for kind, _ in told) == "place"
    assert [kind for kind, _ in told][-1] == "end"
    texts = ["", ""]
    for kind, content in told:
        for token in content.get("tokens", ()) if kind == "tokens" else ():
            texts[token["text"]] += token["piece"]
    assert texts == [one["written"] for one in told[-1][1]["texts"]]
    assert sum(kind == "tokens" for kind, _ in told) == 12
    begin = next(content for kind, content in told if kind == "begin")
    assert [one["name"] for one in begin["texts"]] == ["unsteered", "L0/N3=9"]


def test_a_stream_writes_what_the_library_writes(client: TestClient, explored: Path) -> None:
    loaded = topklm.load(explored)
    options = {"max_new_tokens": 12, "temperature": 0.8, "seed": 5}
    plain = write(loaded.model, loaded.tokenizer, "The cat", **options)
    with topklm.steer(loaded, "L0/N3", set_to=9.0) as model:
        steered = write(model, loaded.tokenizer, "The cat", **options)
    assert plain != steered
    assert [one["written"] for one in end(client, ASKED)["texts"]] == [plain, steered]


def test_a_ladder_writes_at_every_strength(client: TestClient) -> None:
    feature = client.get("/api/v1/search?q=dog").json()["hits"][0]["feature"]
    asked = {**ASKED, "edits": [{"feature": feature, "set_to": "1x"}], "ladder": True}
    found = end(client, asked)["texts"]
    assert [one["name"] for one in found][:3] == ["unsteered", f"{feature}=0.25x", f"{feature}=0.5x"]
    assert len(found) == 8
    assert all(one["perplexity"] > 1 for one in found)


def test_words_of_a_concept_are_marked(client: TestClient) -> None:
    told = client.get("/api/v1/steer/concepts").json()
    assert told["judge"] == "lexicon"
    assert "animals" in told["concepts"] or "animal" in told["concepts"], told["concepts"]
    concept = next(one for one in told["concepts"] if one.startswith("animal"))
    for one in end(client, {**ASKED, "max_new_tokens": 40, "concept": concept})["texts"]:
        marked = [one["written"][first:last] for first, last in one["marks"]]
        assert all(word.isalpha() for word in marked)
        assert ("dog" in one["written"].split()) <= ("dog" in marked)


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": ""},
        {"prompt": "x" * 2001},
        {"edits": [{"feature": "L9/N3", "set_to": 1}]},
        {"edits": [{"feature": "L0/N3"}]},
        {"edits": [{"feature": "L0/N3", "set_to": 1, "add": 1}]},
        {"edits": [{"feature": "L0/N3", "set_to": "bad"}]},
        {"edits": [{"feature": "L0/N3", "set_to": 1e300}]},
        {"edits": [{"feature": "L0/N3", "ablate": True}], "ladder": True},
        {"edits": [{"feature": f"L0/N{n}", "ablate": True} for n in range(17)]},
        {"concept": "nothing"},
        {"max_new_tokens": 0},
        {"max_new_tokens": 401},
        {"temperature": 1e-5},
        {"seed": -1},
        {"unknown": 1},
        {"edits": [{"feature": "L0/N3", "ablate": True, "positions": "9" * 30 + ":"}]},
    ],
)
def test_what_cannot_be_steered_is_said_before_anything_waits(
    client: TestClient, wrong: dict[str, Any]
) -> None:
    answer = client.post("/api/v1/steer", json={**ASKED, **wrong})
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert client.get("/api/v1/steer/queue").json()["waiting"] == 0


def test_an_edit_that_overflows_ends_its_own_text_only(client: TestClient) -> None:
    edits = [{"feature": f"L0/N{n}", "scale": 1e6} for n in range(16)]
    plain, steered = end(client, {**ASKED, "edits": edits})["texts"]
    assert plain["n_tokens"] == 12
    assert steered["n_tokens"] <= 12


def test_settings_become_a_snippet_that_writes_the_same(
    client: TestClient, explored: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(explored.parent)
    asked = {**ASKED, "prompt": "The cat said \"'{no}'\"\n"}
    code = client.post("/api/v1/steer/python", json=asked).json()["python"]
    exec(compile(code, "snippet", "exec"), {})  # noqa: S102
    told = [asked["prompt"] + one["written"] for one in end(client, asked)["texts"]]
    assert capsys.readouterr().out == "".join(one + "\n" for one in told)


def test_settings_become_a_file_of_edits(client: TestClient, tmp_path: Path) -> None:
    told = client.post("/api/v1/steer/edits", json=ASKED).json()
    (tmp_path / "edits.json").write_text(json.dumps(told))
    assert load_edits(tmp_path / "edits.json") == [topklm.Edit("L0/N3", set_to=9.0)]


def test_neuronpedias_request_is_answered_as_it_answers(client: TestClient) -> None:
    answer = client.post("/v1/steer/completion", json=COMPLETION).json()
    assert [one["type"] for one in answer["outputs"]] == ["STEERED", "DEFAULT"]
    plain, steered = end(client, {**ASKED, "edits": [{"feature": "L0/N3", "add": 9.0}]})["texts"]
    assert [one["output"] for one in answer["outputs"]] == [
        "The cat" + steered["written"],
        "The cat" + plain["written"],
    ]
    assert set(answer["outputs"][0]) == {"type", "output"}


def test_neuronpedias_stream_repeats_all_so_far(client: TestClient) -> None:
    whole = client.post("/v1/steer/completion", json=COMPLETION).json()
    streamed = client.post("/v1/steer/completion", json={**COMPLETION, "stream": True})
    messages = [json.loads(one.removeprefix("data: ")) for one in streamed.text.strip().split("\n\n")]
    assert messages[-1] == whole
    assert len(messages) > 5
    for before, after in pairwise(messages):
        assert after["outputs"][0]["output"].startswith(before["outputs"][0]["output"])


def test_neuronpedias_logprobs_are_of_the_tokens_written(client: TestClient) -> None:
    asked = {**COMPLETION, "temperature": 0, "n_logprobs": 3, "types": ["DEFAULT"], "features": None}
    (output,) = client.post("/v1/steer/completion", json=asked).json()["outputs"]
    assert "The cat" + "".join(one["token"] for one in output["logprobs"]) == output["output"]
    for one in output["logprobs"]:
        assert one["logprob"] == one["top_logprobs"][0]["logprob"] <= 0
        assert len(one["top_logprobs"]) == 3


def test_a_penalty_on_repetition_makes_texts_repeat_less(client: TestClient) -> None:
    def kinds(penalty: float) -> int:
        asked = {**COMPLETION, "temperature": 0, "freq_penalty": penalty, "n_completion_tokens": 40}
        output = client.post("/v1/steer/completion", json=asked).json()["outputs"][1]["output"]
        return len(set(output.split()))

    assert kinds(5.0) > kinds(0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"types": []},
        {"types": ["OTHER"]},
        {"features": []},
        {"features": [{"model": "m", "source": "9-res-jb", "index": 1, "strength": 1}]},
        {"features": [{"model": "m", "source": "9-topk", "index": 1, "strength": 1}]},
        {"vectors": [{"steering_vector": [1.0], "hook": "blocks.0.hook_resid_pre", "strength": 1}]},
        {"n_completion_tokens": 0},
    ],
)
def test_what_neuronpedia_could_and_we_cannot_is_said(client: TestClient, wrong: dict[str, Any]) -> None:
    answer = client.post("/v1/steer/completion", json={**COMPLETION, **wrong})
    assert answer.status_code == 422
    assert answer.json()["error"]
