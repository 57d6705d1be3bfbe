"""Contexts of top firings, embeddings of them, coherence, intruder and detection tests."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from planted import ABSORBER, DEAD, NOISE, PERFECT, SPLIT, VOCABULARY, Planted, nothing_planted, planted
from topklm.core.errors import InputError
from topklm.metrics import coherence, intruder
from topklm.metrics.coherence import pairwise_cosine
from topklm.metrics.contexts import Examples, embedded_examples, top_positions, windows
from topklm.metrics.embeddings import CoOccurrence, Embedder, SentenceModel, StaticVectors, semantic_classes
from topklm.metrics.firings import Firings, FiringSample


class Spoken:
    """An embedder that hears one token: the context's thirteenth, the firing's own."""

    name = "spoken"

    def embed(self, contexts: list[list[int]]) -> torch.Tensor:
        return torch.eye(VOCABULARY)[[context[min(12, len(context) - 1)] for context in contexts]]


def strongest(text: Planted) -> Firings:
    sample = FiringSample(24)
    sample.update(text.batch)
    return sample.result()


def examples(text: Planted, **kwargs: int) -> Examples:
    batch = text.batch
    # away from the documents' edges, so that the thirteenth token of a context is the firing's
    middle = (torch.arange(len(batch.codes)) % 50 > 12)[:, None]
    dense = torch.where(middle, text.dense, torch.tensor(0.0))
    inside = batch._replace(codes=type(batch.codes).from_dense(dense))
    firings = strongest(Planted(inside, dense, text.carries))
    return embedded_examples(firings, batch.token_ids, batch.documents, Spoken(), **kwargs)


def test_windows_stop_where_their_document_does() -> None:
    ids, documents = list(range(10)), [0] * 4 + [1] * 6
    assert windows(ids, documents, [5, 3, 0, 9], before=3, after=2) == [
        [4, 5, 6, 7],
        [0, 1, 2, 3],
        [0, 1, 2],
        [6, 7, 8, 9],
    ]


def test_top_examples_are_the_strongest_of_different_documents() -> None:
    text = planted()
    features, positions = top_positions(strongest(text), count=5)
    assert DEAD not in features.tolist()
    assert PERFECT in features.tolist()
    documents = text.batch.documents[positions]
    assert all(len(set(row)) == 5 for row in documents.tolist())
    place = features.tolist().index(PERFECT)
    best = text.dense[:, PERFECT].reshape(240, 50).amax(1).sort(descending=True).values[:5]
    torch.testing.assert_close(text.dense[positions[place], PERFECT], best)


@given(st.integers(0, 1_000))
@settings(max_examples=20, deadline=None)
def test_pairwise_cosine_is_the_mean_over_pairs(seed: int) -> None:
    vectors = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(seed)).double()
    unit = torch.nn.functional.normalize(vectors, dim=-1)
    table = unit @ unit.transpose(1, 2)
    pairs = torch.triu(torch.ones(5, 5), 1).bool()
    torch.testing.assert_close(pairwise_cosine(vectors), table[:, pairs].mean(1))


def test_planted_features_are_coherent_and_noise_is_not() -> None:
    found = examples(planted())
    values = dict(zip(found.features.tolist(), coherence.coherence(found).tolist(), strict=True))
    assert values[ABSORBER] > 0.95  # one word
    assert 0.1 < values[PERFECT] < 0.5  # four words
    assert max(abs(values[feature]) for feature in NOISE) < 0.15
    rows = coherence.measure(found)
    assert {row.about for row in rows} == {"spoken"}


def test_nothing_planted_has_no_coherence() -> None:
    (row, _) = coherence.measure(examples(nothing_planted()))
    assert abs(row.value) < 0.02


def test_an_intruder_stands_out_of_planted_examples_only() -> None:
    found = examples(planted())
    tested = intruder.examine(found)
    own = {feature: place for place, feature in enumerate(found.features.tolist())}
    assert tested.intruder[own[ABSORBER]] > 0.9
    assert tested.detection[own[ABSORBER]] > 0.9
    assert tested.intruder[own[SPLIT]] > 0.4
    noise = [own[feature] for feature in NOISE]
    assert abs(float(tested.intruder[noise].mean()) - 1 / 6) < 0.06
    assert abs(float(tested.detection[noise].mean()) - 0.5) < 0.05


def test_shuffled_examples_are_at_chance_where_nothing_is_planted() -> None:
    rows = {row.metric: row for row in intruder.measure(examples(nothing_planted()))}
    assert abs(rows["intruder"].value - 1 / 6) < 0.05
    assert abs(rows["intruder_shuffled"].value - 1 / 6) < 0.05
    assert abs(rows["detection_shuffled"].value - 0.5) < 0.05
    assert rows["intruder"].about == "spoken"


def test_an_embedding_that_says_nothing_is_exactly_at_chance() -> None:
    blank = Examples(torch.arange(4), torch.ones(4, 8, 3), torch.ones(20, 3), "blank", 9)
    tested = intruder.examine(blank, trials=2)
    torch.testing.assert_close(tested.intruder, torch.full((4,), 1 / 6, dtype=torch.float64))
    torch.testing.assert_close(tested.detection, torch.full((4,), 0.5, dtype=torch.float64))


def test_too_few_examples_are_said() -> None:
    few = Examples(torch.arange(4), torch.ones(4, 5, 3), torch.ones(20, 3), "few", 9)
    with pytest.raises(ValueError, match="at least 6"):
        intruder.examine(few)
    none = embedded_examples(strongest(planted()), planted().batch.token_ids, planted().batch.documents,
                             Spoken(), top=999)  # fmt: skip
    assert len(none.features) == 0
    assert intruder.measure(none) == []
    assert np.isnan(coherence.measure(none)[0].value)


def two_worlds(tokens: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Documents that draw their words from 0..9 or from 10..19."""
    g = torch.Generator().manual_seed(0)
    documents = torch.arange(tokens) // 20
    world = torch.randint(0, 2, (tokens // 20,), generator=g)[documents]
    return torch.randint(0, 10, (tokens,), generator=g) + 10 * world, documents


def counted(ids: torch.Tensor, documents: torch.Tensor) -> CoOccurrence:
    found = CoOccurrence(25)
    found.update(ids, documents)
    return found


def test_words_of_one_world_are_near_each_other() -> None:
    vectors = counted(*two_worlds()).vectors(dimensions=5)
    unit = torch.nn.functional.normalize(vectors.vectors[:20], dim=1)
    cosine = unit @ unit.T
    assert cosine[:10, :10].min() > cosine[:10, 10:].max() + 0.2
    assert vectors.vectors[20:].abs().sum() == 0  # words that never occur
    assert "20000 tokens" in vectors.name
    classes = semantic_classes(vectors, classes=2)
    assert len(set(classes[:10].tolist())) == len(set(classes[10:20].tolist())) == 1
    assert classes[0] != classes[10]
    assert len(set(classes.tolist())) == 2 + 5  # each word without a vector is a class of its own


def test_a_context_is_the_mean_of_its_words() -> None:
    vectors = StaticVectors(torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.0, 0.0]]), "by hand")
    found = vectors.embed([[0, 1], [0, 2], [2], []])
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))
    assert isinstance(vectors, Embedder)


