"""Packing: no token lost or repeated, resumable at any point, the same for everybody."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

import topklm.data.packing as packing
from samples import sentences
from topklm.core.errors import CorpusError, InputError
from topklm.data import Blocks, Corpus, Document, Packed, load_tokenizer, pack
from topklm.data.tokenizer import (
    encode_documents,
    encode_prompt,
    fingerprint,
    train_tokenizer,
    vocabulary_size,
)


def corpus_of(texts: list[str]) -> Corpus:
    return Corpus(("test",), (lambda: (Document(text, {}) for text in texts),))


TOKENIZER = train_tokenizer(sentences(60), 320)
DOCUMENTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60).filter(str.strip), min_size=1, max_size=12
)


@settings(max_examples=50)
@given(DOCUMENTS, st.integers(2, 17))
def test_packing_loses_and_repeats_no_token(texts: list[str], context: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        packed = pack(corpus_of(texts), TOKENIZER, Path(directory), "train")
        blocks = Blocks(packed, context)
        inside = [blocks[index]["labels"] for index in range(len(blocks))]
        found = [int(token) for labels in inside for token in labels if token != -100]
        expected = [token for ids in encode_documents(TOKENIZER, texts) for token in (0, *ids)]
        assert found == expected
        assert all(len(labels) == context for labels in inside)
        starts = packed.documents[:, 0].tolist()
        assert [expected[start] for start in starts] == [0] * len(texts)
        assert packed.documents[:, 1].sum() == sum(
            len(text.encode("utf-8", "surrogatepass")) for text in texts
        )


@settings(max_examples=50)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_the_trained_tokenizer_gives_any_text_back(text: str) -> None:
    assert TOKENIZER.decode(encode_documents(TOKENIZER, [text])[0]) == text


def foreign(**special: str) -> PreTrainedTokenizerFast:
    """A tokenizer of another make: no template, and ids with a hole."""
    vocabulary = {letter: place for place, letter in enumerate("abc <é")} | {"<end>": 6, "<last>": 400}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="a"))
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


def test_a_tokenizer_of_another_make_starts_prompts_as_documents_start(tmp_path: Path) -> None:
    for special in (
        {"eos_token": "<end>"},
        {"bos_token": "<end>", "eos_token": "<end>", "pad_token": "<end>"},
    ):
        tokenizer = foreign(**special)
        assert encode_prompt(tokenizer, "ab") == [6, 0, 1]
        assert encode_prompt(tokenizer, "") == [6]
        assert vocabulary_size(tokenizer) == 401
        packed = pack(corpus_of(["ab c"]), tokenizer, tmp_path / str(len(special)), "train")
        assert packed.tokens.tolist() == [6, *encode_prompt(tokenizer, "ab c")[1:]]
    with pytest.raises(InputError, match="not valid UTF-8"):
        encode_prompt(TOKENIZER, "caf\udce9")


def test_using_a_tokenizer_leaves_its_fingerprint_alone() -> None:
    tokenizer = train_tokenizer(sentences(60), 320)
    tokenizer(["a", "b c"], padding=True, truncation=True, max_length=4)
    assert fingerprint(tokenizer) == fingerprint(TOKENIZER)
    tokenizer.pad_token = "a"
    assert fingerprint(tokenizer) != fingerprint(TOKENIZER)


def test_a_boundary_written_in_a_text_is_text() -> None:
    ids = encode_documents(TOKENIZER, ["a <|endoftext|> b"])[0]
    assert 0 not in ids
    assert TOKENIZER.decode(ids) == "a <|endoftext|> b"


def test_a_prompt_starts_as_a_document_does() -> None:
    assert TOKENIZER("The cat").input_ids == [0, *encode_documents(TOKENIZER, ["The cat"])[0]]


def test_training_a_tokenizer_twice_gives_the_same_one() -> None:
    assert fingerprint(train_tokenizer(sentences(60), 320)) == fingerprint(TOKENIZER)
    assert fingerprint(train_tokenizer(sentences(61), 320)) != fingerprint(TOKENIZER)


@pytest.mark.parametrize("stop", [1, 2, 5])
def test_an_interrupted_packing_ends_with_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    monkeypatch.setattr(packing, "BATCH_DOCUMENTS", 7)
    whole = pack(corpus_of(sentences(60)), TOKENIZER, tmp_path / "whole", "train")
    calls = 0

    def interrupt(done: int) -> None:
        nonlocal calls
        calls += 1
        if calls == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(corpus_of(sentences(60)), TOKENIZER, tmp_path / "cut", "train", report=interrupt)
    with (tmp_path / "cut" / "train.tokens").open("ab") as file:
        file.write(b"half a batch that was never noted")
    with pytest.raises(CorpusError, match="holds no packed part"):
        Packed.open(tmp_path / "cut", "train")
    reads = 0

    def counted() -> Iterator[Document]:
        nonlocal reads
        for text in sentences(60):
            reads += 1
            yield Document(text, {})

    again = pack(Corpus(("test",), (counted,)), TOKENIZER, tmp_path / "cut", "train")
    assert again.about == whole.about
    assert np.array_equal(again.tokens, whole.tokens)
    assert np.array_equal(again.documents, whole.documents)
    assert reads == 60


def test_a_corpus_that_changed_meanwhile_is_packed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "BATCH_DOCUMENTS", 7)

    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(corpus_of(sentences(60)), TOKENIZER, tmp_path, "train", report=interrupt)
    changed = ["Something else entirely.", *sentences(60)]
    again = pack(corpus_of(changed), TOKENIZER, tmp_path, "train")
    assert again.about["documents"] == 61
    assert np.array_equal(again.tokens, pack(corpus_of(changed), TOKENIZER, tmp_path / "b", "train").tokens)


def test_what_is_packed_already_is_not_read_again(tmp_path: Path) -> None:
    pack(corpus_of(sentences(5)), TOKENIZER, tmp_path, "train")

    def fail() -> Iterator[Document]:
        raise AssertionError("read again")
        yield

    assert pack(Corpus(("test",), (fail,)), TOKENIZER, tmp_path, "train").about["documents"] == 5


def test_a_limit_stops_after_the_document_that_reaches_it(tmp_path: Path) -> None:
    endless = Corpus(("test",), (lambda: (Document(sentences(9)[n % 9], {}) for n in iter(int, 1)),))
    packed = pack(endless, TOKENIZER, tmp_path, "train", max_tokens=500)
    assert 500 <= len(packed.tokens) < 600
    assert packed.about["tokens"] == len(packed.tokens)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    pack(corpus_of(sentences(5)), TOKENIZER, tmp_path, "train")
    tokens, about = tmp_path / "train.tokens", tmp_path / "train.json"
    assert json.loads(about.read_text())["format"] == "topklm.packed/1"
    whole = tokens.read_bytes()
    for damage in (whole[:10], whole[:-2] + b"\0\0"):
        tokens.write_bytes(damage)
        with pytest.raises(CorpusError, match="damaged"):
            Packed.open(tmp_path, "train")
    tokens.write_bytes(whole)
    for damage in ("{}", "[]", '{"dtype": "x", "documents": 1}'):
        about.write_text(damage)
        with pytest.raises(CorpusError, match="damaged"):
            Packed.open(tmp_path, "train")


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is empty"):
        pack(corpus_of([" ", ""]), TOKENIZER, tmp_path, "train")
    with pytest.raises(CorpusError, match="is empty"):
        load_tokenizer("bpe:320", corpus=corpus_of([]))


@pytest.mark.parametrize("spec", ["bpe", "bpe:", "bpe:12", "bpe:many"])
def test_a_bad_tokenizer_size_says_what_is_allowed(spec: str) -> None:
    with pytest.raises(InputError, match="at least 300"):
        load_tokenizer(spec, corpus=corpus_of(["x"]))


def test_a_missing_tokenizer_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        load_tokenizer(str(tmp_path / "none"))
    assert "\n" not in str(caught.value)


def test_a_tokenizers_file_is_asked_for_by_its_directory(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="is a file; give the directory it lies in"):
        load_tokenizer(str(tmp_path / "tokenizer.json"))


def test_any_saved_tokenizer_loads_if_it_marks_boundaries(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    assert fingerprint(load_tokenizer(str(tmp_path))) == fingerprint(TOKENIZER)
    bare = train_tokenizer(sentences(5), 320)
    bare.bos_token = bare.eos_token = None
    bare.save_pretrained(tmp_path / "bare")
    with pytest.raises(InputError, match="boundary"):
        load_tokenizer(str(tmp_path / "bare"))
