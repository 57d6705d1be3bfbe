"""Finding features: what fires and what causes are told apart, on a model in which both are planted."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from topklm.concepts import read_lexicon, resolve_name
from topklm.core.errors import InputError
from topklm.data import Packed
from topklm.data.tokenizer import encode_prompt
from topklm.features import SteerableSource
from topklm.features.hooks import read_sites
from topklm.index import FeatureIndex, build_index
from topklm.index.search import Matches
from topklm.steering.concepts import (
    LabelledText,
    LexiconJudge,
    StoryJudge,
    judge_for,
    labelled_text,
)
from topklm.steering.contrast import find_by_texts
from topklm.steering.editing import source_for, steer
from topklm.steering.edits import Edit
from topklm.steering.find import find_by_concept, find_by_word, marks_of
from topklm.steering.survey import mean_directions, survey
from topklm.training import Loaded


@pytest.fixture(scope="session")
def source(loaded: Loaded) -> SteerableSource:
    return source_for(loaded)


@pytest.fixture(scope="session")
def text(loaded: Loaded, own_index: FeatureIndex, lexicon: Path) -> LabelledText:
    judge = judge_for(loaded.run, lexicon)
    return labelled_text(own_index, loaded.run, loaded.tokenizer, judge, tokens=4000)


def test_labels_are_those_of_the_indexs_own_text(text: LabelledText, own_index: FeatureIndex) -> None:
    assert 4000 <= len(text.ids) < own_index.n_tokens
    assert text.ids.tolist() == own_index.tokens[: len(text.ids)].tolist()
    days = text.labels.select(["days"]).occurrences
    shown = {text.tokenizer.decode([int(one)]).strip().lower() for one in text.ids[days.rows]}
    assert shown
    assert all(one in "day" for one in shown)


def test_a_concept_has_its_own_tokens_and_the_word_that_tells_it_best(text: LabelledText) -> None:
    target = text.target("stones")
    pieces = [text.tokenizer.decode([one]) for one in target.tokens.tolist()]
    assert target.word == "stones"
    assert pieces
    assert all(piece.strip() in "stones" for piece in pieces)
    assert text.target("animals").word in ("cat", "dog", "hen", "fox", "owl", "cow")


def test_a_survey_agrees_with_the_index(
    text: LabelledText, source: SteerableSource, own_index: FeatureIndex
) -> None:
    whole = LabelledText(text.packed, text.labels, text.judge, text.tokenizer)
    found = survey(source, whole)
    assert len(found.features) == own_index.count()
    assert [str(one.feature) for one in found.features] == own_index.brief["feature"].to_pylist()
    labelled = [one for one in found.features if one.labelled]
    assert labelled
    assert all(one.f1 >= 0.5 and one.p99 > 0 and one.concept in text.names for one in labelled)
    row = max(found.features, key=lambda one: one.density)
    codes = torch.cat(
        [
            source.codes(block[None])[row.feature.layer].to_dense()[:, row.feature.index]
            for block in text.ids.split(source.context)
        ]
    )
    fired = codes[codes != 0].numpy()
    assert row.p99 == pytest.approx(float(np.quantile(fired, 0.99)), rel=1e-3)
    assert row.density == pytest.approx(len(fired) / len(text.ids), abs=1e-3)


def test_a_mean_direction_is_the_difference_of_means(text: LabelledText, source: SteerableSource) -> None:
    marks = text.labels.select(["animals", "stones"]).occurrences
    directions, lengths = mean_directions(source.model, text.tokenizer, text.packed, marks, [1, 2])
    states: dict[int, list[torch.Tensor]] = {1: [], 2: []}
    for block in text.ids.split(source.context):
        for site, hidden in read_sites(
            source.model, block[None], None, [1, 2], lambda _, one: one[0]
        ).items():
            states[site].append(hidden)
    carries = marks.to_dense() > 0
    for site, parts in states.items():
        hidden = torch.cat(parts)
        for concept in range(2):
            with_it = carries[:, concept]
            expected = hidden[with_it].mean(0) - hidden[~with_it].mean(0)
            found = directions.directions[site][concept]
            torch.testing.assert_close(found, expected / expected.norm(), atol=1e-4, rtol=1e-3)
            assert lengths[site][concept] == pytest.approx(float(expected.norm()), rel=1e-3)


def causes(source: Any, feature: Any, amount: float, contexts: torch.Tensor, tokens: list[int]) -> float:
    """The rise of some tokens' probability at the last token, without any cache."""
    last = contexts.shape[1] - 1
    with torch.no_grad():
        before = source.model(contexts).logits[:, -1].softmax(-1)[:, tokens].sum(-1)
        with steer(source, [Edit(feature, set_to=amount, positions=slice(last, last + 1))]):
            after = source.model(contexts).logits[:, -1].softmax(-1)[:, tokens].sum(-1)
    return float((after - before).mean())


