"""Corpora: a specification in, a stream of documents out. Reading single files: `readers.py`."""

import hashlib
import importlib.metadata
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..core.errors import CorpusError, StreamError, first_line
from ..core.files import sha256_file
from .readers import READERS

VALIDATION_SHARE = 0.02
"""Share of documents held out where no validation set is given."""
HELD_OUT_FROM = math.ceil((1 - VALIDATION_SHARE) * 2**32)
"""The first of the places that are held out, see `_place`."""

HELP = (
    "a .txt, .jsonl or .parquet file, a directory of them, 'stories' (labelled, generated), 'code' "
    "(installed Python files), or a dataset on the hub as owner/name or owner/name:configuration"
)
PLUGINS = "topklm.corpora"
"""Entry points of this group are corpora by name: called with what follows `NAME:` (or nothing),
they give an iterator of (text, labels)."""


class Document(NamedTuple):
    """One document: its text, and what else its row says of it (title, author, ...)."""

    text: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Corpus:
    """A named, repeatable stream of documents.

    for document in load_corpus("books.parquet").documents():
        print(document.text[:40])
    """

    spec: tuple[str, ...]
    """Where the documents come from; `load_corpus(spec)` gives the same corpus again."""
    sources: tuple[Callable[[], Iterator[Document]], ...] = field(repr=False)
    endless: bool = False
    """Whether it is read only as far as training needs: a generator, a stream from the hub, `code`."""
    files: tuple[Path, ...] = ()
    """The files among its sources, in order."""
    keep: Callable[[str], bool] | None = field(default=None, repr=False)

    def documents(self) -> Iterator[Document]:
        """Yield every document that is not blank, in order. Raises CorpusError where one is bad."""
        for source in self.sources:
            for text, labels in source():
                document = Document(_valid_unicode(text), labels)
                if document.text.strip() and (self.keep is None or self.keep(document.text)):
                    yield document

    def content(self) -> str | None:
        """Return a SHA-256 over what its files hold, in order; None where it has none.

        A corpus that is generated is known by its name, one of files only by what is in them.
        """
        if not self.files:
            return None
        seen = hashlib.sha256()
        for path in self.files:
            try:
                seen.update(bytes.fromhex(sha256_file(path)))
            except OSError as error:
                raise CorpusError(f"cannot read {path}: {error.strerror}") from None
        return seen.hexdigest()

    def head(self, characters: int) -> "Corpus":
        """Return the first documents, until they hold that many characters."""

        def first() -> Iterator[Document]:
            read = 0
            for document in self.documents():
                if read >= characters:
                    return
                read += len(document.text)
                yield document

        return Corpus(self.spec, (first,))

    def split(self) -> tuple["Corpus", "Corpus"]:
        """Split by each document's hash: the training part, and the validation part (2 %).

        Of a corpus that ends at least one document is held out, the one with the largest hash.
        """
        least = cache(self._least_held_out)
        return (
            replace(self, keep=lambda text: _place(text) < least()),
            replace(self, keep=lambda text: _place(text) >= least()),
        )

    def _least_held_out(self) -> int:
        """Return the place from which documents are held out; reads as far as the first that is."""
        largest = 0
        for document in () if self.endless else self.documents():
            largest = max(largest, _place(document.text))
            if largest >= HELD_OUT_FROM:
                break
        return min(largest or HELD_OUT_FROM, HELD_OUT_FROM)


