"""Packing: documents to one long row of token ids on disk, read back as blocks.

A packed part is three files: `NAME.tokens` (the ids, each document after a boundary token),
`NAME.documents` (where each document starts, and its size in bytes) and `NAME.json` (what it is).
While packing, `NAME.progress.json` says how far the other two are valid, so that a killed run goes
on where it was.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ..core.errors import CorpusError, InputError
from ..core.files import read_json, sha256_file, write_json
from .corpus import Corpus, Document
from .tokenizer import boundary_id, encode_documents, fingerprint, vocabulary_size

FORMAT = "topklm.packed/1"
BATCH_DOCUMENTS = 256
IGNORED = -100
"""transformers' mark for a position without a label."""

Report = Callable[[int], None]
"""Called with the number of tokens packed so far."""


@dataclass(frozen=True)
class Packed:
    """A packed part of a corpus, memory-mapped."""

    tokens: np.ndarray[Any, Any]
    """Token ids, uint16 or uint32, shape (tokens,)."""
    documents: np.ndarray[Any, Any]
    """int64, shape (documents, 2): first token (the boundary) and UTF-8 bytes of each document."""
    about: dict[str, Any]
    """What `NAME.json` says: format, key, counts, hashes."""

    @property
    def content(self) -> str | None:
        """What the files held that it was packed from (`Corpus.content`); None where its name decides."""
        content = self.about["key"].get("content")
        return None if content is None else str(content)

    @classmethod
    def open(cls, directory: Path, name: str) -> "Packed":
        """Map a finished part, after checking its hash. Raises CorpusError where it is not whole."""
        path = directory / f"{name}.json"
        if not path.is_file():
            raise CorpusError(f"{directory} holds no packed part {name!r}")
        tokens, documents = directory / f"{name}.tokens", directory / f"{name}.documents"
        damaged = CorpusError(f"the packed part {name!r} in {directory} is damaged; delete it")
        about = read_json(path)
        try:
            dtype = np.dtype(about["dtype"])
            whole = documents.stat().st_size == about["documents"] * 16 > 0
            whole = whole and tokens.stat().st_size == about["tokens"] * dtype.itemsize
            whole = whole and sha256_file(tokens) == about["tokens_sha256"]
        except (OSError, LookupError, TypeError):
            raise damaged from None
        if not whole:
            raise damaged
        return cls(
            np.memmap(tokens, dtype, mode="r"),
            np.memmap(documents, np.int64, mode="r").reshape(-1, 2),
            about,
        )