def test_features_for_a_word_are_ranked_by_what_they_cause(
    source: SteerableSource, own_index: FeatureIndex
) -> None:
    from topklm.features.effects import probe_contexts

    found = find_by_word(source, own_index, "stones", candidates=10)
    effects = [one.causes.value for one in found.features]
    assert effects == sorted(effects, reverse=True)
    specific = {hit.feature: hit.score for hit in own_index.search("stones", limit=10).hits}
    for one in found.features:
        assert one.fires == specific.get(one.feature, 0.0)
    assert {one.feature for one in found.features} >= set(specific)  # each has a unit here
    contexts = probe_contexts(torch.from_numpy(own_index.tokens.astype(np.int64)), count=64, length=32)
    best = found.features[0]
    expected = causes(source, best.feature, best.unit, contexts, list(found.tokens))
    assert best.causes.value == pytest.approx(expected, abs=1e-5)
    assert best.causes.low <= best.causes.value <= best.causes.high
    assert [one.feature for one in found.references] != []
    assert all(np.isnan(one.fires) for one in found.references)


@pytest.mark.parametrize(("lasts", "counted"), [((3, 9), (0,)), ((4, 9), (0, 1))])
def test_a_word_is_written_by_the_tokens_that_are_it_or_else_by_those_that_begin_it(
    source: SteerableSource,
    own_index: FeatureIndex,
    monkeypatch: pytest.MonkeyPatch,
    lasts: tuple[int, int],
    counted: tuple[int, ...],
) -> None:
    firsts = np.array([3, 7])
    assert own_index.tokens[3] != own_index.tokens[7]
    there = Matches(firsts, np.array(lasts))
    monkeypatch.setattr("topklm.steering.find.find_words", lambda *given, **options: there)
    found = find_by_word(source, own_index, "stones", candidates=2)
    assert set(found.tokens) == {int(own_index.tokens[firsts[one]]) for one in counted}


def test_features_for_a_concept_are_told_by_the_half_that_did_not_choose(
    source: SteerableSource, own_index: FeatureIndex, text: LabelledText
) -> None:
    found = find_by_concept(source, own_index, text, "animals", candidates=8)
    scores = survey(source, text).scores
    concept = text.labels.index("animals")
    named = [one for one in found.features if one.fires > 0]
    assert named
    for one in named:
        layer, index = int(one.feature[1]), int(one.feature.partition("N")[2])
        assert one.fires == pytest.approx(float(scores[layer].f1[1, index, concept]))
    effects = [one.causes.value for one in found.features]
    assert effects == sorted(effects, reverse=True)


def test_features_for_texts_tell_the_sides_apart(source: SteerableSource, own_index: FeatureIndex) -> None:
    animals = [f"Day {n}. The {one} went to the barn." for n, one in enumerate(("cat", "dog", "hen", "fox"))]
    stones = [f"There the owl saw {n} stones and the cow." for n in range(4)]
    there = find_by_texts(source, own_index, animals, stones, candidates=6)
    back = find_by_texts(source, own_index, stones, animals, candidates=64)
    assert len(there.features) == 6
    assert all(one.fires > 0 for one in there.features)
    opposite = {one.feature: one for one in back.features}
    for one in there.features:
        other = opposite[one.feature]
        assert other.fires == pytest.approx(-one.fires)
        assert other.causes.value == pytest.approx(-one.causes.value, abs=1e-5)
        assert one.causes.low <= one.causes.value <= one.causes.high
    for empty in ([], ["  "]):
        with pytest.raises(InputError, match="there is no text with it"):
            find_by_texts(source, own_index, empty, stones)


