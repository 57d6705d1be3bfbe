"""Labels on disk are those in memory; tokens know their documents."""

from pathlib import Path

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from topklm.comparison.stored import DocumentOf, StoredLabels, only
from topklm.concepts import ConceptLabels
from topklm.data import Packed
from topklm.model import SparseCodes


def labelled(seed: int, tokens: int = 40) -> ConceptLabels:
    g = torch.Generator().manual_seed(seed)
    carries = (torch.rand(tokens, 5, generator=g) < 0.3).float()
    names = tuple("abcde")
    return ConceptLabels(names, names, SparseCodes.from_dense(carries), torch.arange(tokens) // 7, "x")


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_stored_in_stretches_is_read_back_in_any(
    tmp_path: Path, seed: int, size: int, first: int, last: int
) -> None:
    labels = labelled(seed)
    stored = StoredLabels(tmp_path, concepts=5)
    for start in range(0, 40, size):
        stored.append(labels[start : start + size])
    first, last = min(first, last), max(first, last)
    assert stored[first:last] == labels.occurrences[first:last]
    assert len(stored) == 40


@given(st.integers(0, 1000), st.lists(st.integers(0, 4), unique=True))
@settings(max_examples=30)
def test_some_of_the_concepts_are_the_columns_of_those(seed: int, chosen: list[int]) -> None:
    labels = labelled(seed).occurrences
    chosen = sorted(chosen)
    table = torch.full((5,), -1)
    table[chosen] = torch.arange(len(chosen))
    if chosen:
        found = only(labels, table, len(chosen))
        assert torch.equal(found.to_dense(), labels.to_dense()[:, chosen])


def test_tokens_know_their_documents() -> None:
    packed = Packed(np.zeros(9, np.uint16), np.array([[0, 1], [4, 1], [5, 1]]), {})
    documents = DocumentOf(packed)
    expected = [0, 0, 0, 0, 1, 2, 2, 2, 2]
    assert [documents[place] for place in range(9)] == expected
    assert documents[2:7].tolist() == expected[2:7]
    assert len(documents) == 9
