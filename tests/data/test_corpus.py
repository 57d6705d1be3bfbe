"""Corpora: what a document is in each kind of file, and how they are split."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import sentences
from topklm.core.errors import CorpusError
from topklm.data.corpus import Corpus, Document, is_held_out, load_corpus, validation_files


def texts(spec: object, **options: str) -> list[str]:
    return [document.text for document in load_corpus(spec, **options).documents()]  # type: ignore[arg-type]


def test_a_text_file_ends_documents_at_separators(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\n\nstill one\n<|endoftext|>\ntwo\n<|endoftext|>\n\n<|endoftext|>\n")
    assert texts(str(path)) == ["one\n\nstill one", "two"]


def test_a_text_file_without_separators_is_cut_at_paragraph_ends(tmp_path: Path) -> None:
    paragraphs = [f"{number} " + "word " * 120 for number in range(20)]
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(paragraphs))
    found = texts(str(path))
    assert "\n\n".join(found) == "\n\n".join(paragraphs)
    assert len(found) > 3
    assert all(text[0].isdigit() for text in found)


def test_jsonl_gives_text_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"text": "one", "author": "A", "year": 1900}, {"text": " "}, {"text": "two"}]
    path.write_text("\n\n".join(map(json.dumps, rows)))
    documents = list(load_corpus(str(path)).documents())
    assert [document.text for document in documents] == ["one", "two"]
    assert documents[0].labels == {"author": "A"}


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a\\ud800b"}')
    assert texts(str(tmp_path / "a.jsonl")) == ["a\ufffdb"]


def test_parquet_gives_text_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"title": ["T", "U"], "text": ["one", None], "n": [1, 2]}), path)
    documents = list(load_corpus(str(path)).documents())
    assert [(document.text, dict(document.labels)) for document in documents] == [("one", {"title": "T"})]


def test_parquet_text_is_text_however_arrow_stores_it(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": pa.array(["one", "two"]).dictionary_encode(),
            "kind": pa.array(["a", "b"]).dictionary_encode(),
            "view": pa.array(["c", "d"], pa.string_view()),
            "n": pa.array([1, 2]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    found = list(load_corpus(str(tmp_path / "a.parquet")).documents())
    assert found == [("one", {"kind": "a", "view": "c"}), ("two", {"kind": "b", "view": "d"})]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeff<|endoftext|>\nOne.\n<|endoftext|>\nTwo.".encode())
    (tmp_path / "a.jsonl").write_bytes('\ufeff{"text": "One."}\n'.encode())
    assert texts(str(tmp_path / "a.txt")) == ["One.", "Two."]
    assert texts(str(tmp_path / "a.jsonl")) == ["One."]


def test_several_corpora_are_read_one_after_the_other(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.txt").write_text(name)
    assert texts([str(tmp_path / "b.txt"), str(tmp_path / "a.txt")]) == ["b", "a"]
    assert texts(str(tmp_path)) == ["a", "b"]


def test_a_directory_keeps_its_parts_apart(tmp_path: Path) -> None:
    for name in ("train-0", "train-1", "validation", "notes"):
        (tmp_path / f"{name}.txt").write_text(name)
    assert texts(str(tmp_path)) == ["train-0", "train-1"]
    assert texts(str(tmp_path), part="validation") == ["validation"]
    assert validation_files(str(tmp_path))
    (tmp_path / "only").mkdir()
    for name in ("books", "validation"):
        (tmp_path / "only" / f"{name}.txt").write_text(name)
    assert texts(str(tmp_path / "only")) == ["books"]
    assert texts(str(tmp_path / "only"), part="validation") == ["validation"]
    assert not validation_files([str(tmp_path), str(tmp_path / "notes.txt")])


def test_a_folder_named_as_a_built_in_corpus_is_not_its_held_out_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stories").mkdir()
    (tmp_path / "stories" / "validation.txt").write_text("text")
    monkeypatch.chdir(tmp_path)
    assert not validation_files("stories")


@given(st.lists(st.text(min_size=1).filter(str.strip), unique=True, max_size=40), st.booleans())
def test_a_split_loses_and_repeats_no_document_and_leaves_neither_part_empty(
    documents: list[str], endless: bool
) -> None:
    corpus = Corpus(("x",), (lambda: (Document(one, {}) for one in documents),), endless=endless)
    train, held_out = ([one.text for one in part.documents()] for part in corpus.split())
    assert sorted(train + held_out) == sorted(documents)
    by_hash = [one for one in documents if is_held_out(one)]
    assert held_out == by_hash or (not by_hash and not endless and len(held_out) == 1)
    assert held_out or endless or not documents


def test_the_split_holds_out_about_two_percent_whatever_the_order(tmp_path: Path) -> None:
    lines = sentences(3000)
    parts = []
    for name, order in (("a", lines), ("b", lines[::-1])):
        path = tmp_path / f"{name}.txt"
        path.write_text("\n<|endoftext|>\n".join(order))
        train, held_out = load_corpus(str(path)).split()
        parts.append(sorted(document.text for document in held_out.documents()))
        assert len(list(train.documents())) + len(parts[-1]) == 3000
    assert parts[0] == parts[1]
    assert 30 <= len(parts[0]) <= 90


def test_the_head_of_a_corpus_ends_with_the_document_that_fills_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n<|endoftext|>\n".join(["aaaa"] * 5))
    corpus = load_corpus(str(tmp_path / "a.txt"))
    assert [len(list(corpus.head(size).documents())) for size in (1, 4, 5, 100)] == [1, 1, 2, 5]


def test_the_code_corpus_is_the_same_each_time() -> None:
    documents = load_corpus("code").documents()
    first = [next(documents).labels["path"] for _ in range(5)]
    documents = load_corpus("code").documents()
    assert [next(documents).labels["path"] for _ in range(5)] == first
    assert all(path.endswith(".py") for path in first)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"caf\xe9", "is not UTF-8"),
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', "line 2: not valid JSON"),
        ("a.jsonl", b'{"text": "x"}\n\n{"body": "y"}', "line 3: no string under 'text'; it has body"),
        ("a.jsonl", b"[1]", "line 1: no string under 'text'; it is no object"),
        ("a.parquet", b"no parquet", "cannot be read as Parquet"),
        ("a.jsonl", b'{"text": ' + b"9" * 5000 + b"}", "line 1: not valid JSON"),
        ("a.jsonl", b"[" * 100_000, "line 1: not valid JSON"),
        ("a.csv", b"text\nx", "no known ending"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=message) as caught:
        texts(str(tmp_path / name))
    assert name in str(caught.value)


def test_parquet_without_text_says_which_columns_it_has(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["x"], "title": ["y"]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="it has body, title"):
        texts(str(tmp_path / "a.parquet"))
    pq.write_table(pa.table({"text": [1]}), tmp_path / "b.parquet")
    with pytest.raises(CorpusError, match="holds int64, not strings"):
        texts(str(tmp_path / "b.parquet"))


@pytest.mark.parametrize("spec", ["missing.txt", "./missing", "missing", "", [], "no/such/place"])
def test_what_is_no_corpus_is_refused(spec: object) -> None:
    with pytest.raises(CorpusError, match=r"give a \.txt"):
        load_corpus(spec)  # type: ignore[arg-type]


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no"):
        load_corpus(str(tmp_path))


def test_a_hub_name_without_network_is_answered_in_one_line() -> None:
    with pytest.raises(CorpusError, match="the hub answers") as caught:
        texts("nobody/nothing")
    assert "\n" not in str(caught.value)


def test_stories_are_a_corpus_by_name_and_seed() -> None:
    first = next(load_corpus("stories").documents())
    assert first == next(load_corpus("stories:0").documents())
    assert first.text != next(load_corpus("stories:1").documents()).text
    assert first.labels["topic"]
    assert load_corpus("stories").endless
    with pytest.raises(CorpusError, match="stories:1 never ends, so what is named after it"):
        load_corpus(["stories:1", "stories:2"])
    with pytest.raises(CorpusError, match="as in stories:7"):
        texts("stories:x")
    with pytest.raises(CorpusError, match="takes no argument"):
        texts("code:3")
