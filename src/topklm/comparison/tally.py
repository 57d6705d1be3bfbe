"""Everything that is counted of one source at one site, and what the counts say."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..concepts import Name, name_features
from ..core.stats import is_live
from ..metrics import (
    absorption,
    coherence,
    entropies,
    intruder,
    labelled,
    null,
    perturbation,
    probing,
    senses,
)
from ..metrics.batch import Batch, Row, mean_row, row
from ..metrics.contexts import Examples, embedded_examples
from ..metrics.examples import ExampleSample, Text
from ..metrics.firings import FiringSample
from ..metrics.labelled import CHOOSING, READING, HeldOutCheck
from ..metrics.scores import ConceptCounts, ConceptScores
from ..model import SparseCodes
from .stored import only
from .text import MeasuredText

if TYPE_CHECKING:
    from .measuring import Settings

CONCEPT_FEATURES = 20
"""Features kept of each concept, for finding them by concept."""


class Checks(NamedTuple):
    """What the second pass counts."""

    labels: HeldOutCheck
    features: HeldOutCheck

    def update(self, batch: Batch) -> None:
        """Count one batch."""
        for check in self:
            check.update(batch)


class Tally:
    """One source at one site: update with every stretch of the text, then ask for rows and tables.

    Memory: bounded by the features, the concepts and the settings, not by the text.
    """

    def __init__(
        self, text: MeasuredText, width: int, settings: "Settings", *, directions: Tensor | None
    ) -> None:
        self.text, self.width, self.settings, self.directions = text, width, settings, directions
        self.samples = {by: FiringSample(width, by=by) for by in entropies.KINDS}
        self.counts = ConceptCounts(width, len(text.names))
        self.probes = _Chosen(text.probed, len(text.names), settings.examples)
        meant = sorted({one for word in text.words for one in (*word.meanings, *word.topics)})
        self.senses = _Chosen(tuple(meant), len(text.names), settings.sense_examples)
        self.fired = np.zeros(width, np.int64)
        self.n_tokens = 0
        self.head: list[Batch] = []
        self.documents = None if text.documents is None else _DocumentMeans(len(text.documents.occurrences))

    def update(self, batch: Batch, states: Tensor | None) -> None:
        """Count one stretch; states: the residual streams, where they are more than the codes."""
        for sample in self.samples.values():
            sample.update(batch)
        self.counts.update(batch)
        self.probes.update(batch, states)
        self.senses.update(batch, None)
        self.fired += np.bincount(batch.codes.indices.numpy(), minlength=self.width)
        if self.documents is not None:
            self.documents.update(batch, states)
        missing = self.settings.head_tokens - self.n_tokens
        if missing > 0:
            self.head.append(_first(batch, missing))
        self.n_tokens += len(batch.codes)

    @cached_property
    def scores(self) -> ConceptScores:
        """The scores of every pair of feature and concept, once the whole text is counted."""
        return self.counts.result()

    def checks(self) -> Checks:
        """Return what the second pass must count."""
        return Checks(
            HeldOutCheck(labelled.feature_labels(self.scores)),
            HeldOutCheck(labelled.concept_features(self.scores)),
        )

    def rows(self, checks: Checks, names: list[Name]) -> Iterator[Row]:
        """Yield every number of the site. names: those of `self.names`."""
        live = is_live(self.fired, self.n_tokens)
        states = {"live_features": live, "dead_features": self.fired == 0}
        for metric, chosen in states.items():
            yield mean_row(metric, chosen, n_tokens=self.n_tokens)
        per_token = float(self.fired.sum() / self.n_tokens)  # a count of this text: no interval
        yield row("firings_per_token", per_token, n_tokens=self.n_tokens, n=self.n_tokens)
        for by, sample in self.samples.items():
            found = entropies.entropies(sample.result(), classes=self.text.classes)
            yield from entropies.rows(found, by, about=self.text.class_name)
        yield from labelled.rows(
            self.scores, self.text.oracle, labels=checks.labels, features=checks.features
        )
        good = np.array([name.kind != "none" for name in names])
        yield mean_row("named_features", good[live], n_tokens=self._head_size(), about="live features")
        part = self.whole_head(self.settings.null_tokens)
        yield from null.measure(part, draws=self.settings.null_draws)
        examples = self._examples
        yield from coherence.measure(examples) if len(examples.features) else []
        yield from intruder.measure(examples)
        yield from self._probe_rows()

    def _probe_rows(self) -> Iterator[Row]:
        """Yield what is measured on examples of concepts."""
        if self.text.words:
            words = [self.senses.renumbered(word) for word in self.text.words]
            yield from senses.measure(self.senses.result(), words, count=self.settings.sense_examples)
        names = [self.text.names[concept] for concept in self.text.probed]
        concepts, count = range(len(names)), self.settings.examples
        if names:
            sample = self.probes.result()
            yield from probing.measure(sample, concepts=concepts, names=names, count=count)
            yield from absorption.measure(
                sample, concepts=concepts, names=names, directions=self.directions, count=count
            )
            yield from perturbation.measure(
                sample, concepts=list(concepts), names=names, directions=self.directions, count=count
            )
        if self.documents is not None and self.text.documents is not None:
            known = self.text.documents
            sample = self.documents.result(known.occurrences)
            found = probing.measure(sample, concepts=range(len(known.names)), names=known.names)
            yield from (one._replace(metric=f"document_{one.metric}") for one in found)

    def names(self, promoted: Tensor | None = None) -> list[Name]:
        """Name every feature. promoted: the output tokens that each promotes, best first, where known."""
        return name_features(self.whole_head(), self.text.names, self.text.decode, promoted=promoted)

    def features(self, names: list[Name], neurons: int) -> dict[str, list[Any]]:
        """Return what is known of each feature: columns of equal length, None where nothing is.

        neurons: width of the source; features beyond it are the neurons' negative sides.
        """
        labels = labelled.feature_labels(self.scores)
        concepts = labels.concept.tolist()
        strongest = entropies.entropies(self.samples["strongest"].result())
        examples = self._examples
        cohere = np.full(self.width, np.nan)
        cohere[examples.features.numpy()] = coherence.coherence(examples).numpy()
        token = np.where(strongest.enough.numpy(), strongest.token.numpy(), np.nan)
        numbers = np.arange(self.width)
        return {
            "index": (numbers % neurons).tolist(),
            "sign": np.where(numbers < neurons, 1, -1).tolist(),
            "density": (self.fired / max(self.n_tokens, 1)).tolist(),
            "concept": [self.text.names[one] if one >= 0 else None for one in concepts],
            "concept_f1": _numbers(labels.f1),
            "concept_ap": _numbers(labels.average_precision),
            "token_entropy": _numbers(token),
            "coherence": _numbers(cohere),
            "name": [one.text for one in names],
            "name_kind": [one.kind for one in names],
            "name_score": [float(one.score) for one in names],
        }

    def concepts(self, neurons: int) -> dict[str, list[Any]]:
        """List for each concept the features that tell it best: chosen on one half, scored on the other.

        oracle_f1: what the token type alone tells of the concept, the same for all of its features. sign:
        -1 for the negative side of a neuron, where both sides are features.
        """
        chosen = torch.where(labelled.eligible(self.scores), self.scores.f1[CHOOSING], 0.0)
        best = chosen.topk(min(CONCEPT_FEATURES, self.width), dim=0)
        names = ("concept", "index", "sign", "f1", "average_precision", "oracle_f1")
        found: dict[str, list[Any]] = {name: [] for name in names}
        oracle = _numbers(self.text.oracle.f1)
        for concept, name in enumerate(self.text.names):
            for value, index in zip(
                best.values[:, concept].tolist(), best.indices[:, concept].tolist(), strict=True
            ):
                if value > 0:
                    found["concept"].append(name)
                    found["index"].append(index % neurons)
                    found["sign"].append(1 if index < neurons else -1)
                    found["f1"].append(float(self.scores.f1[READING, index, concept]))
                    found["average_precision"].append(
                        float(self.scores.average_precision[READING, index, concept])
                    )
                    found["oracle_f1"].append(oracle[concept])
        return found

    def whole_head(self, tokens: int | None = None) -> Batch:
        """Return the first tokens of the text as one batch."""
        parts = self.head
        labels = [part.labels for part in parts if part.labels is not None]
        whole = Batch(
            SparseCodes.cat([part.codes for part in parts]),
            torch.cat([part.token_ids for part in parts]),
            torch.cat([part.documents for part in parts]),
            SparseCodes.cat(labels),
        )
        return whole if tokens is None else _first(whole, tokens)

    def _head_size(self) -> int:
        return sum(len(part.codes) for part in self.head)

    @cached_property
    def _examples(self) -> Examples:
        text = self.text
        firings = self.samples["strongest"].result()
        return embedded_examples(firings, text.packed.tokens, text.document_of, text.embedder)


class _Chosen:
    """Examples of some of the concepts, renumbered from 0."""

    def __init__(self, concepts: tuple[int, ...], of: int, count: int) -> None:
        self.concepts = concepts
        self.table = torch.full((of,), -1)
        self.table[list(concepts)] = torch.arange(len(concepts))
        self.sample = ExampleSample(len(concepts), count=count) if concepts else None

    def update(self, batch: Batch, states: Tensor | None) -> None:
        if self.sample is not None and batch.labels is not None:
            labels = only(batch.labels, self.table, len(self.concepts))
            self.sample.update(batch._replace(labels=labels), states)

    def result(self) -> Text:
        assert self.sample is not None
        return self.sample.result()

    def renumbered(self, word: senses.Word) -> senses.Word:
        def new(pair: tuple[int, int]) -> tuple[int, int]:
            first, second = (self.concepts.index(one) for one in pair)
            return first, second

        return senses.Word(word.word, new(word.meanings), new(word.topics))


class _DocumentMeans:
    """Mean codes, and states, of the first documents."""

    def __init__(self, documents: int) -> None:
        self.count = documents
        self.tokens = np.zeros(documents)
        self.sums: Tensor | None = None
        self.states: Tensor | None = None

    def update(self, batch: Batch, states: Tensor | None) -> None:
        kept = int((batch.documents < self.count).sum())  # documents come in order
        if not kept:
            return
        documents = batch.documents[:kept]
        self.tokens += np.bincount(documents.numpy(), minlength=self.count)
        codes = batch.codes[:kept]
        if self.sums is None:
            self.sums = torch.zeros(self.count * codes.width)
        flat = documents[codes.rows] * codes.width + codes.indices.long()
        self.sums.index_add_(0, flat, codes.values.float())
        if states is not None:
            if self.states is None:
                self.states = torch.zeros(self.count, states.shape[1])
            self.states.index_add_(0, documents, states[:kept])

    def result(self, labels: SparseCodes) -> Text:
        """Return the documents as a text. They are hashed into halves by their number, as tokens are."""
        assert self.sums is not None
        tokens = torch.from_numpy(self.tokens).clamp(min=1).float()[:, None]
        numbers = torch.arange(self.count)
        means = SparseCodes.from_dense(self.sums.view(self.count, -1) / tokens)
        return Text(
            Batch(means, numbers, numbers, labels),
            numbers,
            None if self.states is None else self.states / tokens,
        )


def _first(batch: Batch, tokens: int) -> Batch:
    part = slice(0, tokens)
    labels = None if batch.labels is None else batch.labels[part]
    return Batch(batch.codes[part], batch.token_ids[part], batch.documents[part], labels, batch.start)


def _numbers(values: Any) -> list[float | None]:
    return [None if np.isnan(one) else float(one) for one in np.asarray(values, np.float64)]
