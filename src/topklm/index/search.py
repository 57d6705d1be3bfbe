"""Words in the indexed text: where they occur, and which features fire most specifically on them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.errors import InputError
from .format import Layout

if TYPE_CHECKING:
    from .feature_index import FeatureIndex, Place
    from .store import Vocabulary

Array = np.ndarray[Any, Any]
LONGEST = 1000
FEW = 20
"""Occurrences of words; the message warns below it."""
GROUPS_READ = 48
"""Row groups of the firings that are read at most for occurrences of several tokens."""


@dataclass(frozen=True)
class Hit:
    """A feature that fires on the words searched."""

    feature: str
    mass_share: float
    """Share of the feature's token mass that lies on the words: 1 if it fires nowhere else."""
    occurrence_share: float
    """Share of the words' occurrences on which it fires (on any of their tokens)."""
    score: float
    """Harmonic mean of the two: how specific the feature is to the words."""
    density: float


@dataclass(frozen=True)
class Search:
    """What a search found."""

    words: str
    occurrences: int
    places: "tuple[Place, ...]"
    """Some of the occurrences, evenly spread over the text: the last token of each, in its context."""
    hits: tuple[Hit, ...]
    """Features, most specific first."""
    looked_at: int
    """Occurrences whose firings the shares are computed from; all of them where words are single tokens."""
    message: str
    """The result in one line."""


class Matches(NamedTuple):
    """Where words occur."""

    first: Array
    """Position of each occurrence's first token, ascending."""
    last: Array
    """Position of its last token."""


def search(index: "FeatureIndex", words: str, *, limit: int, places: int, case: bool) -> Search:
    """Find words and the features that fire on them; see `FeatureIndex.search`."""
    if not words.strip() or len(words) > LONGEST:
        raise InputError(f"search for a word or a phrase of 1 to {LONGEST} characters, not {words[:50]!r}")
    for name, value in (("limit", limit), ("places", places)):
        if value < 0:
            raise InputError(f"{name}={value} is not allowed; choose 0 or more")
    matches = find(index.tokens, index.vocabulary, words, case=case)
    count = len(matches.first)
    if not count:
        message = f"{words!r} does not occur in the indexed text ({index.n_tokens:,} tokens)"
        return Search(words, 0, (), (), 0, message)
    shown = np.unique(np.linspace(0, count - 1, min(places, count)).astype(np.int64))
    shown_places = tuple(index.where(int(position)) for position in matches.last[shown])
    hits, looked_at = rank(index, matches, limit)
    message = f"{words!r} occurs {count:,} time{'s' if count > 1 else ''} in {index.n_tokens:,} tokens"
    if count < FEW:
        message += ", few to tell a feature by: what fires there may do so by chance"
    if looked_at < count:
        message += f"; features are ranked by {looked_at:,} of them"
    return Search(words, count, shown_places, hits, looked_at, message)


# --- finding ----------------------------------------------------------------------------------------------


def find(tokens: Array, vocabulary: "Vocabulary", words: str, *, case: bool) -> Matches:
    """Find the runs of tokens whose text is `words`, with or without one leading space.

    A run begins and ends where tokens do; it holds no special token, so it stays in its document. Runs
    are followed all at once, token by token, each in a state: how much of the words it has spelt.
    """
    speller = _Speller(words, case=case)
    spaced = not words[0].isspace()
    table = _table(speller, speller.start, vocabulary.by_first, vocabulary.pieces, spaced=spaced)
    state = table[tokens]
    first = np.flatnonzero(state >= 0)
    state, last = state[first], first.copy()
    done: list[tuple[Array, Array]] = []
    tables = {}
    while len(first):
        ended = state == speller.end
        done.append((first[ended], last[ended]))
        going = ~ended & (last + 1 < len(tokens))
        first, last, state = first[going], last[going] + 1, state[going]
        following = tokens[last]
        reached = np.full(len(first), -1)
        for one in np.unique(state).tolist():
            if one not in tables:
                tables[one] = _table(speller, one, vocabulary.by_first, vocabulary.pieces, spaced=False)
            here = state == one
            reached[here] = tables[one][following[here]]
        alive = reached >= 0
        first, last, state = first[alive], last[alive], reached[alive]
    found = [np.concatenate(columns) for columns in zip(*done, strict=True)] if done else [first, last]
    order = np.argsort(found[0], kind="stable")
    return Matches(found[0][order], found[1][order])


