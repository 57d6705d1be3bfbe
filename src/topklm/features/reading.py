"""Reading a text: which features fire most on each token, site by site."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import torch

from ..core.errors import InputError
from ..core.site import Feature
from ..data.tokenizer import encode_prompt, token_bytes, vocabulary_size
from ..model import SparseCodes
from ..reports.reading import Firing, ReadToken
from .source import FeatureSource, SteerableSource


class Window(NamedTuple):
    """A stretch of tokens that are read at once."""

    start: int
    stop: int
    new: int
    """The first token whose codes are taken from this window; those before it are context."""


def read(
    source: FeatureSource,
    text: str,
    *,
    sites: Sequence[int] | None = None,
    top: int = 3,
    top_token: Callable[[str], str] = lambda _feature: "",
) -> list[ReadToken]:
    """Read a text as a document begins, and list the `top` strongest features of each token and site.

    sites: some of the source's; all of them by default. top_token: what a feature is known by, given its
    name. A text longer than the context is read in windows that overlap by half of it. Strongest means
    largest in size; the activation keeps its sign. Raises InputError for an empty text, a site that the
    source has not, or fewer than one feature.

        for token in read(LayerNeurons(model, tokenizer), "The dog ran."):
            print(token.token, token.firings["L3"][0].feature)
    """
    if top < 1:
        raise InputError(f"top={top} is not allowed; choose 1 or more")
    chosen = source.sites if sites is None else tuple(sites)
    if unknown := [site for site in chosen if site not in source.sites]:
        known = ", ".join(map(str, source.sites))
        raise InputError(f"layer {unknown[0]} has no features of {source.name}; choose among {known}")
    reading = open_reading(source, text)
    named = cache(top_token)

    def firings(site: int, token: int) -> tuple[Firing, ...]:
        found = reading.strongest(token, site, top=top)
        return tuple(replace(one, top_token=named(one.feature)) for one in found)

    return [
        ReadToken(token, {f"L{site}": firings(site, place) for site in chosen})
        for place, token in enumerate(reading.tokens)
    ]


def codes_of_long(source: FeatureSource, ids: list[int]) -> dict[int, SparseCodes]:
    """Return every site's codes, one row a token, of a text of any length."""
    parts: dict[int, list[SparseCodes]] = {}
    for window in windows(len(ids), source.context):
        rows = torch.tensor([ids[window.start : window.stop]])
        for site, codes in source.codes(rows).items():
            parts.setdefault(site, []).append(codes[window.new - window.start :].to("cpu"))
    return {site: SparseCodes.cat(found) for site, found in parts.items()}


def windows(length: int, context: int) -> Iterator[Window]:
    """Cover `length` tokens by windows of at most `context`, each token new in exactly one of them.

    After the first window every new token has at least half a context before it.

    >>> [tuple(window) for window in windows(10, 4)]
    [(0, 4, 0), (2, 6, 4), (4, 8, 6), (6, 10, 8)]
    """
    stop = min(length, context)
    yield Window(0, stop, 0)
    while stop < length:
        new, stop = stop, min(length, stop + max(1, context - context // 2))
        yield Window(stop - context, stop, new)


def strongest(codes: SparseCodes, row: int, top: int) -> list[tuple[int, float]]:
    """List a row's (feature, activation) with the largest sizes, largest first, ties by lower index."""
    one = codes[row]
    order = one.values.abs().sort(descending=True, stable=True).indices[:top]
    return list(zip(one.indices[order].tolist(), one.values[order].tolist(), strict=True))


class Prediction(NamedTuple):
    """A token that may come next."""

    token: str
    probability: float


class Reading:
    """A text that was read: its tokens, every site's codes, what the model expects next.

    reading = open_reading(source, "The dog ran.")
    reading.tokens[1], reading.strongest(1, 3, top=5), reading.predictions(1)
    """

    def __init__(self, source: FeatureSource, ids: list[int], codes: dict[int, SparseCodes]) -> None:
        pieces = token_bytes(source.tokenizer)
        self.sites = source.sites
        self.kind = source.kind
        self.tokens = [pieces[token].decode("utf-8", "replace") for token in ids[1:]]
        """The text of each token, without the boundary before the text."""
        self.revision = source.revision
        self._source, self._ids, self._codes = source, ids, codes

    def strongest(self, token: int, site: int, *, top: int) -> list[Firing]:
        """List the features that fire most on a token, the largest size first."""
        return [
            Firing(str(self.kind(site, index)), value)
            for index, value in strongest(self._codes[site], token + 1, top)
        ]

    def activations(self, feature: Feature) -> list[float]:
        """Return a feature's activation on every token, 0 where it does not fire."""
        codes = self._codes[feature.layer]
        found = [0.0] * len(self.tokens)
        for entry in (codes.indices == feature.index).nonzero().flatten().tolist():
            row = int(codes.rows[entry])
            if row:
                found[row - 1] = float(codes.values[entry])
        return found

    @torch.no_grad()
    def predictions(self, token: int, *, top: int = 8) -> list[Prediction]:
        """List what may come after a token, likeliest first.

        Raises InputError where the source has no model of its own.
        """
        if not isinstance(self._source, SteerableSource):
            raise InputError(f"the source {self._source.name} has no model of its own that could predict")
        stop = token + 2
        ids = torch.tensor([self._ids[max(0, stop - self._source.context) : stop]])
        logits = self._source.model(input_ids=ids.to(self._source.model.device), use_cache=False).logits[
            0, -1
        ]
        known = vocabulary_size(self._source.tokenizer)
        likely = logits[:known].float().softmax(-1).topk(min(top, known))
        pieces = token_bytes(self._source.tokenizer)
        return [
            Prediction(pieces[one].decode("utf-8", "replace"), share)
            for one, share in zip(likely.indices.tolist(), likely.values.tolist(), strict=True)
        ]


def open_reading(source: FeatureSource, text: str) -> Reading:
    """Read a text as a document begins, all features of every token. Raises InputError for an empty one."""
    if not text:
        raise InputError("the text is empty; give at least one word to read")
    ids = encode_prompt(source.tokenizer, text)
    return Reading(source, ids, codes_of_long(source, ids))
