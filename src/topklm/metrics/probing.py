"""Sparse probing: how well a linear probe on a few features tells a concept, beside the full state."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse

from ..core.stats import Estimate, bootstrap_ratio
from ..model import SparseCodes
from .batch import Array, Batch, Row, halves, mean_row, per_document, row, to_csr
from .examples import EXAMPLES, Text, balanced

SIZES = (1, 2, 5, 20)
FEWEST = 20
"""Examples of each side that a concept needs on each half of the documents."""
TRAIN, TEST = 0, 1


class Probed(NamedTuple):
    """Accuracies of one concept's probes on held-out documents; chance is 0.5."""

    concept: int
    by_size: dict[int, Estimate]
    """Accuracy of a probe on so many features."""
    state: Estimate
    """Accuracy of a probe on the full hidden state: the upper reference."""
    difference_of_means: Estimate
    """Accuracy of the direction between the two means of the state: the simple reference."""
    features: tuple[int, ...]
    """The features chosen, best first."""
    n_examples: int
    """Held-out examples, half of them with the concept."""


class Split(NamedTuple):
    """Balanced examples of a concept, some to fit on and some from other documents to test on."""

    train: Array
    """Rows."""
    test: Array
    y_train: Array
    y_test: Array


def probe(
    text: Text, concept: int, *, sizes: Sequence[int] = SIZES, count: int = EXAMPLES, seed: int = 0
) -> Probed | None:
    """Probe one concept; None where it has too few examples on either half.

    The features are those whose mean activation differs most between examples with and without the
    concept, chosen on the training half of the documents; a logistic probe (L2, features divided by
    their standard deviation) is fitted on the best 1, 2, 5 and 20 of them there, and its accuracy read
    on the other half, on equally many examples of both sides. The hidden state is `text.states`, or
    the codes themselves where there is none (a TopK model's hidden state is its code). Intervals:
    bootstrap over documents. Source: Gurnee et al. 2023 (2305.01610); chosen as in SAEBench.
    """
    split = split_of(text, concept, count=count, seed=seed)
    if split is None:
        return None
    codes = to_csr(text.batch.codes)
    states = codes if text.states is None else text.states.double().numpy()
    documents = text.batch.documents.numpy()[split.test]
    ranked = difference(codes[split.train], split.y_train)
    best = np.argsort(-np.abs(ranked), kind="stable")

    def accuracy(claims: Array) -> Estimate:
        return bootstrap_ratio(*per_document(documents, claims == split.y_test))

    by_size = {}
    for size in sorted({min(size, len(best)) for size in sizes}):
        few = codes[:, best[:size]].toarray()
        fitted = Probe.fit(few[split.train], split.y_train)
        by_size[size] = accuracy(fitted.scores(few[split.test]) > 0)
    whole = Probe.fit(states[split.train], split.y_train)
    direction = difference(states[split.train], split.y_train)
    along = np.asarray(states @ direction)
    sides = [along[split.train][split.y_train == side].mean() for side in (0, 1)]
    return Probed(
        concept,
        by_size,
        state=accuracy(whole.scores(states[split.test]) > 0),
        difference_of_means=accuracy(along[split.test] > np.mean(sides)),
        features=tuple(best[: max(by_size)].tolist()),
        n_examples=len(split.test),
    )


def measure(
    text: Text,
    *,
    concepts: Iterable[int],
    names: Sequence[str],
    sizes: Sequence[int] = SIZES,
    count: int = EXAMPLES,
    seed: int = 0,
) -> list[Row]:
    """Probe concepts of tokens: each one's accuracies, and their means. For documents: `documents_of`."""
    found = [probe(text, concept, sizes=sizes, count=count, seed=seed) for concept in concepts]
    probed = [one for one in found if one is not None]
    n_tokens = len(text.places)
    rows = []
    means: dict[str, list[float]] = {}
    for one in probed:
        parts = {f"probe_accuracy/{size}": estimate for size, estimate in one.by_size.items()}
        parts["probe_accuracy/state"] = one.state
        parts["probe_accuracy/difference_of_means"] = one.difference_of_means
        for metric, estimate in parts.items():
            rows.append(row(metric, estimate, n_tokens=one.n_examples, n=1, about=names[one.concept]))
            means.setdefault(metric, []).append(estimate.value)
    averages = [mean_row(metric, values, n_tokens=n_tokens) for metric, values in means.items()]
    rare = row("concepts_not_probed", float(len(found) - len(probed)), n_tokens=n_tokens, n=len(found))
    return [*averages, rare, *rows]


