"""Example coherence: are a feature's top examples more alike than contexts drawn at random?"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from ..core.stats import Estimate, interval
from .batch import Row, mean_row, row
from .contexts import Examples

RESAMPLES = 200


def coherence(examples: Examples) -> Float[Tensor, " feature"]:
    """Return each feature's mean pairwise cosine of its top examples, minus that of random contexts.

    0: no more alike than any two contexts. It depends on the embedding, so `examples.embedder` stands
    beside each number. Source: design of topklm.
    """
    return pairwise_cosine(examples.top) - pairwise_cosine(examples.random[None])


def measure(examples: Examples) -> list[Row]:
    """Return the mean coherence over features. Interval: bootstrap over features."""
    about = examples.embedder
    n_tokens, apart = examples.n_tokens, _random(examples)
    return [
        mean_row("example_coherence", coherence(examples), n_tokens=n_tokens, about=about),
        row("random_context_cosine", apart, n_tokens=n_tokens, n=len(examples.random), about=about),
    ]


def pairwise_cosine(vectors: Float[Tensor, "group example dim"]) -> Float[Tensor, " group"]:
    """Return the mean cosine over all pairs of different vectors in each group.

    With u the unit vectors and m their number: (|sum u|^2 - sum |u|^2) / (m (m - 1)). A vector of
    zeros (a context of unknown words) has cosine 0 with all.
    """
    unit = normalize(vectors.double(), dim=-1)
    count = vectors.shape[1]
    total = unit.sum(1).square().sum(-1) - unit.square().sum((1, 2))
    return total / (count * (count - 1))


def _random(examples: Examples) -> Estimate:
    """Return the mean cosine of random contexts, its interval a bootstrap over contexts."""
    unit = normalize(examples.random.double(), dim=-1)
    count = len(unit)
    generator = np.random.default_rng(0)
    drawn = torch.from_numpy(generator.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)).double()
    # a context drawn twice would be a pair with itself; such pairs do not count
    total = (drawn @ unit).square().sum(1) - drawn.square() @ unit.square().sum(1)
    means = total / (drawn.sum(1).square() - drawn.square().sum(1))
    return interval(float(pairwise_cosine(unit[None])[0]), means.numpy())