class Blocks(Dataset[dict[str, torch.Tensor]]):
    """Equally long blocks of a packed part, in order.

    Nothing is lost or repeated: the last block is filled up with boundary tokens without labels.
    An item has `input_ids` and `labels`, int64, shape (context,); a model shifts labels itself.
    """

    def __init__(self, packed: Packed, context: int) -> None:
        self.packed = packed
        self.context = context
        self.boundary = int(packed.tokens[0])  # every part starts with a document

    def __len__(self) -> int:
        return -(-len(self.packed.tokens) // self.context)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        start = range(len(self))[index] * self.context
        ids = torch.from_numpy(self.packed.tokens[start : start + self.context].astype(np.int64))
        missing = self.context - len(ids)
        pad = torch.nn.functional.pad
        return {
            "input_ids": pad(ids, (0, missing), value=self.boundary),
            "labels": pad(ids, (0, missing), value=IGNORED),
        }


def pack(
    corpus: Corpus,
    tokenizer: Any,
    directory: Path,
    name: str,
    *,
    max_tokens: int | None = None,
    content: str | None = None,
    report: Report = lambda done: None,
) -> Packed:
    """Tokenize a corpus into `directory` under `name`, or open what is already packed there.

    max_tokens: stop after the document that reaches it; needed where the corpus is endless. content: what the
    corpus's files hold, see `Corpus.content`; packed text of other content is not taken for this one. Without
    it the corpus's name decides.
    Interrupted at any point and called again, it goes on and ends with the same files. Raises
    CorpusError where the corpus has no document.
    """
    key = {"corpus": list(corpus.spec), "tokenizer": fingerprint(tokenizer), "limit": max_tokens}
    if content is not None:
        key["content"] = content
    try:
        done = Packed.open(directory, name)
        if done.about.get("key") == key:
            return done
    except InputError:
        pass
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").unlink(missing_ok=True)
    writer = _Writer(directory, name, key, tokenizer)
    documents = writer.skip_written(corpus.documents())
    limit = max_tokens if max_tokens is not None else float("inf")
    with writer:
        while writer.state["tokens"] < limit:
            batch = list(islice(documents, BATCH_DOCUMENTS))
            if not batch:
                break
            writer.write(batch, limit)
            report(writer.state["tokens"])
    if not writer.state["documents"]:
        raise CorpusError(f"the corpus {', '.join(corpus.spec)} is empty: no document has any text")
    return writer.finish()


class _Writer:
    """Appends batches of documents, and after each notes how far the files are valid."""

    def __init__(self, directory: Path, name: str, key: dict[str, Any], tokenizer: Any) -> None:
        self.directory, self.name, self.tokenizer = directory, name, tokenizer
        self.dtype = np.dtype(np.uint16 if vocabulary_size(tokenizer) <= 2**16 else np.uint32)
        self.fresh = {"key": key, "tokens": 0, "documents": 0, "bytes": 0, "sha256": ""}
        self.state: dict[str, Any] = dict(self.fresh)
        progress = self._path("progress.json")
        if progress.is_file():
            saved = read_json(progress)
            if saved["key"] == key:
                self.state = saved

    def _path(self, ending: str) -> Path:
        return self.directory / f"{self.name}.{ending}"

    def skip_written(self, documents: Iterator[Document]) -> Iterator[Document]:
        """Pass over what is packed already; start anew where those documents have changed."""
        seen, skipped = "", []
        for document in islice(documents, self.state["documents"]):
            seen = _chained(seen, document.text)
            skipped.append(document)
        if len(skipped) == self.state["documents"] and seen == self.state["sha256"]:
            return documents
        self.state = dict(self.fresh)
        return _after(skipped, documents)

    def __enter__(self) -> None:
        self.files: list[IO[bytes]] = []
        self.held = ExitStack()  # closes all of them, also where the first has no room for what it holds
        sizes = (self.state["tokens"] * self.dtype.itemsize, self.state["documents"] * 16)
        for ending, size in zip(("tokens", "documents"), sizes, strict=True):
            path = self._path(ending)
            path.touch()
            file = self.held.enter_context(path.open("r+b"))
            file.truncate(size)  # what a killed process wrote after its last note is written again
            file.seek(size)
            self.files.append(file)

    def __exit__(self, *_: object) -> None:
        self.held.close()

    def write(self, batch: list[Document], limit: float) -> None:
        boundary = boundary_id(self.tokenizer)
        tokens_file, documents_file = self.files
        state = dict(self.state)
        for document, ids in zip(
            batch, encode_documents(self.tokenizer, [one.text for one in batch]), strict=True
        ):
            size = len(document.text.encode())
            documents_file.write(np.array([state["tokens"], size], np.int64).tobytes())
            tokens_file.write(np.array([boundary, *ids], self.dtype).tobytes())
            state["tokens"] += 1 + len(ids)
            state["documents"] += 1
            state["bytes"] += size
            state["sha256"] = _chained(state["sha256"], document.text)
            if state["tokens"] >= limit:
                break
        for file in self.files:
            file.flush()
            os.fsync(file.fileno())
        write_json(self._path("progress.json"), state)
        self.state = state

    def finish(self) -> Packed:
        about = {
            "format": FORMAT,
            "dtype": self.dtype.name,
            **self.state,
            "tokens_sha256": sha256_file(self._path("tokens")),
        }
        write_json(self._path("json"), about)
        self._path("progress.json").unlink()
        return Packed.open(self.directory, self.name)


def _chained(seen: str, text: str) -> str:
    """Extend a hash over documents by one more; unlike a plain hash it can be stored and resumed."""
    return hashlib.sha256(seen.encode() + text.encode()).hexdigest()


def _after(first: list[Document], rest: Iterator[Document]) -> Iterator[Document]:
    yield from first
    yield from rest