def test_counts_of_documents_read_apart_merge() -> None:
    ids, documents = two_worlds(4_000)
    whole, first, second = counted(ids, documents), counted(ids[:2000], documents[:2000]), counted(
        ids[2000:], documents[2000:]
    )  # fmt: skip
    first.merge(second)
    assert (first.pairs != whole.pairs).nnz == 0
    torch.testing.assert_close(first.vectors(dimensions=4).vectors, whole.vectors(dimensions=4).vectors)


def test_neighbours_by_hand() -> None:
    found = CoOccurrence(4, window=2)
    found.update(torch.tensor([0, 1, 2, 3]), torch.tensor([0, 0, 0, 1]))
    expected = np.zeros((4, 4), int)
    for a, b in ((0, 1), (1, 2), (0, 2)):
        expected[a, b] = expected[b, a] = 1
    np.testing.assert_array_equal(found.pairs.toarray(), expected)


def test_a_text_without_frequent_words_is_refused() -> None:
    with pytest.raises(InputError, match="too small"):
        counted(torch.arange(4), torch.zeros(4).long()).vectors()


def test_a_sentence_model_is_used_where_it_is_installed_and_named_where_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(InputError, match="pip install sentence-transformers"):
        SentenceModel("some/model", str)

    class Model:
        def __init__(self, path: str) -> None:
            if path == "bad":
                raise OSError("no such model\nand more")

        def encode(self, texts: list[str], **_: object) -> np.ndarray:
            return np.array([[len(text), 1.0] for text in texts])

    module = ModuleType("sentence_transformers")
    module.SentenceTransformer = Model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    found = SentenceModel("good", lambda ids: "x" * len(ids))
    assert found.embed([[1, 2], [3]]).tolist() == [[2.0, 1.0], [1.0, 1.0]]
    assert found.name == "good"
    with pytest.raises(InputError, match=r"'bad' cannot be loaded: no such model$"):
        SentenceModel("bad", str)
