"""Lexicons: files read strictly, words found whole."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topklm.concepts import Lexicon, english, read_lexicon, resolve_name, type_classes
from topklm.core.errors import InputError


def found(lexicon: Lexicon, text: str) -> list[tuple[str, str]]:
    return [(text[span.start : span.end], span.concept) for span in lexicon.spans(text)]


def test_words_are_found_whole_and_in_any_case() -> None:
    lexicon = Lexicon({"animal": ["cat", "guinea pig"], "small": ["guinea"]})
    text = "Cats, a CAT, a bobcat, a guinea\n pig; guineapig, cat's cat_ cat-like"
    assert found(lexicon, text) == [
        ("CAT", "animal"),
        ("guinea\n pig", "animal"),
        ("guinea", "small"),
        ("cat", "animal"),
        ("cat", "animal"),
    ]


def test_apostrophes_are_part_of_a_word_and_printers_ones_too() -> None:
    lexicon = Lexicon({"no": ["don't"]})
    assert found(lexicon, "I don't, I DON\u2019T, I don 't, dont") == [("don't", "no"), ("DON\u2019T", "no")]


def test_capitals_matter_where_they_are_said_to() -> None:
    lexicon = Lexicon({"month": ["May"], "any": ["june"]}, case=frozenset({"month"}))
    assert found(lexicon, "may May MAY June") == [("May", "month"), ("June", "any")]


@given(st.lists(st.sampled_from(["cat", "dog", "hen", ",", "Cat", "catdog"]), max_size=12))
def test_whole_words_are_counted_exactly(words: list[str]) -> None:
    lexicon = Lexicon({"cat": ["cat"], "pair": ["cat dog"]})
    spans = found(lexicon, " ".join(words))
    assert sum(concept == "cat" for _, concept in spans) == sum(word.lower() == "cat" for word in words)
    pairs = [pair for pair in itertools.pairwise(words) if pair[0].lower() == "cat" and pair[1] == "dog"]
    assert sum(concept == "pair" for _, concept in spans) == len(pairs)


def test_types_get_the_class_of_their_word_and_others_one_each() -> None:
    lexicon = Lexicon({"animal": ["cat", "dog"], "colour": ["red"]})
    classes = type_classes(lexicon, [" cat", "Dog", "red", "ca", "t", " cat cat", ""]).tolist()
    assert classes[0] == classes[1] != classes[2]
    assert len(set(classes)) == 6


def test_the_english_lexicon_is_as_promised() -> None:
    lexicon = english()
    assert len(lexicon.names) >= 40
    spans = found(lexicon, "Her sister's grey cat, No 2, does not come on Monday; monday")
    assert ("cat", "animals") in spans
    assert ("No", "negation") in spans  # the word, not YAML's false
    assert ("Monday", "days and months") in spans
    assert ("monday", "days and months") not in spans


def test_yaml_and_csv_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("animal: [cat, no, 12]\ncolour:\n  - red\n")
    (tmp_path / "a.csv").write_text('concept,words\nanimal,cat,no\n\nanimal,"12"\ncolour,red,\n')
    text = "a cat, NO, 12 red"
    spans = found(read_lexicon(tmp_path / "a.yaml"), text)
    assert spans == found(read_lexicon(str(tmp_path / "a.csv")), text)
    assert len(spans) == 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", "a: [x]\nb: y\n", "line 2: no list of words"),
        ("a.yaml", "a: [x]\na: [y]\n", "line 2: the concept 'a' stands there twice"),
        ("a.yaml", "a: [x]\nb: [x\n", "line 3: not valid YAML"),
        ("a.yaml", "a: [x, [y]]\n", "line 1: an entry is no word"),
        ("a.yaml", "a:\n  words: [x]\n  colour: red\n", "line 2: unknown fields"),
        ("a.yaml", "a: {words: [x], case: maybe}\n", "case is true or false"),
        ("a.yaml", "- x\n", "line 1: no mapping"),
        ("a.yaml", "a: []\n", "line 1: no list of words"),
        ("a.yaml", "? [a]\n: [b]\n", "line 1: a concept needs a name"),
        ("a.yaml", "", "holds no concept"),
        ("a.yaml", "a:\n  ? [b, c]\n  : d\n", "line 2: a field is no word"),
        ("a.yaml", "a: !!python/object/apply:os.system ['x']\n", "os.system|no list"),
        ("a.csv", "animal,cat\nbroken\n", "line 2: write a concept and its words"),
        ("a.csv", ",cat\n", "line 1: write a concept"),
        ("a.csv", 'animal,"cat"x\n', "line 1: not valid CSV"),
        ("a.txt", "x", "give .yaml or .csv"),
    ],
)
def test_a_malformed_line_is_named_by_its_number(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    if "os.system" in content:
        read_lexicon(path)  # a tag is no code: the words are read as words
        return
    with pytest.raises(InputError, match=message) as raised:
        read_lexicon(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", "concept,words\nanimal,cat\n"), ("a.yaml", "animal: [cat]\n")]
)
def test_a_byte_order_mark_is_not_part_of_a_name(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8-sig")
    assert read_lexicon(tmp_path / name).names == ("animal",)


def test_files_that_are_no_text_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no lexicon"):
        read_lexicon(tmp_path / "missing.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_lexicon(tmp_path / "b.yaml")
    (tmp_path / "d.yaml").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        read_lexicon(tmp_path / "d.yaml")
    with pytest.raises(InputError, match="empty word"):
        Lexicon({"a": [" "]})


def test_a_concept_is_suggested_by_its_words_before_its_spelling() -> None:
    names = english().names
    with pytest.raises(InputError, match="did you mean water and shore"):
        resolve_name(names, "sea")
    with pytest.raises(InputError, match="did you mean animals"):
        resolve_name(names, "animal")
    assert resolve_name(("topic:sea", "kin:aunt"), "sea") == "topic:sea"
