"""The TopK module as training sees it: it counts firings, lifts the unused, hears the dead.

`alive.py` puts it into a model and takes it out again; `lifted.py` holds the selection itself.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..core.processes import added_up, place
from ..model import TopK, topk
from .lifted import lifted_topk


class WatchedTopK(TopK):
    """A model's own TopK where the module is not training; in training, also a watch over its neurons.

    lift: step of the selection bias b, in standard deviations of x; 0 for none. lift_below: b of a neuron
    grows while it fires on less than this share of its fair share k / width. dead_after: tokens without a
    firing after which a neuron is dead. aux_k: dead entries that the auxiliary loss hears per token; 0
    for no such loss. reading: gives the matrix (read, width) by which the next layer reads the state.

    Its state (`bias`, `silent`) is in no `state_dict`, so that no saved weights have it.
    """

    bias: Tensor
    """The selection bias b, shape (width,), 0 or more, in units of x."""
    silent: Tensor
    """Tokens since each neuron last fired, shape (width,)."""
    fired: Tensor
    """Firings of each neuron within this step, shape (width,)."""

    def __init__(
        self, plain: TopK, *, width: int, lift: float, lift_below: float, dead_after: int, aux_k: int,
        reading: Callable[[], Tensor],
    ) -> None:  # fmt: skip
        super().__init__(plain.k, by=plain.by, blend=plain.blend)
        self.lift, self.lift_below, self.dead_after, self.aux_k = lift, lift_below, dead_after, aux_k
        self.reading = reading
        self.fade = 1.0
        """What the bias is multiplied by; below 1 it no longer grows."""
        self.loss: Tensor | None = None
        """The auxiliary loss of the last forward pass; None where no neuron is dead."""
        self.tokens, self.fair = 0, 1.0
        self.spreads: list[Tensor] = []
        self.register_buffer("bias", torch.zeros(width), persistent=False)
        for name in ("silent", "fired"):
            self.register_buffer(name, torch.zeros(width, dtype=torch.int64), persistent=False)

    @property
    def dead(self) -> Tensor:
        """Booleans of shape (width,): which neurons have not fired for `dead_after` tokens."""
        return self.silent >= self.dead_after

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it keeps books; the rest of the block is compiled all the same
    def forward(self, hidden_states: Tensor) -> Tensor:
        """Sparsify `hidden_states` of shape (..., width), and count."""
        if not self.training:
            return super().forward(hidden_states)
        if self.lift and self.fade:
            sparse = lifted_topk(hidden_states, self.k, self.bias * self.fade, by=self.by)
        else:
            sparse = topk(hidden_states, self.k, by=self.by)
        self._count(hidden_states.detach(), sparse.detach())
        self.loss = None
        if self.aux_k and self.k < hidden_states.shape[-1]:
            self.loss = self.auxiliary_loss(hidden_states, sparse)
        if self.blend in (0.0, 1.0):
            return sparse if self.blend else hidden_states
        return torch.lerp(hidden_states, sparse, self.blend)

    def _count(self, state: Tensor, sparse: Tensor) -> None:
        rows = sparse.flatten(0, -2)
        self.fired += (rows != 0).sum(0)
        self.tokens += len(rows)
        self.fair = self.k / rows.shape[-1]
        if self.lift:
            self.spreads.append(state.float().std())

    def auxiliary_loss(self, state: Tensor, sparse: Tensor) -> Tensor | None:
        """Return how badly the dead entries say what TopK cuts away; None where no neuron is dead.

        With W the next layer's reading, D the dead neurons, c = state - sparse the cut-away part outside
        D, and a the `aux_k` largest of a token's entries in D (ranked as `by` says):

            min(1, |D| / aux_k) * sum |W a - W c|^2 / sum |W c|^2      (sums over tokens; W c is a target)

        A TopK SAE lets its dead latents reconstruct its error by their decoder directions. Here a neuron's
        direction is the column of W through which the next layer reads it. Zero is perfect, 1 is silence.
        Source: Gao et al. 2024, arXiv 2406.04093, section 2.3 and appendix A.2, adapted.
        """
        dead = self.dead
        columns = dead.nonzero()[:, 0]
        if not len(columns):
            return None
        weight = self.reading()
        with torch.no_grad():
            target = ((state - sparse).masked_fill(dead, 0.0) @ weight.T.to(state.dtype)).float()
        entries = state[..., columns]
        entries = topk(entries, min(self.aux_k, len(columns)), by=self.by)
        missed = (entries @ weight[:, columns].T.to(state.dtype)).float() - target
        share = missed.square().sum() / target.square().sum().clamp(min=1e-12)
        return share * min(1.0, len(columns) / self.aux_k)

    @torch.no_grad()
    def settle(self) -> None:
        """Close a step: move the bias, and count on how long each neuron has been silent."""
        if not self.tokens:
            return
        added_up(self.fired)  # every process has seen its share of the step's tokens
        self.tokens *= place().size
        self.silent.copy_(torch.where(self.fired > 0, 0, self.silent + self.tokens))
        if self.lift:
            move = self.lift * added_up(torch.stack(self.spreads).mean()) / place().size
            unused = self.fired < self.lift_below * self.fair * self.tokens
            grown = move if self.fade == 1.0 else torch.zeros_like(move)
            self.bias.add_(torch.where(unused, grown, -move)).clamp_(min=0.0)
        self.fired.zero_()
        self.tokens = 0
        self.spreads.clear()
