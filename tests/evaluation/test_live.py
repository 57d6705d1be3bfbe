"""Writing in company: a line is written as if it were alone, and ends when it is told to."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from topklm.core.errors import InputError
from topklm.evaluation.generation import Line, continue_ids, continue_live
from topklm.training import Loaded, Run, load


@pytest.fixture(scope="module")
def loaded(trained: Run) -> Loaded:
    return load(trained.path)


lines = st.builds(
    Line,
    prompt=st.lists(st.integers(2, 250), min_size=1, max_size=9),
    max_new_tokens=st.integers(1, 12),
    temperature=st.sampled_from([0.0, 0.7, 1.3]),
    seed=st.integers(0, 99),
    penalty=st.just(0.0),
)


@settings(max_examples=25)
@given(batch=st.lists(lines, min_size=1, max_size=4))
def test_a_line_in_a_batch_is_what_is_written_for_it_alone(loaded: Loaded, batch: list[Line]) -> None:
    together = continue_live(loaded.model, loaded.tokenizer, batch)
    for line, written in zip(batch, together, strict=True):
        prompt, options = line.prompt, line._asdict()
        del options["prompt"], options["penalty"]
        assert continue_ids(loaded.model, loaded.tokenizer, [prompt], **options) == [written]


def test_all_is_told_and_a_line_ends_when_it_shall(loaded: Loaded) -> None:
    told: list[list[int | None]] = []

    def tell(chosen: list[int | None], logits: Any) -> list[int]:
        told.append(list(chosen))
        assert logits.shape[0] == 2
        return [0] if len(told) == 3 else []

    batch = [Line([5, 6], 10, 0.0), Line([7], 10, 0.0)]
    first, second = continue_live(loaded.model, loaded.tokenizer, batch, tell)
    assert len(first) == 3
    assert first == [one[0] for one in told][:3]
    assert [one[0] for one in told][3:] == [None] * (len(told) - 3)
    assert second == [one[1] for one in told if one[1] is not None]
    assert len(told) > 3


def test_nothing_is_computed_once_all_lines_have_ended(loaded: Loaded) -> None:
    calls = []
    continue_live(loaded.model, loaded.tokenizer, [Line([5], 50)], lambda *_: calls.append(1) or [0])
    assert len(calls) == 1


def test_the_global_random_state_stays_as_it_is(loaded: Loaded) -> None:
    before = torch.get_rng_state()
    continue_live(loaded.model, loaded.tokenizer, [Line([5], 5, 1.0, seed=3)])
    assert torch.equal(before, torch.get_rng_state())


def test_a_prompt_that_fills_the_context_is_refused(loaded: Loaded) -> None:
    context = loaded.model.config.max_position_embeddings
    with pytest.raises(InputError, match="context"):
        continue_live(loaded.model, loaded.tokenizer, [Line([5], 5), Line([5] * context, 5)])
    (written,) = continue_live(loaded.model, loaded.tokenizer, [Line([5] * (context - 2), 50)])
    assert len(written) <= 2
