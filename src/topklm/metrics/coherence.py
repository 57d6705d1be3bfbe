"""Example coherence: are a feature's top examples more alike than contexts drawn at random?"""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from .batch import Row, mean_row
from .contexts import Examples


def coherence(examples: Examples) -> Float[Tensor, " feature"]:
    """Return each feature's mean pairwise cosine of its top examples, minus that of random contexts.

    0: no more alike than any two contexts. It depends on the embedding, so `examples.embedder` stands
    beside each number. Source: design of topklm.
    """
    return pairwise_cosine(examples.top) - pairwise_cosine(examples.random[None])


def measure(examples: Examples) -> list[Row]:
    """Return the mean coherence over features. Interval: bootstrap over features."""
    about = examples.embedder
    apart = pairwise_cosine(examples.random[None])
    return [
        mean_row("example_coherence", coherence(examples), n_tokens=examples.n_tokens, about=about),
        mean_row("random_context_cosine", apart, n_tokens=examples.n_tokens, about=about),
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
