"""Tokenizers: train a byte-level BPE on a corpus, or load any transformers tokenizer."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ..core.errors import CorpusError, InputError
from ..core.hub import pretrained_place
from .corpus import Corpus

BOUNDARY = "<|endoftext|>"
PAD = "<|pad|>"
CHARACTERS_PER_TOKEN = 2_500
"""A tokenizer is trained on this much of the corpus for each token of its vocabulary."""
SMALLEST_VOCABULARY = 300
"""256 bytes, the two special tokens, and room for at least a few merges."""


def load_tokenizer(spec: str, *, corpus: Corpus | None = None) -> Any:
    """Get a tokenizer by its specification.

    `bpe:4096` trains a byte-level BPE of that many tokens on `corpus`; anything else is the path or
    the name of a transformers tokenizer, or a GGUF file that holds one; it must know a token that starts
    or ends a text.
    Raises InputError where there is none.
    """
    if spec == "bpe" or spec.startswith("bpe:"):
        match = re.fullmatch(r"bpe:(\d{1,7})", spec)
        size = int(match[1]) if match else 0
        if size < SMALLEST_VOCABULARY:
            raise InputError(f"tokenizer {spec[:80]!r}: write bpe:N with N at least {SMALLEST_VOCABULARY}")
        assert corpus is not None
        return train_tokenizer(
            (document.text for document in corpus.head(CHARACTERS_PER_TOKEN * size).documents()), size
        )
    place, gguf = pretrained_place(spec)
    if not gguf and Path(spec).is_file():
        raise InputError(
            f"tokenizer {spec!r} is a file; give the directory it lies in, with its tokenizer_config.json"
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **gguf)
    except Exception as error:  # transformers raises many kinds here; the user needs the cause
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"tokenizer {spec!r} cannot be loaded: {reason}") from error
    if boundary_id(tokenizer) is None:
        raise InputError(f"tokenizer {spec!r} has neither bos_token nor eos_token; documents need a boundary")
    return tokenizer


def train_tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE of at most `size` tokens; any text survives encoding and decoding.

    It puts `<|endoftext|>` before a text, as packing does before every document, and pads with
    `<|pad|>`. Raises CorpusError where there is no text.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[BOUNDARY, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    iterator = iter(texts)
    first = next(iterator, None)
    if first is None:
        raise CorpusError("the corpus is empty: no document has any text")
    tokenizer.train_from_iterator(_chain(first, iterator), trainer)
    boundary = tokenizer.token_to_id(BOUNDARY)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOUNDARY} $A", pair=f"{BOUNDARY} $A $B", special_tokens=[(BOUNDARY, boundary)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOUNDARY,
        eos_token=BOUNDARY,
        pad_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def boundary_id(tokenizer: Any) -> int | None:
    """Return the id of the token that packing puts before every document."""
    first: int | None = tokenizer.bos_token_id
    return tokenizer.eos_token_id if first is None else first


def end_ids(eos: int | list[int] | None, tokenizer: Any) -> set[int]:
    """Return the tokens that end a text: a config's one or several, and the boundary.

    A document ends where the next begins, which in training the boundary says.
    """
    named = {*(eos if isinstance(eos, list) else [eos]), boundary_id(tokenizer)}
    return {one for one in named if one is not None}


def as_config(ends: set[int]) -> int | list[int]:
    """Write end tokens as a config of transformers has them: one as it is, several as a list."""
    return sorted(ends) if len(ends) > 1 else next(iter(ends))


def fingerprint(tokenizer: Any) -> str:
    """Return a hash of everything that decides how a text is tokenized, and of its special tokens.

    Truncation and padding are left out: using a tokenizer changes them.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = json.loads(backend.to_str()) if backend is not None else tokenizer.get_vocab()
    for changing in ("truncation", "padding"):
        content.pop(changing, None)
    special = [tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token]
    return hashlib.sha256(json.dumps([content, special], sort_keys=True).encode()).hexdigest()


def vocabulary_size(tokenizer: Any) -> int:
    """Return how many rows an embedding needs: ids may have holes, so not the number of tokens."""
    return int(max(len(tokenizer), 1 + max(tokenizer.get_vocab().values())))


def token_bytes(tokenizer: Any) -> list[bytes]:
    """Return the UTF-8 bytes that each token id stands for inside a text, its leading space included.

    One entry per row of the embedding; an id without a token has none. A byte-level token may hold a
    part of a character. Special tokens stand for their own name.
    """
    texts = [b""] * vocabulary_size(tokenizer)
    added = {token.content for token in tokenizer.added_tokens_decoder.values()}
    backend = getattr(tokenizer, "backend_tokenizer", None)
    decoder = json.dumps(json.loads(backend.to_str())["decoder"]) if backend is not None else ""
    for piece, token in tokenizer.get_vocab().items():
        if piece in added:
            texts[token] = piece.encode()
        elif "ByteLevel" in decoder and all(letter in BYTE_OF_LETTER for letter in piece):
            texts[token] = bytes(BYTE_OF_LETTER[letter] for letter in piece)
        elif "ByteFallback" in decoder and re.fullmatch(r"<0x[0-9A-F]{2}>", piece):
            texts[token] = bytes([int(piece[3:5], 16)])
        elif "\u2581" in piece:  # SentencePiece's mark for a space
            texts[token] = piece.replace("\u2581", " ").encode()
        else:
            texts[token] = _inside_a_text(tokenizer, token)
    return texts


def _inside_a_text(tokenizer: Any, token: int) -> bytes:
    """Decode a token after another one, since many tokenizers drop a space that begins a text."""
    anchor = tokenizer("a", add_special_tokens=False)["input_ids"]
    with_it, alone = tokenizer.decode([*anchor, token]), tokenizer.decode(anchor)
    return str(with_it[len(alone) :] if with_it.startswith(alone) else tokenizer.decode([token])).encode()


def _letters_for_bytes() -> dict[str, int]:
    """Byte-level BPE writes each byte as a visible letter: most as themselves, others from U+0100 on."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + n): byte for n, byte in enumerate(hidden)}


BYTE_OF_LETTER = _letters_for_bytes()


def encode_prompt(tokenizer: Any, prompt: str) -> list[int]:
    """Tokenize the beginning of a document as training saw one: a boundary token, then the text.

    Raises InputError where the prompt is no valid Unicode.
    """
    boundary = boundary_id(tokenizer)
    assert boundary is not None  # load_tokenizer() refuses tokenizers without one
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise InputError("the prompt is not valid UTF-8 text") from None
    return [boundary, *encode_documents(tokenizer, [prompt])[0]]


def encode_documents(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Tokenize whole documents, without special tokens.

    A document that happens to contain `<|endoftext|>` as text does not end there.
    """
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(
        texts, add_special_tokens=False, split_special_tokens=True, verbose=False
    )["input_ids"]
    return ids


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