class _Speller:
    """Spells words byte by byte. A state is a number: characters spelt, and bytes of a begun one."""

    def __init__(self, words: str, *, case: bool) -> None:
        self.forms = [_forms(letter, case=case) for letter in words]
        self.states: dict[tuple[int, bytes], int] = {}
        self.known: list[tuple[int, bytes]] = []
        self.start = self._number(0, b"")
        self.end = self._number(len(words), b"")

    def _number(self, spelt: int, begun: bytes) -> int:
        key = (spelt, begun)
        if key not in self.states:
            self.states[key] = len(self.known)
            self.known.append(key)
        return self.states[key]

    def first_bytes(self, state: int) -> set[int]:
        """Return the bytes that can come next."""
        spelt, begun = self.known[state]
        if spelt == len(self.forms):
            return set()
        return {form[len(begun)] for form in self.forms[spelt] if form.startswith(begun)}

    def after(self, state: int, piece: bytes) -> int:
        """Return the state after a whole piece, -1 where it does not fit or goes on beyond the words."""
        spelt, begun = self.known[state]
        for byte in piece:
            if spelt == len(self.forms):
                return -1
            begun += bytes([byte])
            fitting = [form for form in self.forms[spelt] if form.startswith(begun)]
            if not fitting:
                return -1
            if begun in fitting:  # no character's UTF-8 begins another's
                spelt, begun = spelt + 1, b""
        return self._number(spelt, begun)


def _forms(letter: str, *, case: bool) -> set[bytes]:
    """Return how a character may be written."""
    forms = {letter} if case else {letter, letter.lower(), letter.upper()}
    return {form.encode(errors="replace") for form in forms if len(form) == 1}


def _table(
    speller: _Speller, state: int, by_first: dict[int, list[int]], pieces: list[bytes], *, spaced: bool
) -> Array:
    """Return for each token type the state it leads to, or -1."""
    table = np.full(len(pieces), -1, np.int64)
    wanted = speller.first_bytes(state)
    for byte in wanted:
        for token in by_first.get(byte, ()):
            table[token] = speller.after(state, pieces[token])
    if spaced:
        for token in by_first.get(ord(" "), ()):
            if len(pieces[token]) > 1 and pieces[token][1] in wanted:
                table[token] = speller.after(state, pieces[token][1:])
    return table


# --- ranking ----------------------------------------------------------------------------------------------


def rank(index: "FeatureIndex", matches: Matches, limit: int) -> tuple[tuple[Hit, ...], int]:
    """Rank the features that fire on the occurrences. Returns them, and how many occurrences that used.

    Occurrences of one token are counted in the token mass, exactly. Those of several tokens are looked up
    in the firings, in at most GROUPS_READ row groups, and scaled up to all of them.
    """
    single = matches.first == matches.last
    fired, mass = _from_token_mass(index, np.unique(index.tokens[matches.first[single]]))
    looked_at = counted = int(single.sum())
    if not single.all():
        several = Matches(matches.first[~single], matches.last[~single])
        seen, some_fired, some_mass = _looked_up(index, several)
        if seen:
            counted = len(matches.first)  # what was seen stands for all
            scale = len(several.first) / seen
            fired += some_fired * scale
            mass += some_mass * scale
        looked_at += seen
    if not looked_at:
        return (), 0
    total = index.brief["mass"].to_numpy()
    mass_share = np.divide(mass, total, out=np.zeros_like(mass), where=total > 0).clip(max=1)
    occurrence_share = (fired / counted).clip(max=1)
    both = mass_share + occurrence_share
    score = np.divide(2 * mass_share * occurrence_share, both, out=np.zeros_like(both), where=both > 0)
    best = np.lexsort((np.arange(len(score)), -score))[:limit]
    names, density = index.brief["feature"], index.brief["density"]
    hits = [
        Hit(
            feature=names[place].as_py(),
            mass_share=float(mass_share[place]),
            occurrence_share=float(occurrence_share[place]),
            score=float(score[place]),
            density=density[place].as_py(),
        )
        for place in best.tolist()
        if score[place] > 0
    ]
    return tuple(hits), looked_at


