"""Tasks: what makes an item of ours fair, and what lm-eval makes of them."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from samples import SHAPE
from topklm.cli.main import main
from topklm.core.errors import InputError
from topklm.data import load_corpus, pack
from topklm.evaluation import harness
from topklm.evaluation.harness import Score, TaskResult, difference, run_tasks
from topklm.evaluation.last_word import GAP, MOST_WORDS, passages, write_last_word
from topklm.evaluation.story_tasks import MAKERS, SEED, pairs, rows
from topklm.evaluation.surface import surface_scores
from topklm.evaluation.task_files import items_within, write_story_tasks, write_task
from topklm.model import TopKLMConfig, TopKLMForCausalLM
from topklm.stories import Stories
from topklm.stories.twins import retell, sites
from topklm.training import Run, load

ITEMS = 20


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tasks")
    write_story_tasks(path, items=ITEMS, surface=False)
    return path


def test_a_story_told_with_its_own_variables_is_that_story() -> None:
    for index in range(5):
        told = retell(3, index, lambda variables: variables)
        assert "".join(told.parts) == told.text
        assert all(told.text[one.start : one.end].strip() for one in told.said)
        assert told.variables == Stories(3).story(index).variables
        assert list(sites(told, told)) == []


@pytest.mark.parametrize("name", MAKERS)
def test_the_contexts_of_a_pair_end_alike_and_its_continuations_differ(name: str) -> None:
    found = pairs(name, items=ITEMS)
    assert len(found) == ITEMS // 2
    assert found == pairs(name, items=ITEMS)
    for pair in found:
        assert pair.contexts[0] != pair.contexts[1]
        assert pair.choices[0] != pair.choices[1]
        assert pair.contexts[0][-1] == pair.contexts[1][-1]
        assert not any(context.endswith(" ") for context in pair.contexts)
        assert all(choice.startswith(" ") for choice in pair.choices)


def test_rules_that_know_one_word_before_are_at_chance_everywhere() -> None:
    scores = surface_scores({name: list(rows(name, items=ITEMS)) for name in MAKERS})
    assert {(one.unigram, one.bigram) for one in scores.values()} == {(0.5, 0.5)}


def test_each_context_of_a_pair_is_right_once(directory: Path) -> None:
    for path in directory.glob("*.jsonl"):
        table = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(table) == ITEMS
        for first, second in zip(table[::2], table[1::2], strict=True):
            assert (first["pair"], first["contexts"]) == (second["pair"], second["contexts"])
            assert [first["label"], second["label"]] == [0, 1]


def test_items_are_found_in_a_text_that_has_them_and_in_no_other_story(directory: Path) -> None:
    row = next(rows("tense", items=2))
    story = retell(SEED, row["story"], lambda v: v._replace(tense="past")).text
    assert items_within(directory, [story]) >= 1
    assert items_within(directory, [story.text for story in Stories(0).take(500)]) == 0


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="something else"):
        write_story_tasks(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        write_story_tasks(tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def _texts() -> list[str]:
    filler = "The boat went slowly past the old mill and everybody looked up from the work. "
    common = " ".join(a + b + c for a in "bcdfghjklm" for b in "aeiou" for c in "nrs")
    return [
        f"{common} {common} {common}",  # no sentence, but the hundred commonest words
        *(f"A {name} stood there. {filler * 4}Then came the {name}." for name in ("heron", "badger")),
    ]


def test_a_passage_is_cut_before_a_word_that_was_said_but_not_just_now() -> None:
    found = passages(_texts())
    assert [row["word"] for row in found] == ["heron", "badger"]
    for row in found:
        said = row["context"].split()
        assert 50 <= len(said) + 1 <= MOST_WORDS
        assert row["word"] in said
        assert row["word"] not in said[-GAP:]
        assert row["context"].endswith(" the")


def test_a_text_without_passages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no passage of here"):
        write_last_word(tmp_path / "new", ["Too short."], source="here")


@pytest.fixture(scope="module")
def reader(trained: Run) -> tuple[TopKLMForCausalLM, Any]:
    """A random model that reads 512 tokens, with a tokenizer."""
    torch.manual_seed(0)
    config = TopKLMConfig(**{**SHAPE, "vocab_size": 400, "max_position_embeddings": 512}, topk_k=8)
    return TopKLMForCausalLM(config).eval(), load(trained.path).tokenizer


def test_a_model_that_cannot_read_an_item_is_refused(directory: Path, trained: Run) -> None:
    model, tokenizer, _ = load(trained.path)
    with pytest.raises(InputError, match="context of 32 tokens"):
        run_tasks(model, tokenizer, ["stories_senses"], include=directory, limit=4)


def test_lm_eval_runs_our_tasks_as_they_are_written(
    directory: Path, reader: tuple[TopKLMForCausalLM, Any]
) -> None:
    model, tokenizer = reader
    found = run_tasks(model, tokenizer, ["stories_tense", "stories_senses"], include=directory, limit=4)
    result = found["stories_tense"]
    assert (result.n_items, result.chance) == (4, 0.5)
    assert result.pairs == {0: 0, 1: 0, 2: 1, 3: 1}
    score = result.scores["acc,none"]
    assert score.items is not None
    assert score.value == pytest.approx(np.mean(list(score.items.values())))
    gap = difference(result, result, "acc,none")
    assert gap == (0.0, 0.0, True)


def test_the_group_pools_the_items_of_its_tasks(
    directory: Path, reader: tuple[TopKLMForCausalLM, Any]
) -> None:
    model, tokenizer = reader
    found = run_tasks(model, tokenizer, ["stories"], include=directory, limit=2)
    group = found["stories"]
    assert group.n_items == 2 * len(MAKERS)
    items = group.scores["acc,none"].items
    assert items is not None
    assert len(items) == group.n_items
    assert len(set(group.pairs.values())) == len(MAKERS)


def test_tasks_that_score_whole_sentences_run(tmp_path: Path, reader: tuple[TopKLMForCausalLM, Any]) -> None:
    config = {
        "output_type": "multiple_choice",
        "doc_to_text": "",  # as BLiMP's: nothing stands before the sentences
        "doc_to_target": 0,
        "doc_to_choice": "{{[good, bad]}}",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    table = [{"good": f"The cat saw {name}.", "bad": f"The cat see {name}."} for name in ("Tom", "Ann", "it")]
    write_task(tmp_path, "grammar", table, config, {"version": 1})
    model, tokenizer = reader
    result = run_tasks(model, tokenizer, ["grammar"], include=tmp_path)["grammar"]
    assert (result.n_items, result.n_cut) == (3, 0)

    def loss(text: str) -> float:
        ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text, add_special_tokens=False).input_ids]])
        with torch.no_grad():
            each = torch.log_softmax(model(input_ids=ids).logits[0, :-1].double(), -1)
        return -float(each.gather(-1, ids[0, 1:, None]).sum())

    right = [loss(row["good"]) < loss(row["bad"]) for row in table]
    assert result.scores["acc,none"].items == {item: float(one) for item, one in enumerate(right)}


def test_a_generation_longer_than_the_context_is_one_line(
    tmp_path: Path, reader: tuple[TopKLMForCausalLM, Any]
) -> None:
    config = {
        "output_type": "generate_until",
        "doc_to_text": "{{a}}",
        "doc_to_target": "x",
        "generation_kwargs": {"until": ["."], "max_gen_toks": 600},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    write_task(tmp_path, "long", [{"a": "The cat"}], config, {"version": 1})
    with pytest.raises(InputError, match="long generates more than the model's context of 512 tokens"):
        run_tasks(*reader, ["long"], include=tmp_path)


def test_groups_of_groups_keep_every_item() -> None:
    def task(value: float) -> TaskResult:
        items = dict.fromkeys(range(3), value)
        return TaskResult({"acc,none": Score(value, 0.1, items)}, 3, None, {})

    group = harness._group({"acc,none": 0.4}, [task(one) for one in (0.0, 1.0, 0.0, 1.0, 0.0)])
    whole = harness._group({"acc,none": 0.4}, [group, group, group])
    items = whole.scores["acc,none"].items
    assert items is not None
    assert len(items) == whole.n_items == 45


def test_last_word_is_scored_by_accuracy_and_perplexity(
    tmp_path: Path, reader: tuple[TopKLMForCausalLM, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write_last_word(tmp_path, _texts(), source="here")
    model, tokenizer = reader
    scores = run_tasks(model, tokenizer, ["last_word"], include=tmp_path)["last_word"].scores
    said = capsys.readouterr()
    assert said.out == ""  # lm-eval prints while it bootstraps
    assert "it/s" not in said.err  # its progress bars are for terminals
    assert scores["perplexity,none"].value > 1
    assert scores["perplexity,none"].items is None


def test_a_paired_difference_counts_a_pair_once() -> None:
    generator = np.random.default_rng(0)
    ones, others = generator.random((2, 40)).round()
    pairs_of = {item: item // 2 for item in range(40)}

    def result(values: np.ndarray, stderr: float = 0.1) -> TaskResult:
        score = Score(float(values.mean()), stderr, dict(enumerate(values.tolist())))
        return TaskResult({"acc": score}, 40, 0.5, pairs_of)

    gap = difference(result(ones), result(others), "acc")
    means = (ones - others).reshape(20, 2).mean(1)
    assert gap.paired
    assert gap.value == pytest.approx(means.mean())
    assert gap.stderr == pytest.approx(means.std(ddof=1) / np.sqrt(20))
    other = result(others)._replace(scores={"acc": Score(0.5, 0.2, None)})
    unpaired = difference(result(ones), other, "acc")
    assert not unpaired.paired
    assert unpaired.stderr == pytest.approx(np.hypot(0.1, 0.2))


def test_a_task_beside_its_group_is_refused(trained: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(trained.path), "--tasks", "stories,stories_tense", "--limit", "2"]) == 2
    assert "name each task once" in capsys.readouterr().err


def test_a_run_trained_on_the_tasks_stories_is_refused_first_or_second(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = Path(shutil.copytree(trained.path, tmp_path / "seen"))
    row = next(rows("tense", items=2))
    text = retell(SEED, row["story"], lambda v: v._replace(tense="past")).text
    (tmp_path / "story.txt").write_text(text)
    pack(load_corpus(str(tmp_path / "story.txt")), load(seen).tokenizer, seen / "data", "train")
    for run, other in ((seen, trained.path), (trained.path, seen)):
        assert (
            main(["eval", str(run), "--tasks", "stories_tense", "--limit", "2", "--compare", str(other)]) == 2
        )
        assert f"{seen} was trained on" in capsys.readouterr().err


def test_texts_that_are_cut_to_the_context_are_counted_and_said(
    trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", str(trained.path), "--tasks", "stories_tense", "--limit", "4", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["tasks"]["stories_tense"]["n_cut"] == 8  # both choices of each
    assert "longer than the context" in said.err


def test_an_unknown_task_names_the_nearest(directory: Path, trained: Run) -> None:
    with pytest.raises(InputError, match=r"unknown task 'stories_tens'; nearest: stories_tense"):
        harness.check_names(["stories_tens"], ["stories_tense", "arc_easy"])


@pytest.mark.parametrize("directory_given", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_task_of_the_hub_is_refused_at_once_when_offline(
    tmp_path: Path, trained: Run, directory_given: bool
) -> None:
    config = {
        "task": "far_away",
        "dataset_path": "nobody/nothing",
        "output_type": "loglikelihood",
        "test_split": "test",
        "doc_to_text": "{{a}}",
        "doc_to_target": "{{b}}",
    }
    (tmp_path / "far_away.yaml").write_text(yaml.safe_dump(config))
    model, tokenizer, _ = load(trained.path)
    manager_knows = "far_away" if directory_given else "lambada_openai"
    with pytest.raises(InputError, match=f"'{manager_knows}' needs data from the hub"):
        run_tasks(model, tokenizer, [manager_knows], include=tmp_path)
