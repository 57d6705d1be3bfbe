"""Intruder and detection tests without a language model: an embedding takes the reader's place."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from .batch import Row, mean_row
from .contexts import Examples

SHOWN = 5


class Tested(NamedTuple):
    """What an embedding makes of each feature's examples; `shuffled`: with examples of any feature."""

    intruder: Float[Tensor, " feature"]
    """Share of trials in which the one that does not belong is found; chance is 1/6."""
    intruder_shuffled: Float[Tensor, " feature"]
    detection: Float[Tensor, " feature"]
    """AUROC of telling further top examples from random contexts by five; chance is 0.5."""
    detection_shuffled: Float[Tensor, " feature"]


def examine(examples: Examples, *, trials: int = 20, seed: int = 0) -> Tested:
    """Test each feature with its top examples and random contexts.

    Intruder: five of the feature's top examples and one random context, both drawn anew in each
    trial; the one with the smallest mean cosine to the other five is taken for the intruder (ties:
    the share of the tied). Detection: further top examples and random contexts are ranked by their
    mean cosine to five top ones. Control: the same with all top examples dealt out to features at
    random, so that a feature means nothing; it stands at chance unless the embedding gives the game
    away. Needs at least 6 top examples. Source: design of topklm; after Chang et al. 2009 and the
    detection scoring of 2410.13928.
    """
    top, random = normalize(examples.top.double(), dim=-1), normalize(examples.random.double(), dim=-1)
    if top.shape[1] <= SHOWN or not len(random):
        raise ValueError(
            f"{top.shape[1]} top examples are too few; give at least {SHOWN + 1}, and random ones"
        )
    generator = torch.Generator().manual_seed(seed)
    mixed = top.flatten(0, 1)[torch.randperm(top.shape[0] * top.shape[1], generator=generator)]
    mixed = mixed.reshape(top.shape)
    return Tested(
        intruder=_intruder(top, random, trials, generator),
        intruder_shuffled=_intruder(mixed, random, trials, generator),
        detection=_detection(top, random, trials, generator),
        detection_shuffled=_detection(mixed, random, trials, generator),
    )


def measure(examples: Examples, *, trials: int = 20, seed: int = 0) -> list[Row]:
    """Return the mean success over features beside its control. Intervals: bootstrap over features."""
    if not len(examples.features):
        return []
    tested = examine(examples, trials=trials, seed=seed)
    return [
        mean_row(f"{name}", values, n_tokens=examples.n_tokens, about=examples.embedder)
        for name, values in tested._asdict().items()
    ]


def _intruder(top: Tensor, random: Tensor, trials: int, generator: torch.Generator) -> Tensor:
    won = torch.zeros(len(top), dtype=torch.float64)
    for _ in range(trials):
        five = _drawn(top, generator)[:, :SHOWN]
        other = random[torch.randint(len(random), (len(top),), generator=generator)]
        six = torch.cat([five, other[:, None]], dim=1)
        cosine = six @ six.transpose(1, 2)
        alike = cosine.sum(2) - cosine.diagonal(dim1=1, dim2=2)
        least = (alike <= alike.amin(1, keepdim=True) + 1e-12).double()
        won += least[:, -1] / least.sum(1)
    return won / trials


def _detection(top: Tensor, random: Tensor, trials: int, generator: torch.Generator) -> Tensor:
    area = torch.zeros(len(top), dtype=torch.float64)
    for _ in range(trials):
        shuffled = _drawn(top, generator)
        middle = shuffled[:, :SHOWN].mean(1)
        further = (shuffled[:, SHOWN:] * middle[:, None]).sum(2)
        others = middle @ random.T
        above = (further[:, :, None] > others[:, None]).double().mean((1, 2))
        equal = (further[:, :, None] == others[:, None]).double().mean((1, 2))
        area += above + equal / 2
    return area / trials


def _drawn(top: Tensor, generator: torch.Generator) -> Tensor:
    """Shuffle each feature's examples."""
    order = torch.rand(top.shape[:2], generator=generator).argsort(1)
    return torch.gather(top, 1, order[..., None].expand_as(top))