def _from_token_mass(index: "FeatureIndex", types: Array) -> tuple[Array, Array]:
    """Read each feature's firings and mass on some token types, of the whole text."""
    fired, mass = np.zeros(index.layout.features), np.zeros(index.layout.features)
    if len(types):
        table = index.ask(
            "SELECT site, index, sum(firings) AS firings, sum(mass) AS mass FROM token_mass "
            "WHERE token IN (SELECT unnest(?)) GROUP BY site, index",
            [types.tolist()],
        )
        number = _numbers(index.layout, table["site"].to_numpy(), table["index"].to_numpy())
        fired[number], mass[number] = table["firings"].to_numpy(), table["mass"].to_numpy()
    return fired, mass


def _numbers(layout: Layout, site: Array, index: Array) -> Array:
    """Return each feature's number among all."""
    starts = dict(zip(layout.sites, layout.starts, strict=False))
    return np.array([starts[one] for one in site.tolist()], np.int64) + index


def _looked_up(index: "FeatureIndex", matches: Matches) -> tuple[int, Array, Array]:
    """Read the firings on some occurrences: how many, and each feature's occurrences fired on, and mass."""
    document = np.searchsorted(index.starts, matches.first, side="right") - 1
    kept = np.flatnonzero(index.kept[document])
    low, high = index.firing_groups
    fired, mass = np.zeros(index.layout.features), np.zeros(index.layout.features)
    if not len(kept) or not len(low):
        return 0, fired, mass
    first, last = matches.first[kept], matches.last[kept]
    begin = np.searchsorted(high, first).clip(max=len(low) - 1)
    needed = np.unique(begin)
    if len(needed) > GROUPS_READ:
        needed = needed[np.linspace(0, len(needed) - 1, GROUPS_READ).astype(np.int64)]
    chosen = np.isin(begin, needed)
    first, last = first[chosen], last[chosen]
    groups = [
        group
        for start, stop in {(int(a), int(b)) for a, b in zip(first, last, strict=True)}
        for group in range(int(np.searchsorted(high, start)), int(np.searchsorted(low, stop, side="right")))
    ]
    position, site, feature, value = index.read_firings(sorted(set(groups)))
    # every token of every occurrence, and the firings on it; occurrences may share tokens
    lengths = last - first + 1
    owner = np.repeat(np.arange(len(first)), lengths)
    token = np.repeat(first, lengths) + _counted(lengths)
    start = np.searchsorted(position, token)
    sizes = np.searchsorted(position, token, side="right") - start
    entry = np.repeat(start, sizes) + _counted(sizes)
    owner = np.repeat(owner, sizes)
    number = _numbers(index.layout, site[entry], feature[entry])
    once, at = np.unique(entry, return_index=True)
    np.add.at(mass, number[at], value[once].astype(np.float64).clip(min=0))
    pairs = np.unique(number * len(first) + owner)
    np.add.at(fired, pairs // len(first), 1)
    return len(first), fired, mass


def _counted(lengths: Array) -> Array:
    """Count 0, 1, ... within each length."""
    ends = lengths.cumsum()
    counted: Array = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    return counted
