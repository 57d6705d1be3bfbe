"""What changing a feature does to the next token: the causal side, apart from what the feature fires on.

`effect` measures one feature over strengths on whole contexts. `last_token_probabilities` compares many edits
at the last token of each context, which is what finding and evaluating need.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.site import Feature
from ..core.stats import Estimate, bootstrap_ratio
from ..data.tokenizer import token_bytes, vocabulary_size
from ..features import SteerableSource, locate
from ..features.effects import probe_contexts
from ..features.hooks import CACHE, cached
from .editing import Steering, Subject, own_index, resolve, source_for
from .edits import Edit, Strength

if TYPE_CHECKING:
    from ..index import FeatureIndex

STRENGTHS = ("0.5x", "1x", "2x", "4x")
CONTEXTS = 32
CONTEXT_TOKENS = 64
AFTER_FIRING = 16
"""Tokens of a context after the firing that it was chosen for."""
AT_ONCE = 2**24
"""Log-probabilities held at once, as a number."""


class Change(NamedTuple):
    """An output token and its change of log-probability in nats."""

    token: str
    change: float


@dataclass(frozen=True)
class Changed:
    """What one edit does to the next-token distribution, averaged over tokens; intervals over contexts."""

    edit: str
    n_tokens: int
    """Tokens looked at; of an ablation, those on which the feature fires."""
    kl: Estimate
    """KL divergence of the edited from the plain distribution, in nats."""
    loss_change: Estimate
    """Rise of the loss of the true next token, in nats."""
    promoted: tuple[Change, ...]
    suppressed: tuple[Change, ...]


@dataclass(frozen=True)
class Effect:
    """The causal effect of a feature."""

    feature: str
    strengths: tuple[Changed, ...]
    """One a strength: the feature is set to it at every token."""
    ablation: Changed
    """The feature is set to zero; measured where it fires."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""

        def told(one: Changed) -> dict[str, Any]:
            tokens = {
                name: [each._asdict() for each in getattr(one, name)] for name in ("promoted", "suppressed")
            }
            return {**asdict(one), "kl": one.kl.as_json(), "loss_change": one.loss_change.as_json(), **tokens}

        return {
            "feature": self.feature,
            "strengths": [told(one) for one in self.strengths],
            "ablation": told(self.ablation),
        }


def effect(
    subject: Subject,
    feature: str | Feature,
    *,
    tokens: Tensor | None = None,
    strengths: Sequence[Strength] = STRENGTHS,
    index: "FeatureIndex | None" = None,
    tokenizer: Any = None,
    count: int = 10,
) -> Effect:
    """Measure what setting a feature to some strengths, and ablating it, does to the next token.

    subject: as for `steer`. tokens: held-out contexts, int64, shape (context, token); by default some of the
    index's text, and for the ablation stretches in which the feature fires. index: a loaded run's own by
    default. tokenizer: to write tokens as text; only a bare model needs one. count: tokens promoted and
    suppressed that are listed, by their mean change of log-probability.
    Raises InputError where the feature does not exist, or neither contexts nor an index is at hand.

        effect(topklm.load("runs/books"), "L3/N17").ablation.loss_change
    """
    source = source_for(subject)
    found = locate(source, feature)
    if index is None and (tokens is None or any(isinstance(one, str) for one in strengths)):
        index = own_index(subject)
    firing = tokens
    if tokens is None:
        if index is None:
            raise InputError(
                "effect needs held-out text: give tokens, or an index, which 'topklm index RUN' builds"
            )
        tokens = probe_contexts(
            torch.from_numpy(index.tokens.astype(np.int64)),
            count=CONTEXTS,
            length=min(CONTEXT_TOKENS, source.context),
        )
        firing = firing_contexts(index, found, length=min(CONTEXT_TOKENS, source.context))
    if tokens.ndim != 2 or tokens.shape[1] < 2:
        raise InputError(
            f"tokens of shape {tuple(tokens.shape)} are no contexts; give (context, at least 2 tokens)"
        )
    edits = resolve(source, [Edit(found, set_to=one) for one in strengths], index, subject)
    names = [f"{found}={one if isinstance(one, str) else f'{one:g}'}" for one in strengths]
    pieces = token_bytes(source.tokenizer or tokenizer) if source.tokenizer or tokenizer else None
    ablated = Edit(found, ablate=True)
    return Effect(
        str(found),
        tuple(
            _changed(source, edit, name, tokens, pieces, count)
            for edit, name in zip(edits, names, strict=True)
        ),
        _changed(source, ablated, str(ablated), firing, pieces, count, firing_only=True),
    )


