"""The blind quiz: questions about features of two sources, for a person who does not know which is which.

Questions come from the two indexes alone. The page holds no trace of the source; the key lies beside it.
How the page looks: `reports/quiz.py`; what answers are worth: `quiz_score.py`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.files import disk_full_is_said, write_json, write_text
from ..index import FeatureIndex
from ..index.feature_index import Place
from ..index.store import directory_of
from ..reports.quiz import Passage, Question, new_number, quiz_page

KEY = "topklm.quiz-key/1"
KINDS = ("intruder", "name", "card")
ITEMS = 10
BEFORE, AFTER = 14, 8
"""Tokens of a passage before and after the marked one."""
SHOWN, OPTIONS = 6, 6
Array = np.ndarray[Any, Any]


class Asked(NamedTuple):
    """A question with what only the key says of it."""

    question: Question
    source: str
    feature: str
    answer: tuple[int, ...]
    """The options that are right: the intruder, or those on which the feature fires."""


def make_quiz(
    run: Path,
    sources: tuple[str, str],
    *,
    kinds: Sequence[str] = KINDS,
    items: int = ITEMS,
    seed: int = 0,
    out: Path | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> tuple[Path, Path]:
    """Write a quiz about two sources of a run: the page and its key. Returns both paths.

    items: questions of each kind and source; each is about another live feature, drawn. `name` questions
    need names, which `topklm metrics` writes to an index; without them they are left out. out: default `quiz`
    in the run. Raises InputError where an index is missing, or the two are of different texts.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f"there is no kind of question {kind!r}; choose among {', '.join(KINDS)}")
    if sources[0] == sources[1]:
        raise InputError(f"both sources are {sources[0]!r}; a quiz compares two different ones")
    if not 1 <= items <= 1000:
        raise InputError(f"items={items} is not allowed; choose 1 to 1000")
    if seed < 0:
        raise InputError(f"seed={seed} is not allowed; choose 0 or more")
    indexes = {name: open_source(run, name) for name in sources}
    texts = {name: index.about["corpus"]["sha256"] for name, index in indexes.items()}
    if len(set(texts.values())) > 1:
        raise InputError(
            f"the indexes of {' and '.join(sources)} are of different texts; build both with the same --data "
            "and --tokens"
        )
    asked: list[Asked] = []
    for number, (name, index) in enumerate(indexes.items()):
        asked += _Asker(index, name, np.random.default_rng([seed, number])).ask(kinds, items, say)
    if not asked:
        raise InputError(
            "neither source has a live feature with enough examples to ask about; index more text"
        )
    order = np.random.default_rng([seed, len(sources)]).permutation(len(asked))
    asked = [asked[place] for place in order.tolist()]
    return _write(run, asked, indexes, out or run / "quiz")


def open_source(run: Path, source: str) -> FeatureIndex:
    """Open the index of one of a run's sources. Raises InputError that says how to build it."""
    path = directory_of(run, source)
    if not path.is_dir():
        raise InputError(
            f"{run} has no index of the source {source!r}; build one with: "
            f"topklm index {run} --source {source}"
        )
    return FeatureIndex.open(path)


def _write(
    run: Path, asked: Sequence[Asked], indexes: dict[str, FeatureIndex], out: Path
) -> tuple[Path, Path]:
    quiz = new_number()
    out.mkdir(parents=True, exist_ok=True)
    page, key = out / f"quiz-{quiz}.html", out / f"key-{quiz}.json"
    content = {
        "format": KEY,
        "quiz": quiz,
        "run": str(run),
        "sources": {name: index.revision for name, index in indexes.items()},
        "n_tokens": next(iter(indexes.values())).n_tokens,
        "questions": [
            {"kind": one.question.kind, "source": one.source, "feature": one.feature, "answer": one.answer}
            for one in asked
        ],
    }
    with disk_full_is_said(out):
        write_json(key, content)
        write_text(page, quiz_page([one.question for one in asked], quiz=quiz))
    return page, key


