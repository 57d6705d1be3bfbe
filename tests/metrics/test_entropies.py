"""Firings kept from a stream, and entropies over equally many of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from planted import ABSORBER, COLOURS, DEAD, NOISE, PERFECT, VOCABULARY, nothing_planted, parts, planted
from topklm.metrics.batch import Batch
from topklm.metrics.entropies import BAND, entropies, measure, shuffled_classes
from topklm.metrics.firings import Firings, FiringSample
from topklm.model import SparseCodes


def kept(batches: list[Batch], by: str, size: int = 16, width: int = 24) -> Firings:
    sample = FiringSample(width, size=size, by=by)
    for batch in batches:
        sample.update(batch)
    return sample.result()


@pytest.mark.parametrize("by", ["strongest", "random"])
@given(size=st.integers(500, 9_000), cut=st.integers(1, 11))
@settings(max_examples=8, deadline=None)
def test_what_is_kept_does_not_depend_on_batches_or_on_who_read_them(by: str, size: int, cut: int) -> None:
    text = planted().batch
    whole = kept([text], by)
    batches = parts(text, size)
    first, second = FiringSample(24, size=16, by=by), FiringSample(24, size=16, by=by)
    for batch in batches[cut:]:
        second.update(batch)
    for batch in batches[:cut]:
        first.update(batch)
    second.merge(first)
    for a, b in zip(whole, second.result(), strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def test_the_strongest_are_the_largest_and_random_ones_are_a_sample() -> None:
    text = planted()
    for feature in (PERFECT, NOISE[0]):
        values = text.dense[:, feature]
        found = kept([text.batch], "strongest")
        own = found.activations[found.features == feature]
        torch.testing.assert_close(own, values.sort(descending=True).values[:16])
        found = kept([text.batch], "random")
        mine = found.features == feature
        assert int(mine.sum()) == 16
        assert torch.equal(values[found.positions[mine]], found.activations[mine])
        assert found.totals[feature] == int((values > 0).sum())
    assert (found.features == DEAD).sum() == 0


def test_random_firings_come_from_everywhere() -> None:
    dense = torch.ones(4000, 1)
    batch = Batch(SparseCodes.from_dense(dense), torch.zeros(4000).long(), torch.arange(4000))
    positions = kept([batch], "random", size=400, width=1).positions.double()
    assert abs(float(positions.mean()) - 2000) < 5 * 4000 / math.sqrt(12 * 400)


def test_entropy_by_hand() -> None:
    dense = torch.tensor([[2.0], [1.0], [1.0]])
    batch = Batch(SparseCodes.from_dense(dense), torch.tensor([5, 6, 7]), torch.zeros(3).long())
    found = entropies(kept([batch], "strongest", size=3, width=1), classes=torch.arange(10) // 6)
    assert found.token[0] == pytest.approx(1.5)
    assert found.semantic is not None
    assert found.semantic[0] == pytest.approx(1.0)
    assert found.enough[0]


def test_planted_features_have_the_entropy_of_their_words_and_noise_that_of_the_text() -> None:
    found = entropies(kept([planted().batch], "random", size=256))
    assert found.token[PERFECT] == pytest.approx(math.log2(len(COLOURS)), abs=0.05)
    assert found.token[ABSORBER] == 0
    assert not found.enough[ABSORBER]  # about 60 firings: stands apart
    assert found.token[list(NOISE)].min() > 5
    assert found.token[DEAD].isnan()


def test_semantic_entropy_is_below_random_classes_only_where_classes_mean_something() -> None:
    classes = torch.arange(VOCABULARY) // 5  # the colours are one class but for their first
    classes[list(COLOURS)] = 12
    firings = kept([planted().batch], "random", size=256)
    found = entropies(firings, classes=classes, draws=30)
    assert found.semantic is not None
    assert found.null_mean is not None
    assert found.null_spread is not None
    assert found.semantic[PERFECT] == 0
    assert found.null_mean[PERFECT] > 1
    noise = list(NOISE)
    distance = (found.semantic[noise] - found.null_mean[noise]) / found.null_spread[noise]
    assert distance.abs().max() < 5


def test_random_features_stand_at_the_null_though_classes_go_with_frequency() -> None:
    generator = torch.Generator().manual_seed(0)
    shares = 1 / torch.arange(1.0, 301.0)
    words = torch.multinomial(shares, 20_000, replacement=True, generator=generator)
    classes = torch.cat([torch.zeros(20), torch.arange(80) % 5 + 1, torch.arange(200) + 6]).long()
    dense = (torch.rand(20_000, 12, generator=generator) < 0.05).float()
    batch = Batch(SparseCodes.from_dense(dense), words, torch.arange(20_000) // 100)
    found = entropies(kept([batch], "random", size=256, width=12), classes=classes, draws=30)
    assert found.semantic is not None
    assert found.null_mean is not None
    assert float((found.null_mean - found.semantic).mean().abs()) < 0.05


@given(seed=st.integers(0, 1000), types=st.integers(1, 90))
@settings(max_examples=30, deadline=None)
def test_shuffled_classes_keep_their_sizes_bands_and_those_who_are_alone(seed: int, types: int) -> None:
    generator = np.random.default_rng(seed)
    classes, counts = generator.integers(0, types, types), generator.integers(0, 50, types)
    found = shuffled_classes(classes, counts, generator)
    assert sorted(found) == sorted(classes)
    sizes = np.bincount(classes)
    alone = sizes[classes] == 1
    assert (found[alone] == classes[alone]).all()
    together = np.flatnonzero(~alone)
    order = together[np.argsort(-counts[together], kind="stable")]
    for start in range(0, len(order), BAND):
        band = order[start : start + BAND]
        assert sorted(found[band]) == sorted(classes[band])


def test_rows_tell_few_firings_apart() -> None:
    found = {
        row.metric: row for row in measure(parts(planted().batch, 5_000), classes=torch.arange(VOCABULARY))
    }
    assert found["token_entropy/strongest"].n == 22
    assert found["token_entropy/strongest/few_firings"].n == 1
    assert found["features_with_few_firings/random"].value == 1
    assert found["semantic_entropy/random"].value == pytest.approx(found["token_entropy/random"].value)
    assert found["semantic_entropy_below_random/random"].value == pytest.approx(0, abs=1e-9)


def test_nothing_planted_is_as_wide_as_the_text() -> None:
    found = entropies(kept([nothing_planted().batch], "strongest", size=256))
    assert found.token[found.enough].min() > 5


def test_wrong_kinds_and_unlike_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="strongest"):
        FiringSample(3, by="weakest")
    with pytest.raises(ValueError, match="merged"):
        FiringSample(3).merge(FiringSample(4))
