"""What metrics read and give: a batch of coded tokens in, rows of numbers out; helpers on sparse codes."""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from ..core.hashing import hashed
from ..core.stats import Estimate, bootstrap_ratio
from ..model import SparseCodes

Array = NDArray[Any]


class Batch(NamedTuple):
    """A stretch of a text with its codes at one site. Whole texts are streams of these."""

    codes: SparseCodes
    token_ids: Int[Tensor, " row"]
    documents: Int[Tensor, " row"]
    """The number of each token's document."""
    labels: SparseCodes | None = None
    """An entry (token, concept) wherever a token carries a concept; the values do not matter."""
    start: int = 0
    """Place of the first token in the whole text. What is sampled depends on places, not on batches."""


class Row(NamedTuple):
    """One number of a result, with its interval and what it was counted on; NaN where n is 0."""

    metric: str
    value: float
    low: float
    high: float
    n_tokens: int
    n: int
    """How many features, concepts, words or documents the number is over."""
    about: str = ""
    """What it is about where the metric's name does not say: a concept, a family, an embedding."""


def row(metric: str, estimate: Estimate | float, *, n_tokens: int, n: int, about: str = "") -> Row:
    """Make a row; a plain number is one without uncertainty."""
    found = estimate if isinstance(estimate, Estimate) else Estimate.exact(float(estimate))
    return Row(metric, *found, n_tokens=n_tokens, n=n, about=about)


def mean_row(metric: str, values: Any, *, n_tokens: int, about: str = "") -> Row:
    """Make a row of the mean over units (features, concepts), its interval a bootstrap over them.

    Values that are not finite are left out; without any, the mean is NaN.
    """
    numbers = np.asarray(values, np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return row(metric, Estimate(np.nan, np.nan, np.nan), n_tokens=n_tokens, n=0, about=about)
    return row(
        metric,
        bootstrap_ratio(numbers, np.ones(len(numbers))),
        n_tokens=n_tokens,
        n=len(numbers),
        about=about,
    )


def checked(batch: Batch) -> Batch:
    """Return the batch, on the CPU. Raises ValueError where its parts differ in length."""
    sizes = {"codes": len(batch.codes), "token_ids": len(batch.token_ids), "documents": len(batch.documents)}
    if batch.labels is not None:
        sizes["labels"] = len(batch.labels)
    if len(set(sizes.values())) != 1:
        parts = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"the parts of a batch must be equally long, not {parts}")
    labels = None if batch.labels is None else batch.labels.to("cpu")
    return Batch(batch.codes.to("cpu"), batch.token_ids.cpu(), batch.documents.cpu(), labels, batch.start)


def labels_of(batch: Batch) -> SparseCodes:
    """Return the labels. Raises ValueError where the batch has none, or they name no concept."""
    if batch.labels is None or not batch.labels.width:
        raise ValueError("this metric needs labels; give Batch(..., labels=ConceptLabels.occurrences)")
    return batch.labels


def positive(codes: SparseCodes) -> SparseCodes:
    """Keep the positive entries: a(n, t) = max(x, 0). Raises ValueError on NaN."""
    if bool(codes.values.isnan().any()):
        raise ValueError("the codes hold NaN; the model that made them is broken")
    keep = codes.values > 0
    if bool(keep.all()):
        return codes
    counts = torch.bincount(codes.rows[keep], minlength=len(codes))
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return SparseCodes(offsets, codes.indices[keep], codes.values[keep], codes.width)


def both_signs(codes: SparseCodes) -> SparseCodes:
    """Split every feature n into n+ (index n) and n- (index width + n), for codes where signs matter.

    a(n+, t) = max(x, 0), a(n-, t) = max(-x, 0). Entries of zero vanish.
    """
    keep = codes.values != 0
    rows, values = codes.rows[keep], codes.values[keep]
    indices = codes.indices[keep].long() + codes.width * (values < 0)
    order = torch.argsort(rows * (2 * codes.width) + indices)
    counts = torch.bincount(rows, minlength=len(codes))
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return SparseCodes(offsets, indices[order].int(), values[order].abs(), 2 * codes.width)


def take_rows(codes: SparseCodes, rows: Int[Tensor, " chosen"]) -> SparseCodes:
    """Return some rows in the order given."""
    counts = codes.counts[rows]
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    within = torch.arange(int(offsets[-1])) - torch.repeat_interleave(offsets[:-1], counts)
    entries = torch.repeat_interleave(codes.offsets[:-1][rows], counts) + within
    return SparseCodes(offsets, codes.indices[entries], codes.values[entries], codes.width)


def to_csr(codes: SparseCodes, *, ones: bool = False) -> sparse.csr_array:
    """Return the codes as a scipy matrix of tokens by features, float64; with `ones`, where entries are."""
    values = np.ones(len(codes.values)) if ones else codes.values.double().numpy()
    # scikit-learn takes 32-bit places only
    offsets = codes.offsets.numpy().astype(np.int32 if len(values) < 2**31 else np.int64)
    return sparse.csr_array((values, codes.indices.numpy(), offsets), shape=(len(codes), codes.width))


def halves(documents: Int[Tensor, " row"], *, seed: int = 0) -> Array:
    """Assign each token to half 0 or 1 by a hash of its document's number."""
    return (hashed(documents.numpy(), seed) >> np.uint64(63)).astype(np.int64)


def per_document(documents: Any, values: Any) -> tuple[Array, Array]:
    """Sum values over each document: (sums, counts), ready for a bootstrap over documents."""
    _, place = np.unique(np.asarray(documents), return_inverse=True)
    return np.bincount(place, np.asarray(values, np.float64)), np.bincount(place)