def firing_contexts(
    index: "FeatureIndex", feature: Feature, *, length: int = CONTEXT_TOKENS
) -> Tensor | None:
    """Cut stretches of an index's text in which a feature fires, spread evenly over its firings.

    length: in tokens, at most a model's context.
    """
    query = "SELECT position FROM firings_by_feature WHERE site = ? AND index = ? ORDER BY position"
    places = index.ask(query, [feature.layer, feature.index])["position"].to_numpy().astype(np.int64)
    if not len(places):
        return None
    length = min(length, index.n_tokens)
    chosen = np.unique(np.linspace(0, len(places) - 1, CONTEXTS).astype(np.int64))
    starts = (places[chosen] + min(AFTER_FIRING, length // 4) - length).clip(0, index.n_tokens - length)
    text = index.tokens.astype(np.int64)
    return torch.from_numpy(np.stack([text[start : start + length] for start in np.unique(starts)]))


@torch.no_grad()
def _changed(
    source: SteerableSource,
    edit: Edit,
    name: str,
    contexts: Tensor | None,
    pieces: list[bytes] | None,
    count: int,
    *,
    firing_only: bool = False,
) -> Changed:
    """Compare the model with and without an edit on every token of some contexts but the last."""
    nan = Estimate(np.nan, np.nan, np.nan)
    nothing = Changed(name, 0, nan, nan, (), ())
    if contexts is None:
        return nothing
    sums: list[tuple[Tensor, Tensor, Tensor]] = []
    change: Any = 0.0
    steering = Steering(source, [[edit]], common=True)
    known = None if pieces is None else len(pieces)
    rows = max(1, AT_ONCE // (contexts.shape[1] * source.model.config.vocab_size))
    for some in contexts.split(rows):
        ids = some.to(source.model.device)
        plain = _next_tokens(source, ids)
        with steering:
            edited = _next_tokens(source, ids)
        counted = torch.ones_like(plain[..., 0])
        if firing_only:
            codes = source.codes(ids)[edit.feature.layer]
            counted = fires(codes, edit.feature.index).view(ids.shape)[:, :-1].to(plain)
        kl = (plain.exp() * (plain - edited)).sum(-1)
        loss = (plain - edited).gather(-1, ids[:, 1:, None])[..., 0]
        sums.append(((kl * counted).sum(1).cpu(), (loss * counted).sum(1).cpu(), counted.sum(1).cpu()))
        change = change + ((edited - plain) * counted[..., None]).sum((0, 1))[:known].cpu()
    kls, losses, counts = (torch.cat(parts).numpy() for parts in zip(*sums, strict=True))
    total = int(counts.sum())
    if not total:
        return nothing
    rises, falls = (change / total).topk(count), (-change / total).topk(count)
    return Changed(
        edit=name,
        n_tokens=total,
        kl=bootstrap_ratio(kls, counts),
        loss_change=bootstrap_ratio(losses, counts),
        promoted=_listed(rises.indices, rises.values, pieces),
        suppressed=_listed(falls.indices, -falls.values, pieces),
    )


def _next_tokens(source: SteerableSource, ids: Tensor) -> Tensor:
    """Return the log-probabilities of what follows each token but the last."""
    logits: Tensor = source.model(input_ids=ids, use_cache=False).logits
    return logits[:, :-1].float().log_softmax(-1)


def fires(codes: Any, feature: int) -> Tensor:
    """Tell on which rows a feature fires: bool, shape (rows,)."""
    where = torch.zeros(len(codes), dtype=torch.bool, device=codes.indices.device)
    where[codes.rows[codes.indices == feature]] = True
    return where


def _listed(tokens: Tensor, changes: Tensor, pieces: list[bytes] | None) -> tuple[Change, ...]:
    texts = [
        str(one) if pieces is None else pieces[one].decode("utf-8", "replace") for one in tokens.tolist()
    ]
    return tuple(Change(text, value) for text, value in zip(texts, changes.tolist(), strict=True))


@torch.no_grad()
def last_token_probabilities(
    source: SteerableSource, contexts: Tensor, edits: Sequence[Sequence[Edit]]
) -> Iterator[Tensor]:
    """Yield, for each list of edits, the next-token probabilities when it acts on the last tokens alone.

    contexts: shape (context, token). Each result has shape (context, token type). The contexts are read
    once, plainly; the edits see only the last token, from the cache, so each costs one token a context.
    The edits must be in absolute units and mean all positions.
    """
    model = source.model
    contexts = contexts.to(model.device)
    before = cached(model(input_ids=contexts[:, :-1], use_cache=True)) if contexts.shape[1] > 1 else None
    known = vocabulary_size(source.tokenizer)
    rows = len(contexts)
    step = max(1, AT_ONCE // (rows * known))
    for start in range(0, len(edits), step):
        some = edits[start : start + step]
        past = copy.deepcopy(before)
        options = {}
        if past is not None:
            past.batch_repeat_interleave(len(some))
            options[CACHE] = past
        last = contexts[:, -1:].repeat_interleave(len(some), dim=0)
        with Steering(source, [list(one) for _ in range(rows) for one in some], common=False):
            logits = model(input_ids=last, use_cache=True, **options).logits
        found = logits[:, -1].float().softmax(-1)[:, :known].view(rows, len(some), known)
        yield from found.unbind(dim=1)


def mass_rises(
    source: SteerableSource, contexts: Tensor, edits: Sequence[Edit], tokens: Tensor
) -> list[Estimate]:
    """Return for each edit by how much it raises the probability of some output tokens, taken together.

    tokens: their ids. The mean over the contexts' last tokens, with a bootstrap over contexts.
    """
    tokens = tokens.to(source.model.device)
    masses = [
        one[:, tokens].sum(-1).double().cpu().numpy()
        for one in last_token_probabilities(source, contexts, [[], *([edit] for edit in edits)])
    ]
    ones = np.ones(len(contexts))
    return [bootstrap_ratio(mass - masses[0], ones) for mass in masses[1:]]
