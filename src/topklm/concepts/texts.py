"""The documents behind a packed text, found again in their corpus: text, labels, offsets of tokens."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import CorpusError, InputError
from ..data import Packed, load_corpus
from ..data.corpus import is_stories
from ..stories import Span, Stories

LONGEST_GAP = 5_000
"""Documents of the corpus that may lie between two of a part: of 2 %, so many are never passed over."""


class Source(NamedTuple):
    """One document of a corpus, with all that is known of it."""

    text: str
    labels: Mapping[str, str]
    """By column: source, author, topic, ..."""
    spans: tuple[Span, ...] = ()
    """Stretches of characters that stand for concepts; only the story generator knows any."""


class Read(NamedTuple):
    """One document of a packed text."""

    number: int
    """From 0, in the order of packing."""
    first: int
    """Place of its first token, the boundary, in the packed text."""
    ids: list[int]
    """Its tokens, without the boundary."""
    offsets: list[tuple[int, int]]
    """Where each of them begins and ends in the text, in characters."""
    source: Source


@dataclass(frozen=True)
class Sources:
    """The documents of a corpus by its specification, as often as they are asked for.

    spec: as in `load_corpus`; `stories` and `stories:SEED` come with their spans. part: which files
    of a directory to read.
    """

    spec: Sequence[str]
    part: str = field(default="train", kw_only=True)

    @classmethod
    def of(cls, packed: Packed, *, part: str = "train") -> "Sources":
        """Return the documents of the corpus that a packed text says it was made from."""
        try:
            spec = [str(one) for one in packed.about["key"]["corpus"]]
        except (KeyError, TypeError):
            raise InputError("this packed text does not say from which corpus it was made") from None
        return cls(spec, part=part)

    def __iter__(self) -> Iterator[Source]:
        """Yield every document, in order. Raises CorpusError where there is no such corpus."""
        for one in [self.spec] if isinstance(self.spec, str) else self.spec:
            if is_stories(one):
                seed = one.partition(":")[2]
                if seed and not seed.isdecimal():
                    raise CorpusError(f"{one!r}: the seed is a whole number, as in stories:7")
                yield from _stories(int(seed or 0))
            else:
                for text, labels in load_corpus(one, part=self.part).documents():
                    yield Source(text, labels)


def all_stories(spec: str | Sequence[str]) -> bool:
    """Tell whether a text is made of nothing but the built-in stories, whose concepts are known."""
    return all(is_stories(one) for one in ([spec] if isinstance(spec, str) else spec))


def _stories(seed: int) -> Iterator[Source]:
    for story in Stories(seed):
        variables = story.variables._asdict()
        labels = {name: value for name, value in variables.items() if isinstance(value, str)}
        yield Source(story.text, labels, story.spans)


def read_packed(packed: Packed, tokenizer: Any, sources: Iterable[Source]) -> Iterator[Read]:
    """Yield the documents of a packed text in order, each with its text and its tokens' offsets.

    They are looked for among the sources in their order; a part that holds only some of them (2 % for
    validation) passes over the others. Raises InputError where a document is not found, so labels of
    another corpus or tokenizer never pass for this one's, and where the tokenizer knows no offsets.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise InputError("labels need a fast tokenizer, one that knows where its tokens stand in the text")
    remaining = iter(sources)
    starts = [int(start) for start in packed.documents[:, 0]]
    ends = [*starts[1:], len(packed.tokens)]
    for number, (first, end) in enumerate(zip(starts, ends, strict=True)):
        ids, size = packed.tokens[first + 1 : end], int(packed.documents[number, 1])
        for source in islice(remaining, LONGEST_GAP):
            if len(source.text.encode()) != size:
                continue
            offsets = _offsets(tokenizer, source.text, ids)
            if offsets is not None:
                yield Read(number, first, [int(one) for one in ids], offsets, source)
                break
        else:
            raise InputError(
                f"document {number + 1} of the packed text is not in the corpus named for its labels; "
                "make labels from the corpus and tokenizer that it was packed with"
            )


def _offsets(tokenizer: Any, text: str, ids: np.ndarray[Any, Any]) -> list[tuple[int, int]] | None:
    """Return the offsets of a text's tokens, or None where its tokens are others."""
    encoded = tokenizer(
        text,
        add_special_tokens=False,
        split_special_tokens=True,
        return_offsets_mapping=True,
        verbose=False,
    )
    if not np.array_equal(encoded["input_ids"], ids):
        return None
    return [(int(start), int(end)) for start, end in encoded["offset_mapping"]]
