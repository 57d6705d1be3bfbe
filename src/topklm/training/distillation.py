"""Distillation: learn the next token and, at the same time, what another model says of it."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..model import TopKLMForCausalLM
from ..model.loss import IGNORED, by_chunks, scored, share_of_one


class Distilled(NamedTuple):
    """A step's loss."""

    loss: Tensor
    """What is trained on: the mixture."""
    plain: Tensor
    """The cross-entropy in it, without a gradient."""


def distilled(
    student: TopKLMForCausalLM,
    teacher: TopKLMForCausalLM,
    input_ids: Tensor,
    labels: Tensor,
    *,
    alpha: float,
    temperature: float,
    items: Tensor | int | None = None,
) -> Distilled:
    """Return (1 - alpha) * CE + alpha * T^2 * KL(teacher || student), means over the predicted tokens.

    input_ids, labels: shape (batch, token); labels of -100 do not count. Both distributions of the
    divergence are taken at `temperature` T; T^2 keeps its gradients' size. items: divide by this instead
    of the number of labels that count. Logits of either model are made and dropped chunk by chunk. Source:
    Hinton et al. 2015, arXiv 1503.02531, section 2.
    """
    with torch.no_grad():
        told = teacher.model(input_ids=input_ids, use_cache=False).last_hidden_state[:, :-1].flatten(0, 1)
    states = student.model(input_ids=input_ids, use_cache=False).last_hidden_state[:, :-1].flatten(0, 1)
    return distilled_loss(
        states,
        student.lm_head.weight,
        told,
        teacher.lm_head.weight.detach(),
        labels[:, 1:].flatten(),
        alpha=alpha,
        temperature=temperature,
        items=items,
    )


def distilled_loss(
    states: Tensor,
    weight: Tensor,
    told: Tensor,
    told_weight: Tensor,
    targets: Tensor,
    *,
    alpha: float,
    temperature: float,
    items: Tensor | int | None = None,
) -> Distilled:
    """Return the same from the final states of both models, shape (row, width), and their output weights."""
    share = share_of_one(targets, items)
    plain = torch.zeros((), dtype=torch.float64, device=states.device)

    def score(place: slice, logits: Tensor) -> tuple[Tensor, Tensor]:
        # q student, p teacher, both at the temperature
        counts = targets[place] != IGNORED
        loss, gradient = scored(logits.float(), targets[place])
        plain.add_(loss)
        others = told[place].to(logits.dtype) @ told_weight.to(logits.dtype).T
        log_p, log_q = ((one.float() / temperature).log_softmax(-1) for one in (others, logits))
        p, q = log_p.exp(), log_q.exp()
        apart = ((p * (log_p - log_q)).sum(-1) * counts).sum(dtype=torch.float64)
        mixed = (1 - alpha) * gradient + (alpha * temperature) * (q - p)
        total = (1 - alpha) * loss + alpha * temperature**2 * apart
        return total, mixed.mul_((counts * share)[:, None])

    return Distilled(by_chunks(states, weight, share, score), (plain * share).float())
