"""What has little or nothing to measure is measured all the same, or said."""

import math

import pytest
import torch

from planted import CONCEPTS, VOCABULARY, WIDTH, planted
from topklm.metrics import absorption, entropies, labelled, matching, null, perturbation, probing, senses
from topklm.metrics.batch import Batch, Row
from topklm.metrics.examples import text_of
from topklm.metrics.senses import Word
from topklm.model import SparseCodes


def silent() -> Batch:
    """The planted text with features that never fire."""
    return planted().batch._replace(codes=SparseCodes.from_dense(torch.zeros(len(planted().dense), WIDTH)))


def one_document() -> Batch:
    """A text that cannot be split."""
    batch = planted().batch
    return batch._replace(documents=torch.zeros_like(batch.documents))


def unlabelled() -> Batch:
    """A text with labels of no concept."""
    batch = planted().batch
    nothing = torch.zeros(len(batch.codes) + 1, dtype=torch.int64)
    return batch._replace(labels=SparseCodes(nothing, torch.zeros(0, dtype=torch.int32), torch.zeros(0), 0))


@pytest.mark.parametrize("make", [silent, one_document])
def test_little_to_measure_is_no_failure(make: object) -> None:
    batch = make()  # type: ignore[operator]
    text = text_of(batch)
    rows: list[Row] = [
        *entropies.measure([batch]),
        *labelled.measure([batch], vocabulary=VOCABULARY, resamples=5),
        *null.measure(batch, draws=3),
        *probing.measure(text, concepts=[0, 1, 2], names=CONCEPTS),
        *absorption.measure(text, concepts=[0, 1, 2], names=CONCEPTS),
        *matching.measure(batch.codes, batch.codes),
        *senses.measure(text, [Word("word", (2, 3), (4, 5))]),
    ]
    for row in rows:
        assert row.n >= 0
        assert row.n == 0 or not math.isnan(row.value), row


def test_labels_of_no_concept_are_refused_where_labels_are_needed() -> None:
    for measure in (null.measure, lambda batch: labelled.measure([batch], vocabulary=VOCABULARY)):
        with pytest.raises(ValueError, match="needs labels"):
            measure(unlabelled())


def test_features_that_never_fire_are_labelled_nothing() -> None:
    rows = {(row.metric, row.about): row for row in labelled.measure([silent()], vocabulary=VOCABULARY)}
    assert rows["labelled_features", "all features"].value == 0
    assert rows["labelled_features", "live features"].n == 0
    assert rows["concept_coverage", "all concepts"].value == 0


def test_probes_of_silent_features_are_at_chance_and_perturb_nothing() -> None:
    text = text_of(silent())
    found = probing.probe(text, 0)
    assert found is not None
    assert {estimate.value for estimate in found.by_size.values()} == {0.5}
    rows = perturbation.measure(text, concepts=[0, 1], names=CONCEPTS)
    assert {row.value for row in rows} == {0}


def test_half_precision_codes_give_the_same_entropies() -> None:
    batch = planted().batch
    codes = batch.codes
    half = SparseCodes(codes.offsets, codes.indices, codes.values.bfloat16(), codes.width)
    full = SparseCodes(codes.offsets, codes.indices, codes.values.bfloat16().float(), codes.width)
    a, b = (entropies.measure([batch._replace(codes=one)]) for one in (half, full))
    assert a == b