def test_the_effect_on_texts_is_the_gain_per_token_of_one_side_less_that_of_the_other(
    source: SteerableSource, own_index: FeatureIndex
) -> None:
    sides = (["The cat went to the barn.", "Day 3. The dog"], ["There the owl saw 4 stones and the cow."])
    found = find_by_texts(source, own_index, *sides, candidates=3, strength=2.0)

    def gain(texts: list[str], edit: Edit) -> float:
        nats, count = 0.0, 0
        for text in texts:
            ids = torch.tensor([encode_prompt(source.tokenizer, text)])
            for sign, block in ((-1, contextlib.nullcontext()), (1, steer(source, edit))):
                with block, torch.no_grad():
                    told = source.model(ids).logits[0, :-1].log_softmax(-1)
                nats += sign * float(told.gather(1, ids[0, 1:, None]).sum())
            count += ids.shape[1] - 1
        return nats / count

    for one in found.features:
        edit = Edit(one.feature, set_to=2.0 * one.unit)
        expected = gain(sides[0], edit) - gain(sides[1], edit)
        assert one.causes.value == pytest.approx(expected, abs=1e-4)


def test_who_judges_follows_from_what_the_run_learnt(loaded: Loaded, lexicon: Path) -> None:
    assert isinstance(judge_for(loaded.run), LexiconJudge)
    told = judge_for(loaded.run, lexicon)
    assert told.shown("The cat, the barn; catfish.") == {"animals", "places"}
    assert read_lexicon(lexicon).names == told.labeller.names

    class Told:
        class settings:  # noqa: N801
            data = ("stories:3",)

    assert isinstance(judge_for(Told), StoryJudge)  # type: ignore[arg-type]


def test_names_of_concepts_may_leave_out_their_kind() -> None:
    names = ["topic:sea", "bat/animal", "mood:calm", "ending:calm", "animal"]
    assert resolve_name(names, "sea") == "topic:sea"
    assert resolve_name(names, "animal") == "animal"
    for asked, near in (("calm", "mood:calm, ending:calm"), ("animals", "animal")):
        with pytest.raises(InputError, match=f"no concept '{asked}'; did you mean {near}"):
            resolve_name(names, asked)


def test_a_word_that_never_occurs_and_a_concept_without_tokens_are_said(
    source: SteerableSource, own_index: FeatureIndex, text: LabelledText, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="'whale' does not occur in the indexed text"):
        find_by_word(source, own_index, "whale")
    with pytest.raises(InputError, match="there is no concept 'fish'"):
        find_by_concept(source, own_index, text, "fish")
    monkeypatch.setattr("topklm.steering.concepts.OWN_SHARE", 1.1)
    with pytest.raises(InputError, match="no token stands for the concept 'animals'"):
        find_by_concept(source, own_index, text, "animals")


def test_marks_are_the_rows_given() -> None:
    assert marks_of([3, 0], 5).to_dense().flatten().tolist() == [1, 0, 0, 1, 0]
    assert isinstance(Packed(np.zeros(1), np.zeros((1, 2)), {}), Packed)


def test_an_index_whose_text_is_gone_is_named_with_what_helps(
    loaded: Loaded, lexicon: Path, tmp_path: Path
) -> None:
    text = tmp_path / "gone.txt"
    text.write_text("The dog went to the barn.\n" * 400, encoding="utf-8")
    index = build_index(loaded.run.path, data=str(text), tokens=1000, out=tmp_path / "index").path
    text.unlink()
    judge = judge_for(loaded.run, lexicon)
    with pytest.raises(InputError, match=r"the text of .* is not here.*topklm index .* --data TEXT"):
        labelled_text(FeatureIndex.open(index), loaded.run, loaded.tokenizer, judge)
