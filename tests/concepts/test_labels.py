"""Labels of packed texts: the same as the generator's, whatever the packing; another text's are refused."""

import re
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from topklm.concepts import (
    ConceptLabels,
    DocumentColumn,
    Lexicon,
    Sources,
    StoryConcepts,
    TokenClasses,
    document_columns,
    label,
    label_batches,
    read_packed,
    story_words,
)
from topklm.core.errors import CorpusError, InputError
from topklm.data import Packed, load_corpus, load_tokenizer, pack
from topklm.model import SparseCodes
from topklm.stories import Stories, align


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer("bpe:600", corpus=load_corpus("stories:3").head(60_000))


@pytest.fixture(scope="module")
def packed(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return pack(load_corpus("stories:3"), tokenizer, tmp_path_factory.mktemp("p"), "train", max_tokens=9_000)


def marked(labels: ConceptLabels) -> list[tuple[str, ...]]:
    """The names on each token, sorted."""
    rows: list[list[str]] = [[] for _ in range(len(labels))]
    for row, concept in zip(
        labels.occurrences.rows.tolist(), labels.occurrences.indices.tolist(), strict=True
    ):
        rows[row].append(labels.names[concept])
    return [tuple(sorted(row)) for row in rows]


def test_labels_are_the_generators_own(packed: Packed, tokenizer: Any) -> None:
    labels = label(packed, tokenizer, Sources.of(packed), [StoryConcepts()])
    expected: list[tuple[str, ...]] = []
    for story in Stories(3).take(len(packed.documents)):
        encoded = tokenizer(story.text, add_special_tokens=False, return_offsets_mapping=True)
        expected += [(), *align(story.spans, encoded["offset_mapping"])]
    assert marked(labels) == expected
    assert len(labels) == len(packed.tokens)


def test_labels_of_a_part_are_those_of_its_documents(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topklm.data.packing.BATCH_DOCUMENTS", 4)
    # the validation part holds 2 % of the stories; each has the labels it would have anywhere
    train, validation = load_corpus("stories:3").split()
    part = pack(validation, tokenizer, tmp_path, "validation", max_tokens=1_000)
    labels = label(part, tokenizer, Sources.of(part), [StoryConcepts()])
    texts = [document.text for document in islice(validation.documents(), len(part.documents))]
    whole = {story.text: story for story in Stories(3).take(400)}
    at = marked(labels)
    for number, text in enumerate(texts):
        first = int(part.documents[number, 0])
        offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        assert at[first + 1 : first + 1 + len(offsets)] == align(whole[text].spans, offsets)
    assert train.spec == ("stories:3",)


@pytest.mark.parametrize("size", [1, 700, 4_000])
def test_stretches_join_to_the_whole(packed: Packed, tokenizer: Any, size: int) -> None:
    labellers = [StoryConcepts(), TokenClasses(context=64)]
    whole = label(packed, tokenizer, Sources.of(packed), labellers)
    parts = list(label_batches(packed, tokenizer, Sources.of(packed), labellers, tokens=size))
    joined = ConceptLabels.cat(parts)
    assert joined.occurrences == whole.occurrences
    assert torch.equal(joined.documents, whole.documents)
    assert [part.start for part in parts] == np.cumsum([0, *map(len, parts)])[:-1].tolist()
    piece = whole[500:900]
    assert (piece.start, len(piece)) == (500, 400)
    assert piece.occurrences == whole.occurrences[500:900]
    with pytest.raises(ValueError, match="consecutive"):
        ConceptLabels.cat([whole, whole])


def test_another_corpus_and_another_tokenizer_are_refused_in_one_line(
    packed: Packed, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topklm.concepts.texts.LONGEST_GAP", 200)
    with pytest.raises(InputError, match="document 1 of the packed text is not in the corpus") as raised:
        label(packed, tokenizer, Sources(["stories:4"]), [StoryConcepts()])
    assert "\n" not in str(raised.value)
    other = load_tokenizer("bpe:400", corpus=load_corpus("stories:3").head(20_000))
    with pytest.raises(InputError, match="tokenizer that it was packed with"):
        label(packed, other, Sources.of(packed), [StoryConcepts()])
    labels = label(packed, tokenizer, Sources.of(packed), [TokenClasses()])
    labels.require(packed.about["tokens_sha256"])
    with pytest.raises(InputError, match="another text"):
        labels.require("0" * 64)


def test_a_text_without_origin_or_offsets_is_refused(packed: Packed) -> None:
    class Slow:
        is_fast = False

    with pytest.raises(InputError, match="fast tokenizer"):
        next(read_packed(packed, Slow(), []))
    with pytest.raises(InputError, match="which corpus"):
        Sources.of(Packed(packed.tokens, packed.documents, {}))
    with pytest.raises(CorpusError, match="whole number"):
        next(iter(Sources("stories:x")))


def test_concepts_are_found_by_name_and_absent_ones_said(packed: Packed, tokenizer: Any) -> None:
    labels = label(packed, tokenizer, Sources.of(packed), [Lexicon({"never": ["xyzzy"], "said": ["said"]})])
    assert labels.absent == ["never"]
    with pytest.raises(InputError, match="did you mean never"):
        labels.index("nevr")
    chosen = labels.select(["said"])
    assert chosen.kinds == ("lexicon",)
    assert int(chosen.counts[0]) == int(labels.counts[1]) > 0
    assert labels.select(["said", "never"]).absent == ["never"]


def test_two_concepts_of_one_name_are_told_apart(packed: Packed, tokenizer: Any) -> None:
    twice = [StoryConcepts(), Lexicon({"joy": ["happy"]})]
    labels = label(packed, tokenizer, Sources.of(packed), twice)
    assert labels.kinds[labels.index("joy")] == "lexical"
    assert labels.kinds[labels.index("joy (lexicon)")] == "lexicon"
    with pytest.raises(InputError, match="rename"):
        label(packed, tokenizer, Sources.of(packed), [*twice, twice[1]])


def test_labels_make_batches(packed: Packed, tokenizer: Any) -> None:
    labels = label(packed, tokenizer, Sources.of(packed), [StoryConcepts()])[100:120]
    codes = SparseCodes.from_dense(torch.ones(20, 3))
    batch = labels.batch(codes, torch.arange(20))
    assert batch.start == 100
    assert batch.labels == labels.occurrences
    with pytest.raises(InputError, match="20 labelled tokens"):
        labels.batch(codes[:3], torch.arange(3))


def test_story_words_are_concepts_of_the_stories(packed: Packed, tokenizer: Any) -> None:
    labels = label(packed, tokenizer, Sources.of(packed), [StoryConcepts()])
    bat = next(word for word in story_words(labels) if word.word == "bat")
    assert [labels.names[one] for one in (*bat.meanings, *bat.topics)] == [
        "bat/animal",
        "bat/club",
        "topic:forest",
        "topic:sport",
    ]


def test_the_documents_example_runs(
    packed: Packed, tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ids = torch.from_numpy(packed.tokens.astype("int64"))
    codes = SparseCodes.from_dense(torch.nn.functional.one_hot(ids % 16, 16).float())
    known = {"packed": packed, "tokenizer": tokenizer, "codes": codes, "token_ids": ids}
    exec(compile(block, "metrics.md", "exec"), known)  # noqa: S102
    assert "concept_coverage" in capsys.readouterr().out


def test_documents_are_labelled_by_their_columns(tokenizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    rows = [
        {"text": f"Text number {n}.", "genre": "tale" if n % 3 else "poem", "title": str(n), "year": n}
        for n in range(18)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    packed = pack(load_corpus(str(path)), tokenizer, tmp_path / "p", "train")
    sources = Sources.of(packed)
    columns = document_columns(packed, tokenizer, sources)
    assert columns == [DocumentColumn("genre", ("poem", "tale"))]
    labels = label(packed, tokenizer, sources, columns)
    assert labels.names == ("genre=poem", "genre=tale")
    starts = packed.documents[:, 0]
    expected = [
        () if place in starts else (f"genre={rows[document]['genre']}",)
        for place, document in enumerate(labels.documents.tolist())
    ]
    assert marked(labels) == expected
    with pytest.raises(InputError, match="no column 'author'; they have genre, title"):
        document_columns(packed, tokenizer, sources, columns=["author"])
    with pytest.raises(InputError, match="tells no documents apart"):
        document_columns(packed, tokenizer, sources, columns=["title"])


def test_token_classes_by_hand(tokenizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text('Anna has 12 hens. "Where?" Nowhere!', encoding="utf-8")
    packed = pack(load_corpus(str(path)), tokenizer, tmp_path / "p", "train")
    labels = label(packed, tokenizer, Sources.of(packed), [TokenClasses(context=8)])
    texts = [tokenizer.decode([int(one)]) for one in packed.tokens]
    whole = "".join(texts[1:])
    for place, (text, names) in enumerate(zip(texts, marked(labels), strict=True)):
        if place == 0:
            assert names == ()
            continue
        letters = text.strip()
        before = "".join(texts[1:place])
        assert ("token:digit" in names) == any(letter.isdigit() for letter in letters)
        assert ("token:capital" in names) == letters[:1].isupper()
        assert ("token:punctuation" in names) == (letters != "" and not any(one.isalnum() for one in letters))
        inside = before[-1:].isalnum() and letters[:1].isalnum() and not text.startswith(" ")
        assert ("token:part of word" in names) == inside
        assert ("token:document start" in names) == (place <= 8)
        assert ("token:block start" in names) == (place % 8 < 4)
        opens = (
            any(before.rstrip().endswith(end) for end in ("", ". ", '."', '?"', '. "', "!")) and not inside
        )
        if "token:sentence start" in names:
            assert letters[:1].isalnum()
            assert opens or before.strip(' "') == "" or before.rstrip(' "')[-1] in ".!?"
    starts = [
        text for text, names in zip(texts, marked(labels), strict=True) if "token:sentence start" in names
    ]
    assert [one.strip()[0] for one in starts] == ["A", "W", "N"]
    assert whole == path.read_text()
