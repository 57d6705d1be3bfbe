"""Which text is indexed: found, packed where it is not yet, and cut to the tokens asked for."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from ..concepts import Sources
from ..core.errors import CorpusError, InputError
from ..core.progress import counted
from ..data import Corpus, Packed, load_corpus, pack
from ..data.corpus import validation_files
from ..training import Run
from ..training.prepare import held_out_corpus

VALIDATION = "validation part"
"""Stands after the specification of a run's own text, of which the held-out documents are meant."""
DEFAULT_TOKENS = 1_000_000
"""How much of an endless corpus is read where nothing is said."""
LARGEST_TEXT = 2**32 - 1
"""Positions are 32 bits wide."""


class Text(NamedTuple):
    """A packed text, cut after the document that reaches the tokens asked for."""

    packed: Packed
    spec: list[str]
    """Where it comes from, as for `load_corpus`; `validation part` is added where a run's own is meant."""
    sha256: str
    """Of the token ids as little-endian uint32: the same text and tokenizer give the same."""
    hashes: np.ndarray[Any, Any]
    """uint64, shape (documents,): a hash of each document's tokens, which decides whether it is kept."""

    def kept(self, share: float) -> np.ndarray[Any, Any]:
        """Choose a share of documents by their hash, boolean; a larger share includes a smaller one."""
        if share >= 1:  # a hash near the top rounds to 1
            return np.ones(len(self.hashes), bool)
        return self.hashes.astype(np.float64) / 2**64 < share

    @property
    def words(self) -> str:
        """Say for people what it is."""
        return ", ".join(self.spec)


def find_text(
    tokenizer: Any,
    directory: Path,
    *,
    run: Run | None,
    data: str | Sequence[str] | None,
    tokens: int | None,
    console: Console | None = None,
) -> Text:
    """Find the text to index: `data`, or else the run's own validation text.

    The run's packed validation part is taken as it is where it has enough tokens; else the held-out part
    of what the run was trained on is packed into `directory`, as far as `tokens`, or as far as it goes.
    Raises InputError where no text is named and there is no run, CorpusError where there is none.
    """
    if tokens is not None and not 1 <= tokens <= LARGEST_TEXT:
        raise InputError(f"tokens={tokens} is not allowed; choose 1..{LARGEST_TEXT:,}")
    if data is not None:
        corpus = load_corpus(data, part="validation")
        spec = list(corpus.spec)
        return _cut(_packed(corpus, tokenizer, directory, tokens, console), tokens, spec)
    if run is None:
        raise InputError("name a text to index with data: this source comes from no run that has one")
    spec = [*(run.settings.validation or run.settings.data), VALIDATION]
    own = _own_validation(run)
    if own is not None and (tokens is None or len(own.tokens) >= tokens):
        return _cut(own, tokens, spec)
    try:
        held_out = held_out_corpus(run)
    except CorpusError:
        if own is None:
            raise
        return _cut(own, tokens, spec)  # there is no more of it here
    if own is not None and not held_out.endless:
        return _cut(own, tokens, spec)  # there is no more of it
    return _cut(_packed(held_out, tokenizer, directory, tokens, console), tokens, spec)


def text_changed(run: Run | None, data: str | Sequence[str] | None, content: str | None) -> bool:
    """Tell whether the files of a text hold another by now than they did; gone, they do not say.

    data: as it was asked for. content: what they held, see `Packed.content`.
    """
    if content is None:
        return False
    try:
        if data is None and run is not None:
            return held_out_corpus(run).content() != content
        return load_corpus(data or (), part="validation").content() != content
    except CorpusError:
        return False


def spec_of(run: Run, data: str | Sequence[str] | None = None) -> list[str]:
    """Name the corpus of the text that `find_text` finds. data: as it was asked for."""
    spec = data or run.settings.validation or run.settings.data
    return [spec] if isinstance(spec, str) else list(spec)


def documents_behind(run: Run, data: str | Sequence[str] | None = None) -> Sources:
    """Name the corpus whose documents a text has that `find_text` found, so that they can be labelled.

    data: as it was asked for; by default the run's own held-out text.
    """
    spec = spec_of(run, data)
    named = data or run.settings.validation or validation_files(spec)
    return Sources(spec, part="validation" if named else "train")


def _own_validation(run: Run) -> Packed | None:
    try:
        return Packed.open(run.path / "data", "validation")
    except InputError:
        return None  # a run may have been copied without its text


def _packed(
    corpus: Corpus, tokenizer: Any, directory: Path, tokens: int | None, console: Console | None
) -> Packed:
    limit = DEFAULT_TOKENS if tokens is None and corpus.endless else tokens
    with counted(console, "packing", unit="tokens", total=limit) as report:
        return pack(
            corpus, tokenizer, directory, "text", max_tokens=limit, content=corpus.content(), report=report
        )


def _cut(packed: Packed, tokens: int | None, spec: list[str]) -> Text:
    """Keep the first documents, up to the one that reaches `tokens`."""
    starts = packed.documents[:, 0]
    ends = np.append(starts[1:], len(packed.tokens))
    count = len(starts) if tokens is None else 1 + int(np.searchsorted(ends, tokens))
    count = min(count, len(starts))
    stop = int(ends[count - 1])
    if stop > LARGEST_TEXT:
        raise InputError(f"the text has {stop:,} tokens; at most {LARGEST_TEXT:,} fit an index: give tokens")
    cut = Packed(packed.tokens[:stop], packed.documents[:count], packed.about)
    seen = hashlib.sha256()
    hashes = np.empty(count, np.uint64)
    for number in range(count):
        ids = np.asarray(cut.tokens[starts[number] : ends[number]], "<u4").tobytes()
        seen.update(ids)
        digest = hashlib.blake2b(ids, digest_size=8).digest()
        hashes[number] = int.from_bytes(digest, "little")
    return Text(cut, spec, seen.hexdigest(), hashes)