def _valid_unicode(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can spell but no encoding can write."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def is_held_out(text: str) -> bool:
    """Tell whether a document belongs to the validation part: by its SHA-256, whatever its place."""
    return _place(text) >= HELD_OUT_FROM


def _place(text: str) -> int:
    """Put a document among 2**32 places by its SHA-256."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def load_corpus(spec: str | Sequence[str], *, part: str = "train") -> Corpus:
    """Find a corpus by its specification, or several, read one after the other.

    A specification is a `.txt`, `.jsonl` or `.parquet` file (see `readers.py` for what a document
    is in each), a directory of such files, `stories` (or `stories:SEED`) for the labelled story
    generator, `code` for the Python files of the installed packages, a name that another package
    registers as an entry point of the group `topklm.corpora`, or a dataset on the hub (`owner/name`
    or `owner/name:configuration`, streamed). In a directory, files named `validation...` are its
    validation part; its training part is those named `train...`, or else all the others.

    Raises CorpusError where there is no such corpus, or one follows on stories, which never end. Files are
    opened here, read later.
    """
    specs = (spec,) if isinstance(spec, str) else tuple(spec)
    if not specs:
        raise CorpusError(f"no corpus is named; give {HELP}")
    found = [_find(one, part) for one in specs]
    for one in specs[:-1]:
        if is_stories(one):
            raise CorpusError(f"{one} never ends, so what is named after it would not be read; name it last")
    return Corpus(
        specs,
        sources=tuple(source for corpus in found for source in corpus.sources),
        endless=any(corpus.endless for corpus in found),
        files=tuple(path for corpus in found for path in corpus.files),
    )


def validation_files(spec: str | Sequence[str]) -> bool:
    """Tell whether every specification is a directory that brings its own validation files."""
    specs = [spec] if isinstance(spec, str) else list(spec)
    return all(
        not is_built_in(one)
        and Path(one).is_dir()
        and any(path.stem.startswith("validation") for path in _files(Path(one)))
        for one in specs
    )


def is_stories(spec: str) -> bool:
    """Tell whether a specification names the labelled stories, which never end."""
    return spec.partition(":")[0] == "stories"


def is_built_in(spec: str) -> bool:
    """Tell whether a specification names a corpus of a package, which goes before a file of the same name."""
    return bool(_plugins(spec))


def _plugins(spec: str) -> list[importlib.metadata.EntryPoint]:
    return list(importlib.metadata.entry_points(group=PLUGINS, name=spec.partition(":")[0]))


def _find(spec: str, part: str) -> Corpus:
    _, _, argument = spec.partition(":")
    plugins = _plugins(spec)
    if plugins:
        generate = plugins[0].load()
        return Corpus((spec,), (lambda: itertools.starmap(Document, generate(argument)),), endless=True)
    path = Path(spec)
    if spec and path.is_dir():
        paths = _of_part(_files(path), part)
        if not paths:
            raise CorpusError(f"{spec} holds no .txt, .jsonl or .parquet file for {part}")
        return Corpus((spec,), tuple(_reader(one) for one in paths), files=tuple(paths))
    if path.is_file():
        return Corpus((spec,), (_reader(path),), files=(path,))
    looks_like_hub = re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", spec) and not (
        path.suffix in READERS or spec.startswith(".") or Path(spec.split("/")[0]).exists()
    )
    if looks_like_hub:
        return Corpus((spec,), (lambda: _streamed(spec),), endless=True)
    raise CorpusError(f"there is no file or corpus {spec!r}; give {HELP}")


def _of_part(paths: list[Path], part: str) -> list[Path]:
    """Choose a directory's files for a part; a validation file is never trained on."""
    held_out = [path for path in paths if path.stem.startswith("validation")]
    if part == "validation" and held_out:
        return held_out
    rest = [path for path in paths if path not in held_out]
    marked = [path for path in rest if path.stem.startswith("train")]
    if part == "validation":
        return [] if marked else rest
    return marked or rest


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.suffix in READERS and path.is_file())


def _reader(path: Path) -> Callable[[], Iterator[Document]]:
    if path.suffix not in READERS:
        raise CorpusError(f"{path} has no known ending; give {', '.join(sorted(READERS))}")
    read = READERS[path.suffix]
    return lambda: (Document(text, labels) for text, labels in read(path))


def installed_python(argument: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Read installed Python files in an order that mixes packages; oversized ones are data."""
    if argument:
        raise CorpusError(f"'code' takes no argument, not {argument!r}")
    paths = {
        str(file): Path(str(file.locate()))
        for distribution in importlib.metadata.distributions()
        for file in distribution.files or ()
        if file.suffix == ".py"
    }
    for name in sorted(paths, key=lambda name: hashlib.sha256(name.encode()).digest()):
        try:
            text = paths[name].read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # an installed file that is no readable text is not the user's mistake
        if 200 <= len(text) <= 40_000:
            yield text, {"path": name}


def _streamed(spec: str) -> Iterator[Document]:
    import datasets

    name, _, configuration = spec.partition(":")
    count = 0
    try:
        rows = datasets.load_dataset(name, configuration or None, split="train", streaming=True)
        for row in rows:
            if not isinstance(row.get("text"), str):
                raise CorpusError(f"{spec} has no text column; it has {', '.join(map(str, row))}")
            yield Document(row["text"], {})
            count += 1
    except CorpusError:
        raise
    except Exception as error:  # a network has many ways to fail; the user needs the cause
        reason = first_line(error)
        if count:
            raise StreamError(
                f"{spec} broke off after {count:,} documents ({reason}); what came is kept, go on with "
                "--resume"
            ) from error
        raise CorpusError(
            f"cannot read {spec!r}: there is no such file, and the hub answers: {reason}"
        ) from error
