"""Whatever a file holds, a verb should end with its result or with one line that says what is wrong.

A search, not yet a test: it still finds JSON of the right form and the wrong content that a verb does not
survive (a trace's plan without its concepts). It runs when asked:

    TOPKLM_FUZZ=2000 python -m pytest -m slow tests/fuzz/test_verbs.py
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from topklm import Edit, build_index, trace
from topklm.cli.main import main
from topklm.comparison import Settings, measure
from topklm.steering import save_edits
from topklm.training import Run

from .damage import damage

EXAMPLES = int(os.environ.get("TOPKLM_FUZZ", "0"))
SEARCH = hypothesis.settings(
    max_examples=EXAMPLES or 1,
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.generate],  # what was done is said; to make it smaller takes longest
    suppress_health_check=list(hypothesis.HealthCheck),
)
LEXICON = "animals: [cat, dog, hen, fox, owl, cow]\nplaces: [barn, wood, house, field]\n"
TINY = "data: [text.txt], tokenizer: 'bpe:320', width: 32, depth: 2, heads: 2, head_dim: 8, mlp: 32, k: 4"
SWEEP = f"base: {{tokens: 128, context: 32, batch_tokens: 64, {TINY}}}\nlist: {{wide: {{mlp: 64}}}}\n"
SETTINGS = '{"preset": "tiny", "data": ["text.txt"], "tokens": 1000, "k": 4}\n'
MEASURED = {"probed": 1, "examples": 60, "head_tokens": 1500, "null_tokens": 400, "null_draws": 3}

VERBS: dict[str, tuple[Sequence[str], str]] = {
    "info": (["info", "run", "--json"], "run/[tm]*.json*"),
    "neurons": (["neurons", "run", "--where", "density > 0", "--limit", "3"], "run/index/*.*"),
    "neuron": (["neuron", "run", "L0/N3"], "run/index/*.*"),
    "search": (["neurons", "run", "--search", "cat"], "run/index/*.*"),
    "concept": (["neurons", "run", "--concept", "animals", "--csv", "out.csv"], "run/index/*.*"),
    "read": (["read", "run", "The cat went."], "run/*.*"),
    "generate": (["generate", "run", "The cat", "--max-new-tokens", "3"], "run/*.*"),
    "find": (["find", "run", "cat"], "run/index/*.*"),
    "steer": (["steer", "run", "The cat", "--edits", "edits.json", "--max-new-tokens", "2"], "edits.json"),
    "life": (["trace", "run", "L0/N3"], "run/trace/**/*.*"),
    "traced": (["trace", "run"], "run/checkpoints/*/*.*"),
    "lexicon": (["index", "run", "--data", "text.txt", "--tokens", "100", "--out", "i"], "text.txt"),
    "rows": (["index", "run", "--data", "rows.jsonl", "--tokens", "100", "--out", "i"], "rows.jsonl"),
    "concepts": (
        ["metrics", "run", "--data", "text.txt", "--tokens", "300", "--lexicon", "words.yaml", "--out", "m"],
        "words.yaml",
    ),
    "quiz": (
        ["quiz", "run", "--source-a", "topk", "--source-b", "random", "--out", "q.html"],
        "run/index*/*.*",
    ),
    "sweep": (["sweep", "sweep.yaml", "--out", "run"], "sweep.yaml"),
    "config": (["train", "--config", "settings.json", "--out", "run"], "settings.json"),
    "resume": (["train", "--resume", "--out", "run"], "run/**/*.json"),
    "export": (["export", "run", "--to", "neuronpedia", "--out", "np"], "run/index/*.*"),
}


@pytest.fixture(scope="module")
def whole(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run that has an index, a trace and metrics, and the files that verbs are given."""
    path = tmp_path_factory.mktemp("whole")
    run = path / "run"
    shutil.copytree(trained.path, run)
    shutil.copyfile(text_file, path / "text.txt")
    for source in ("topk", "random"):
        build_index(run, source=source, data=str(text_file), tokens=1500)
    trace(run, data=str(text_file), tokens=1500)
    (path / "words.yaml").write_text(LEXICON)
    (path / "sweep.yaml").write_text(SWEEP)
    (path / "settings.json").write_text(SETTINGS)
    (path / "rows.jsonl").write_text('{"text": "The cat went to the barn and saw a fox."}\n' * 9)
    save_edits([Edit("L0/N3", scale=2.0)], path / "edits.json")
    settings = Settings(data=(str(text_file),), lexicon=str(path / "words.yaml"), tokens=1500, **MEASURED)
    measure(run, settings, sources=("topk", "random"))
    return path


@pytest.mark.slow
@pytest.mark.skipif(not EXAMPLES, reason="a search that runs when asked: TOPKLM_FUZZ=2000")
@pytest.mark.parametrize("name", VERBS)
def test_a_verb_survives_damage(
    name: str,
    whole: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments, pattern = VERBS[name]
    chosen = sorted(str(path.relative_to(whole)) for path in whole.glob(pattern) if path.is_file())
    chosen = [one for one in chosen if not one.endswith(".py")]
    assert chosen
    place = tmp_path_factory.mktemp(name)

    @SEARCH
    @hypothesis.given(st.data())
    def survives(data: st.DataObject) -> None:
        monkeypatch.chdir(place.parent)
        shutil.rmtree(place)
        shutil.copytree(whole, place)
        monkeypatch.chdir(place)
        done = damage(data.draw, place / data.draw(st.sampled_from(chosen)))
        capsys.readouterr()
        code = main(arguments)
        said = capsys.readouterr().err.rstrip()
        hypothesis.note(f"{done}\n{said}")
        assert code in (0, 1, 2)
        if code:
            assert said.splitlines()[-1].startswith("topklm: ")
        assert "Traceback" not in said

    survives()