class _Asker:
    """Makes questions about the features of one source."""

    def __init__(self, index: FeatureIndex, source: str, generator: np.random.Generator) -> None:
        self.index, self.source, self.generator = index, source, generator
        known = index.vocabulary
        self.special = {known.texts[token] for token in np.flatnonzero(known.special).tolist()}

    def ask(self, kinds: Sequence[str], items: int, say: Callable[[str], None]) -> list[Asked]:
        """Draw live features, each for one question."""
        index = self.index
        rows = index.features(where="status = 'live'")
        names = {row["feature"]: row.get("name") for row in rows if row.get("name_score")}
        good = set(index.labelled()) if names else set()
        order = [rows[place]["feature"] for place in self.generator.permutation(len(rows)).tolist()]
        used: set[str] = set()
        found: list[Asked] = []
        for kind in kinds:
            count = 0
            for feature in order:
                if count == items:
                    break
                if feature in used or (kind == "name" and feature not in good):
                    continue
                made = self._one(kind, feature, str(names.get(feature) or ""))
                if made is not None:
                    used.add(feature)
                    found.append(made)
                    count += 1
            if count < items:
                reason = "; names come from: topklm metrics RUN" if kind == "name" and not good else ""
                say(f"{self.source}: {count} of {items} questions of the kind {kind}{reason}")
        return found

    def _one(self, kind: str, feature: str, name: str) -> Asked | None:
        """Make one question; None where the feature has too few examples."""
        strong, further, others = self._places(feature)
        if kind == "intruder":
            if len(strong) < OPTIONS - 1 or not others:
                return None
            mixed, right = self._mixed(strong[: OPTIONS - 1], others[:1], second_is_right=True)
            return Asked(Question(kind, mixed), self.source, feature, right)
        half = OPTIONS // 2
        if len(further) < half or len(others) < half or (kind == "card" and len(strong) < SHOWN):
            return None
        mixed, right = self._mixed(further[:half], others[:half], second_is_right=False)
        shown = tuple(self._passage(place) for place in strong[:SHOWN]) if kind == "card" else ()
        question = Question(kind, mixed, shown, name if kind == "name" else "")
        return Asked(question, self.source, feature, right)

    def _places(self, feature: str) -> tuple[list[int], list[int], list[int]]:
        """Return positions: the strongest firings, further ones drawn, and places where it does not fire.

        Every firing is of another document.
        """
        located = self.index.locate(feature)
        fired = self.index.ask(
            "SELECT position FROM firings_by_feature WHERE site = ? AND index = ? AND value > 0 "
            "ORDER BY value DESC, position",
            [located.layer, located.index],
        )["position"].to_numpy()
        fired = fired[~self.index.vocabulary.special[self.index.tokens[fired]]]
        documents = np.searchsorted(self.index.starts, fired, side="right")
        fired = fired[np.sort(np.unique(documents, return_index=True)[1])]  # the strongest of each
        strong = fired[:SHOWN]
        further = self.generator.permutation(fired[SHOWN:])[:OPTIONS]
        starts = self.index.starts[self.index.kept]  # elsewhere no firing is stored
        lengths = np.diff(self.index.starts, append=self.index.n_tokens)[self.index.kept]
        ends = lengths.cumsum()
        if not len(ends):
            return strong.tolist(), further.tolist(), []
        drawn = self.generator.integers(0, ends[-1], 20 * OPTIONS)
        documents = np.searchsorted(ends, drawn, side="right")
        known = starts[documents] + drawn - (ends - lengths)[documents]
        silent = [place for place in known.tolist() if self._is_text(place)]
        everywhere = self.index.ask(
            "SELECT position FROM firings_by_feature WHERE site = ? AND index = ? "
            "AND position IN (SELECT unnest(?))",
            [located.layer, located.index, silent],
        )["position"].to_pylist()
        others = [place for place in silent if place not in set(everywhere)]
        return strong.tolist(), further.tolist(), others[:OPTIONS]

    def _is_text(self, position: int) -> bool:
        return not bool(self.index.vocabulary.special[self.index.tokens[position]])

    def _mixed(
        self, first: Sequence[int], second: Sequence[int], *, second_is_right: bool
    ) -> tuple[tuple[Passage, ...], tuple[int, ...]]:
        """Mix two groups of places; return the passages, and which of them are right."""
        places = [*first, *second]
        order = self.generator.permutation(len(places)).tolist()
        right = [at for at, place in enumerate(order) if (place >= len(first)) == second_is_right]
        return tuple(self._passage(places[place]) for place in order), tuple(right)

    def _passage(self, position: int) -> Passage:
        return passage_of(self.index.where(int(position), before=BEFORE, after=AFTER), self.special)


def passage_of(place: Place, special: set[str]) -> Passage:
    """Write a place as text, its token marked; special tokens are left out, line breaks become spaces."""
    parts = (place.tokens[: place.peak], (place.tokens[place.peak],), place.tokens[place.peak + 1 :])
    before, marked, after = (
        "".join(token for token in part if token not in special).replace("\n", " ") for part in parts
    )
    lead = marked[: len(marked) - len(marked.lstrip())]
    return Passage(before + lead, marked.lstrip() or marked, after)
