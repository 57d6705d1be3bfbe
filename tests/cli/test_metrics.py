"""The verbs metrics and quiz: what they print parses and reads, mistakes are one line, failures go on."""

import http.server
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from samples import tiny_settings
from topklm.cli.main import main
from topklm.index import FeatureIndex, build_index
from topklm.training import Run, train

Capture = pytest.CaptureFixture[str]
TOKENS = ("--tokens", "2000")


@pytest.fixture(scope="module")
def run(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run with a twin, two indexes and a lexicon beside it, measured once."""
    path = tmp_path_factory.mktemp("metrics") / "Tiny run"
    shutil.copytree(trained.path, path)
    train(tiny_settings(text_file, dense=True, tokens=10 * 256), path / "twin")
    for source in ("topk", "random"):
        build_index(path, data=str(text_file), tokens=3000, source=source, effects=source == "topk")
    (path.parent / "words.yaml").write_text("animals: [cat, dog, hen, fox, owl, cow]\nplaces: [barn, wood]")
    assert main(["metrics", str(path), *options(path, text_file), *sources("topk", "random")]) == 0
    return str(path)


def options(path: Path | str, text_file: Path) -> tuple[str, ...]:
    return ("--data", str(text_file), "--lexicon", str(Path(path).parent / "words.yaml"), *TOKENS)


def sources(*names: str) -> tuple[str, ...]:
    return tuple(part for name in names for part in ("--source", name))


def printed(capsys: Capture, *arguments: str) -> tuple[str, str]:
    capsys.readouterr()
    assert main(list(arguments)) == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_the_table_has_the_controls_beside_each_number(run: str, text_file: Path, capsys: Capture) -> None:
    out, err = printed(capsys, "metrics", run, *options(run, text_file), *sources("topk", "random"))
    lines = out.splitlines()
    assert re.search(r"numbers|control", lines[0])
    assert [line for line in lines if line.startswith("layer ")] == ["layer 0", "layer 1"]
    head = lines.index("layer 0") + 1
    assert lines[head].split() == ["topk", "random"]
    labelled = next(line for line in lines if line.startswith("labelled, of live"))
    assert len(re.findall(r"\d\.\d{3} \[", labelled)) == 2
    assert err.count("measured already") == 2


def test_the_json_is_the_file(run: str, text_file: Path, capsys: Capture) -> None:
    out, _ = printed(capsys, "metrics", run, *options(run, text_file), *sources("topk", "random"), "--json")
    assert json.loads(out) == json.loads((Path(run) / "metrics" / "metrics.json").read_text())


def test_neurons_are_asked_by_concept_and_by_the_new_columns(run: str, capsys: Capture) -> None:
    out, _ = printed(capsys, "neurons", run, "--concept", "animals", "--json")
    rows = json.loads(out)["neurons"]
    assert [row["concept_score"] for row in rows] == sorted(
        (row["concept_score"] for row in rows), reverse=True
    )
    best = FeatureIndex.open(Path(run) / "index").by_concept("animals")
    assert [row["neuron"] for row in rows] == [row["feature"] for row in best]
    out, _ = printed(capsys, "neurons", run, "--where", "concept_f1 >= 0.5", "--json")
    labelled = json.loads(out)["neurons"]
    assert labelled
    assert all(row["concept_f1"] >= 0.5 for row in labelled)
    out, _ = printed(capsys, "neurons", run, "--concept", "animals", "--limit", "2")
    assert len(out.splitlines()) == 3
    named = next(row for row in labelled if row["name"] != "no good name")
    out, _ = printed(capsys, "neuron", run, named["neuron"])
    assert named["name"] in out
    assert "concept f1" in out


Answer = Callable[[str], bytes]


@pytest.fixture
def endpoint() -> Iterator[Callable[[Answer], str]]:
    """Start an endpoint that answers each prompt by a function; gives its URL."""
    servers: list[http.server.HTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = answer(content["messages"][0]["content"])
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def reply(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"content": text}}]}).encode()


def copied(run: str, tmp_path: Path) -> str:
    path = tmp_path / "Tiny run"
    shutil.copytree(run, path)
    shutil.copy(Path(run).parent / "words.yaml", tmp_path)
    return str(path)


def test_an_endpoint_names_and_is_judged(
    run: str, text_file: Path, capsys: Capture, tmp_path: Path, endpoint: Callable[[Answer], str]
) -> None:
    animals = ("cat", "dog", "hen", "fox", "owl", "cow")

    def answer(prompt: str) -> bytes:
        if "Below are pieces of text in which" in prompt:
            return reply("an animal")
        numbered = re.findall(r"^(\d+)\. .*<<\s*(\w*)>>", prompt, re.MULTILINE)
        return reply(str([int(number) for number, word in numbered if word in animals]))

    path = copied(run, tmp_path)
    arguments = ("metrics", path, *options(path, text_file), *sources("topk"), "--json")
    out, _ = printed(capsys, *arguments, "--namer", endpoint(answer), "--named", "64")
    rows = json.loads(out)["rows"]
    asked = sum(row["n"] for row in rows if row["metric"] == "endpoint_detection")
    assert asked > 0
    good = json.loads((Path(path) / "metrics" / "names.json").read_text())["names"]
    index = FeatureIndex.open(Path(path) / "index")
    for feature, (text, score) in good.items():
        (row,) = [row for row in index.features() if row["feature"] == feature]
        assert (row["name"], row["name_score"]) == (text, score)
    out, _ = printed(capsys, *arguments)  # without an endpoint its names stay
    assert json.loads(out)["rows"] == rows


@pytest.mark.parametrize("answer", [lambda prompt: b"nonsense", lambda prompt: reply("x\ny")])
def test_an_endpoint_that_answers_nonsense_stops_nothing(
    run: str,
    text_file: Path,
    capsys: Capture,
    tmp_path: Path,
    endpoint: Callable[[Answer], str],
    answer: Answer,
) -> None:
    path = copied(run, tmp_path)
    arguments = ("metrics", path, *options(path, text_file), *sources("topk"))
    out, err = printed(capsys, *arguments, "--namer", endpoint(answer), "--named", "5")
    assert "gets no name from the endpoint" in err
    assert "labelled, of live" in out
    assert not (Path(path) / "metrics" / "names.json").exists()


def test_an_endpoint_that_is_down_stops_nothing(
    run: str, text_file: Path, capsys: Capture, tmp_path: Path
) -> None:
    path = copied(run, tmp_path)
    arguments = ("metrics", path, *options(path, text_file), *sources("topk"), "--namer")
    out, err = printed(capsys, *arguments, "http://127.0.0.1:9/v1", "--named", "9")
    assert "no answer that can be read" in err
    assert err.count("gets no name") <= 3
    assert "labelled, of live" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["metrics", "{run}", "--source", "luck"], "there is no source 'luck'; choose among topk"),
        (["metrics", "{run}", "--namer", "localhost"], "'localhost' is no endpoint; give a URL"),
        (["metrics", "{run}", "--lexicon", "{bad}"], "bad.yaml, line 2: no list of words"),
        (["metrics", "{run}", "--embedding", "nowhere/model"], "embedding"),
        (["metrics", "{run}", "--twin", "nowhere", "--source", "dense"], "no source can be measured"),
        (["metrics", "nowhere"], "there is no run nowhere"),
        (["neurons", "{run}", "--concept", "animalz"], "did you mean animals"),
        (["neurons", "{run}", "--concept", "animals", "--search", "cat"], "choose one of --search and"),
    ],
)
def test_mistakes_are_one_line(
    run: str, capsys: Capture, tmp_path: Path, arguments: list[str], said: str
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("animals: [cat]\nplaces: barn\n")
    capsys.readouterr()
    given = [one.replace("{run}", run).replace("{bad}", str(bad)) for one in arguments]
    assert main([*given, "--out", str(tmp_path / "out")] if given[0] == "metrics" else given) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err.splitlines()[-1]


def test_a_run_without_measured_concepts_says_how_to_get_them(
    trained: Run, text_file: Path, capsys: Capture, tmp_path: Path
) -> None:
    build_index(trained.path, data=str(text_file), tokens=1000, out=tmp_path / "index", effects=False)
    assert main(["neurons", str(tmp_path / "index"), "--concept", "animals"]) == 2
    assert "measure them with: topklm metrics RUN" in capsys.readouterr().err


def test_another_corpus_is_refused(run: str, text_file: Path, capsys: Capture, tmp_path: Path) -> None:
    """The run's text file has changed since it was packed: its labels would be those of another text."""
    path = Path(copied(run, tmp_path))
    about: dict[str, Any] = json.loads((path / "train.json").read_text())
    other = tmp_path / "other.txt"
    other.write_text("An ox.\n<|endoftext|>\nA yak.\n")
    about["settings"]["data"] = [str(other)]
    (path / "train.json").write_text(json.dumps(about))
    assert main(["metrics", str(path), *sources("topk"), "--out", str(tmp_path / "m")]) == 2
    assert "is not in the corpus named for its labels" in capsys.readouterr().err
