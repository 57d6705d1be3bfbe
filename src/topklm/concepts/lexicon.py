"""Lexicons: concepts as lists of words, from YAML or CSV, found in text as whole words."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..stories import Span, align
from .texts import Read

_PIECE = re.compile(r"\w+|[^\w\s]")
HELP = "write 'name: [word, word]', or 'name: {words: [...], case: true}' where capitals matter"

Phrase = tuple[tuple[str, bool], ...]
"""Pieces (words or signs), each with whether a space stands before it."""


class Lexicon:
    """Concepts by their words.

    words: for each concept its words; one of several words, "ice cream", is found as it stands. case:
    the concepts for which capitals matter.

        lexicon = Lexicon({"animal": ["cat", "guinea pig"]})
        list(lexicon.spans("Cats, a cat and a guinea pig."))    # the last two
    """

    def __init__(self, words: Mapping[str, list[str]], *, case: frozenset[str] = frozenset()) -> None:
        self.names = tuple(words)
        self.kinds = ("lexicon",) * len(self.names)
        self._places = {name: place for place, name in enumerate(self.names)}
        self._by_first: dict[str, list[tuple[Phrase, str, bool]]] = {}
        for name, entries in words.items():
            for entry in entries:
                phrase = tuple((piece, spaced) for piece, spaced, _, _ in _pieces(entry.strip()))
                if not phrase:
                    raise InputError(f"the concept {name!r} has an empty word")
                exact = name in case
                phrase = phrase if exact else tuple((piece.lower(), spaced) for piece, spaced in phrase)
                known = self._by_first.setdefault(phrase[0][0].lower(), [])
                known.append((phrase, name, exact))

    def spans(self, text: str) -> Iterator[Span]:
        """Find every occurrence of every word as a whole word."""
        pieces = list(_pieces(text))
        for at, (first, _, start, _) in enumerate(pieces):
            for phrase, name, exact in self._by_first.get(first.lower(), ()):
                here = pieces[at : at + len(phrase)]
                if len(here) == len(phrase) and _equal(phrase, here, exact=exact):
                    yield Span(start, here[-1][3], name)

    def mark(self, read: Read) -> Iterator[tuple[int, int]]:
        """Mark all tokens of every word found."""
        spans = sorted(self.spans(read.source.text))
        for at, concepts in enumerate(align(spans, read.offsets)):
            for concept in concepts:
                yield at, self._places[concept]


def type_classes(lexicon: Lexicon, texts: Sequence[str]) -> Tensor:
    """Put token types into classes by a lexicon, for semantic entropy: int64, shape (types,).

    texts: the text of each token type. A type that is a word of the lexicon as a whole belongs to the
    first of its concepts; every other type is a class of its own, and lowers no entropy.
    """
    found = []
    for number, text in enumerate(texts):
        word = text.strip()
        whole = [span.concept for span in lexicon.spans(word) if (span.start, span.end) == (0, len(word))]
        found.append(lexicon.names.index(whole[0]) if whole else len(lexicon.names) + number)
    classes: Tensor = torch.unique(torch.tensor(found), return_inverse=True)[1]
    return classes


def english() -> Lexicon:
    """Return the built-in lexicon of general English."""
    return read_lexicon(Path(str(files("topklm.concepts") / "english.yaml")))


def read_lexicon(path: Path | str) -> Lexicon:
    """Read a lexicon from a `.yaml` or `.csv` file.

    YAML: `concept: [word, word]`, or `concept: {words: [...], case: true}` where capitals matter. CSV:
    the concept in the first column, its words in the others; a concept may have several lines.
    Raises InputError with the line's number where one is malformed.
    """
    path = Path(path)
    readers = {".yaml": _read_yaml, ".yml": _read_yaml, ".csv": _read_csv}
    if path.suffix not in readers:
        raise InputError(f"{path} is no lexicon by its ending; give .yaml or .csv")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"there is no lexicon {path}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; convert it first") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    words, case = readers[path.suffix](path, text)
    if not words:
        raise InputError(f"{path} holds no concept; {HELP}")
    return Lexicon(words, case=case)


def _read_yaml(path: Path, text: str) -> tuple[dict[str, list[str]], frozenset[str]]:
    import yaml

    try:
        # nodes, not values: they know their lines, and a word such as `no` stays a word
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or type(error).__name__
        raise InputError(f"{path}{line}: not valid YAML ({reason})") from None
    words: dict[str, list[str]] = {}
    case = set()
    if root is not None and not isinstance(root, yaml.MappingNode):
        raise InputError(f"{path}, line 1: no mapping of concepts; {HELP}")
    for key, value in [] if root is None else root.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or not key.value.strip():
            raise InputError(f"{path}, line {line}: a concept needs a name; {HELP}")
        if key.value in words:
            raise InputError(f"{path}, line {line}: the concept {key.value!r} stands there twice")
        listed, exact = _yaml_entry(path, value)
        words[key.value] = listed
        if exact:
            case.add(key.value)
    return words, frozenset(case)


def _yaml_entry(path: Path, node: Any) -> tuple[list[str], bool]:
    import yaml

    line, exact = node.start_mark.line + 1, False
    if isinstance(node, yaml.MappingNode):
        if not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
            raise InputError(f"{path}, line {line}: a field is no word; {HELP}")
        fields = {key.value: value for key, value in node.value}
        if not set(fields) <= {"words", "case"} or "words" not in fields:
            raise InputError(f"{path}, line {line}: unknown fields {', '.join(fields) or 'none'}; {HELP}")
        if "case" in fields and fields["case"].value not in ("true", "false"):
            raise InputError(f"{path}, line {line}: case is true or false, not {fields['case'].value!r}")
        exact = "case" in fields and fields["case"].value == "true"
        node = fields["words"]
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise InputError(f"{path}, line {line}: no list of words; {HELP}")
    for word in node.value:
        if not isinstance(word, yaml.ScalarNode) or not word.value.strip():
            raise InputError(f"{path}, line {word.start_mark.line + 1}: an entry is no word; {HELP}")
    return [word.value for word in node.value], exact


def _read_csv(path: Path, text: str) -> tuple[dict[str, list[str]], frozenset[str]]:
    words: dict[str, list[str]] = {}
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells) or (reader.line_num == 1 and cells[0].lower() == "concept"):
                continue
            listed = [cell for cell in cells[1:] if cell]
            if not cells[0] or not listed:
                raise InputError(
                    f"{path}, line {reader.line_num}: write a concept and its words, as in: animal,cat,dog"
                )
            words.setdefault(cells[0], []).extend(listed)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not valid CSV ({error})") from None
    return words, frozenset()


def _pieces(text: str) -> Iterator[tuple[str, bool, int, int]]:
    """Yield (word or sign, whether a space stands before it, start, end)."""
    end = 0
    for match in _PIECE.finditer(text):
        # a printer's apostrophe is an apostrophe
        yield match.group().replace("\u2019", "'"), match.start() > end, match.start(), match.end()
        end = match.end()


def _equal(phrase: Phrase, pieces: list[tuple[str, bool, int, int]], *, exact: bool) -> bool:
    for number, ((word, spaced), (piece, apart, _, _)) in enumerate(zip(phrase, pieces, strict=True)):
        if word != (piece if exact else piece.lower()) or (number and spaced != apart):
            return False
    return True