def documents_of(text: Text) -> Text:
    """Turn a text of tokens into one of documents: mean codes and states, and every concept that occurs.

    With it, `measure` probes concepts of documents. Only for a text that is in memory as a whole.
    """
    batch = text.batch
    numbers, place = np.unique(batch.documents.numpy(), return_inverse=True)
    shape = (len(numbers), len(place))
    sums = sparse.coo_array((np.ones(len(place)), (place, np.arange(len(place)))), shape=shape).tocsr()
    means = sparse.diags_array(1 / sums.sum(1)) @ sums

    def averaged(matrix: Any) -> SparseCodes:
        found = (means @ matrix).tocsr()
        found.sort_indices()
        return SparseCodes(
            torch.from_numpy(found.indptr.astype(np.int64)),
            torch.from_numpy(found.indices.astype(np.int32)),
            torch.from_numpy(found.data),
            found.shape[1],
        )

    assert batch.labels is not None
    first = torch.from_numpy(np.unique(place, return_index=True)[1])
    return Text(
        Batch(
            averaged(to_csr(batch.codes)),
            batch.token_ids[first],
            torch.from_numpy(numbers),
            averaged(to_csr(batch.labels, ones=True)),
        ),
        torch.from_numpy(numbers),
        None if text.states is None else torch.from_numpy(means @ text.states.double().numpy()),
    )


def split_of(text: Text, concept: int, *, count: int = EXAMPLES, seed: int = 0) -> Split | None:
    """Choose balanced examples on each half of the documents; None where there are too few."""
    half = halves(text.batch.documents, seed=seed)
    parts = []
    for part in (TRAIN, TEST):
        chosen = balanced(text, concept, among=torch.from_numpy(half == part), count=count // 2, seed=seed)
        if len(chosen.rows) < 2 * FEWEST:
            return None
        parts.append((chosen.rows.numpy(), chosen.carries.numpy().astype(np.int64)))
    (train, y_train), (test, y_test) = parts
    return Split(train, test, y_train, y_test)


def difference(matrix: Any, carries: Array) -> Array:
    """Return the mean of the rows that carry the concept minus the mean of the others."""
    means = [np.asarray(matrix[carries == side].mean(axis=0)).ravel() for side in (0, 1)]
    return np.asarray(means[1] - means[0])


class Probe(NamedTuple):
    """A linear probe in the features' own units."""

    weights: Array
    bias: float

    @classmethod
    def fit(cls, matrix: Any, carries: Array, *, l1: bool = False, balanced: bool = False) -> "Probe":
        """Fit a logistic probe by scikit-learn, L2 or L1 with C = 1, on features of equal spread."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler(with_mean=False).fit(matrix)
        model = LogisticRegression(
            l1_ratio=1.0 if l1 else 0.0,
            solver="liblinear" if l1 else "lbfgs",
            class_weight="balanced" if balanced else None,
            max_iter=1000,
            random_state=0,
        )
        with warnings.catch_warnings():  # a probe that has not quite settled is still a probe
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scaler.transform(matrix), carries)
        return cls(model.coef_[0] / scaler.scale_, float(model.intercept_[0]))

    def scores(self, matrix: Any) -> Array:
        """Return each row's log-odds for the concept."""
        return np.asarray(matrix @ self.weights) + self.bias
