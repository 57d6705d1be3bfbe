"""A run on the hub: against a stand-in on this machine, by the command line, as users do it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hub_server import TOKEN, Hub, serving
from topklm.cli.main import main
from topklm.core.files import without_paths
from topklm.export.model_card import model_card
from topklm.training import Run, load

NAME = "ada/animals"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving() as found:
        found.cache = str(tmp_path / "cache")
        yield found


def push(hub: Hub, run: Path, *options: str, token: str = TOKEN) -> "subprocess.CompletedProcess[str]":
    """Push in a process of its own: the hub's client reads its address and token when imported."""
    return python(hub, "-m", "topklm", "push", str(run), NAME, *options, token=token)


def python(hub: Hub, *arguments: str, token: str = TOKEN) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "HF_HOME": hub.cache,
        "HF_ENDPOINT": hub.address,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "HF_TOKEN": token,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(trained: Run, tmp_path: Path) -> Path:
    """A run that a test may change."""
    import shutil

    return Path(shutil.copytree(trained.path, tmp_path / "run"))


def test_every_tracing_checkpoint_becomes_a_revision_and_loads(hub: Hub, trained: Run) -> None:
    done = push(hub, trained.path, "--license", "apache-2.0", "--json")
    assert done.returncode == 0, done.stderr
    steps = [step for step, _ in trained.checkpoints("trace")]
    branches = hub.repositories[NAME]
    assert set(branches) == {"main", *(f"step-{step}" for step in steps)}
    for step, directory in trained.checkpoints("trace"):
        assert branches[f"step-{step}"]["model.safetensors"] == (directory / "model.safetensors").read_bytes()
    assert branches["main"]["model.safetensors"] == (trained.path / "model.safetensors").read_bytes()
    assert json.loads(done.stdout)["revisions"] == dict.fromkeys(
        [*(f"step-{step}" for step in steps), "main"], "sent"
    )
    assert [revision for _, revision, _ in hub.commits][-1] == "main"
    assert str(trained.path) not in json.dumps({name: str(text) for name, text in branches["main"].items()})
    assert Path(trained.settings.data[0]).is_absolute()
    assert "animals.txt" in branches["main"]["train.json"].decode()
    assert str(Path(trained.settings.data[0]).parent) not in branches["main"]["train.json"].decode()

    code = f"""
from transformers import AutoModelForCausalLM, AutoTokenizer
there = {{"revision": "step-{steps[-2]}", "trust_remote_code": True}}
tokenizer = AutoTokenizer.from_pretrained("{NAME}", **there)
model = AutoModelForCausalLM.from_pretrained("{NAME}", **there)
print('found', float(model.lm_head.weight.float().sum().item()), len(tokenizer))
"""
    loaded = python(hub, "-c", code)
    assert loaded.returncode == 0, loaded.stderr
    there = load(trained.path, step=steps[-2])
    answer = next(line for line in loaded.stdout.splitlines() if line.startswith("found "))
    _, total, size = answer.split()
    assert float(total) == pytest.approx(there.model.lm_head.weight.sum().item(), rel=1e-6)
    assert int(size) == len(there.tokenizer)


def test_interrupted_it_goes_on_and_sends_no_weights_twice(hub: Hub, trained: Run) -> None:
    hub.break_at = 3
    done = push(hub, trained.path)
    assert (done.returncode, done.stderr.count("Traceback")) == (1, 0)
    assert "Storage is full" in done.stderr.splitlines()[-1]
    assert "README.md" not in hub.repositories[NAME]["main"]
    first = hub.uploads
    done = push(hub, trained.path, "--json")
    assert done.returncode == 0, done.stderr
    sent = list(json.loads(done.stdout)["revisions"].values())
    assert sent[:2] == ["there", "there"]
    assert "there" not in sent[2:]
    assert hub.uploads == first + len(sent) - 2


def test_branches_of_another_training_are_named(hub: Hub, trained: Run) -> None:
    assert push(hub, trained.path).returncode == 0
    hub.repositories[NAME]["step-7"] = dict(hub.repositories[NAME]["main"])
    again = push(hub, trained.path)
    assert again.returncode == 0, again.stderr
    assert "step-7: of another training, still there" in again.stderr


def test_without_checkpoints_there_is_only_main(hub: Hub, trained: Run) -> None:
    assert push(hub, trained.path, "--no-checkpoints", "--private").returncode == 0
    assert set(hub.repositories[NAME]) == {"main"}
    assert hub.private[NAME]


def test_a_wrong_token_and_an_absent_hub_are_one_line(hub: Hub, trained: Run) -> None:
    done = push(hub, trained.path, token="hf_wrong")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("topklm: the hub answered 401 for ada/animals: Invalid")
    assert "Traceback" not in done.stderr
    hub.address = "http://127.0.0.1:9"
    done = push(hub, trained.path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("topklm: the hub cannot be reached")


def test_bad_input_is_said_before_anything_is_sent(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("animals", "a/b/c", "", "../x", "a b/c"):
        assert main(["push", str(copy), name]) == 2
        assert "write user/name" in capsys.readouterr().err
    assert main(["push", str(copy), NAME]) == 2
    assert "HF_HUB_OFFLINE" in capsys.readouterr().err
    weights = copy / "checkpoints" / "trace-4" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert main(["push", str(copy), NAME]) == 2
    assert "checkpoint 4 of" in capsys.readouterr().err
    (copy / "model.safetensors").unlink()
    assert main(["push", str(copy), NAME]) == 2
    assert "not finished" in capsys.readouterr().err


def test_the_card_is_valid_and_says_what_the_run_knows(trained: Run) -> None:
    card = model_card(trained, NAME, licence="cc-by-4.0", steps=[0, 4])
    _, head, text = card.split("---\n", 2)
    about = yaml.safe_load(head)
    assert (about["license"], about["pipeline_tag"]) == ("cc-by-4.0", "text-generation")
    last = [row["eval_loss"] for row in trained.metrics() if "eval_loss" in row][-1]
    for expected in (f"{last:.3f}", "`step-4`", str(trained.revision), "animals.txt", "No dense twin"):
        assert expected in text
    assert str(Path(trained.settings.data[0]).parent) not in card


def test_paths_lose_what_is_this_machines_own() -> None:
    content = {"a": ["/home/ada/books.txt", "stories", "user/data:part"], "b": {"c": "C:\\x\\y.txt"}, "d": 3}
    expected = {"a": ["books.txt", "stories", "user/data:part"], "b": {"c": "y.txt"}, "d": 3}
    assert without_paths(content) == expected
