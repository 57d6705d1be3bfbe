"""Asking an index: rows, cards, search, SQL, several threads, and one line for a mistake."""

import json
import math
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samples import Truth
from topklm.core.errors import InputError
from topklm.core.site import Latent, Neuron
from topklm.index import FeatureIndex
from topklm.index.format import TABLES
from topklm.index.notes import Note
from topklm.index.search import find
from topklm.index.store import Vocabulary

# --- rows -------------------------------------------------------------------------------------------------


def test_rows_are_sorted_filtered_and_cut(index: FeatureIndex) -> None:
    rows = index.features()
    assert len(rows) == index.count() == 64
    assert list(rows[0]) == list(index.columns)
    falling = index.features(sort="-density", where="status = 'live'")
    assert [row["density"] for row in falling] == sorted((row["density"] for row in falling), reverse=True)
    assert index.features(sort="-density", where="status = 'live'", limit=3, offset=2) == falling[2:5]
    assert index.count(where="status = 'live'") == len(falling)
    rising = index.features(sort="mean")
    numbers = [row["mean"] for row in rising]
    known = [number for number in numbers if number is not None]
    assert numbers == [*sorted(known), *[None] * (64 - len(known))]
    assert index.features(sort="-feature")[0]["feature"] == "L1/N31"
    assert index.features(limit=0) == []


def test_a_directory_whose_name_is_a_pattern_is_read_and_no_neighbour(
    index: FeatureIndex, tmp_path: Path
) -> None:
    odd, other = tmp_path / "b[1]*", tmp_path / "b1"
    shutil.copytree(index.path, odd)
    shutil.copytree(index.path, other)
    (other / "features.parquet").write_bytes(b"damaged")
    copy = FeatureIndex.open(odd)
    copy.add_facts({"token_entropy": {"L0/N3": 2.5}})
    assert FeatureIndex.open(odd).features(limit=2)[0]["feature"] == index.features(limit=2)[0]["feature"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sort": "entropy"}, "there is no column 'entropy' to sort by; columns are feature, site"),
        ({"sort": "--density"}, "no column"),
        ({"where": "entropy > 1"}, "there is no column 'entropy'; columns are feature, site"),
        ({"limit": -1}, "limit=-1"),
        ({"offset": -1}, "offset=-1"),
    ],
)
def test_a_wrong_question_says_what_there_is(
    index: FeatureIndex, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        index.features(**options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "L9/N3",
            "there is no L9/N3: the model has 3 layers, 0 to 2; this index holds the neurons of layers 0, 1",
        ),
        ("L2/N3", "there is no L2/N3: layer 2 is dense; this index holds the neurons of layers 0, 1"),
        ("L1/N32", "there is no L1/N32: layer 1 has 32 neurons, up to L1/N31"),
        ("L1/F3", "L1/F3 is a latent; this index holds neurons, such as L0/N0"),
        ("dog", "'dog' is no feature; write it as L3/N17"),
    ],
)
def test_an_unknown_feature_says_what_exists(index: FeatureIndex, name: str, message: str) -> None:
    for ask in (index.card, index.similar):
        with pytest.raises(InputError) as caught:
            ask(name)
        assert str(caught.value).startswith(message)
    with pytest.raises(InputError, match="is a latent"):
        index.card(Latent(0, 1))


# --- cards ------------------------------------------------------------------------------------------------


def test_a_card_says_what_the_text_says(index: FeatureIndex, truth: Truth) -> None:
    texts = index.vocabulary.texts
    for name in [row["feature"] for row in index.features(where="firings > 0", limit=12)]:
        card = index.card(name)
        feature = Neuron.parse(name)
        values = truth.values[feature.layer][:, feature.index]
        assert (card.feature, card.source, card.n_tokens) == (name, "topk", index.n_tokens)
        assert card.firings == np.count_nonzero(values)
        assert set(card.quantiles) == {"0.01", "0.1", "0.25", "0.5", "0.75", "0.9", "0.99"}
        assert len(card.histogram_edges) == len(card.histogram_counts) + 1
        shares = [token.share for token in card.top_tokens]
        assert shares == sorted(shares, reverse=True)
        assert sum(one.firings for one in card.bins) == card.firings
        highs = [one.high for one in card.bins]
        assert highs == sorted(highs, reverse=True)
        for example in (example for one in card.bins for example in one.examples):
            start = example.position - example.peak
            here = slice(start, start + len(example.tokens))
            assert list(example.activations) == values[here].tolist()
            assert list(example.tokens) == [texts[token] for token in truth.tokens[here].tolist()]
            assert index.where(example.position).document == example.document
        rises = [one.change for one in card.promoted]
        falls = [one.change for one in card.suppressed]
        assert len(rises) == len(falls) == 10
        assert rises == sorted(rises, reverse=True)
        assert falls == sorted(falls)
        assert rises[0] > falls[0]
        assert card.similar == index.similar(name)
        densities = {row["feature"]: row["density"] for row in index.features()}
        assert all(one.density == densities[one.feature] for one in (*card.similar, *card.other_layers))


def test_a_dead_feature_has_a_card_of_zeros(index: FeatureIndex) -> None:
    card = index.card(index.features(where="status = 'dead'", limit=1)[0]["feature"])
    assert (card.firings, card.density, card.status) == (0, 0.0, "dead")
    assert math.isnan(card.mean)
    assert math.isnan(card.maximum)
    assert card.quantiles == {}
    assert card.bins == card.top_tokens == card.promoted == card.suppressed == card.similar == ()
    assert [one.similarity for one in card.other_layers] == [0.0]


def test_a_place_shows_its_document(index: FeatureIndex, truth: Truth) -> None:
    start, end = truth.starts[3:5].tolist()
    place = index.where(start + 2, before=100, after=100)
    assert (place.document, place.peak, len(place.tokens)) == (3, 2, end - start)
    assert place.text.startswith("<|endoftext|>Day 3. The fox went to the field.")
    assert index.where(start + 2, before=0, after=0).tokens == (place.tokens[2],)
    last = index.where(index.n_tokens - 1, after=5)
    assert last.peak == len(last.tokens) - 1
    for position in (-1, index.n_tokens):
        with pytest.raises(InputError, match="is not in the text"):
            index.where(position)


# --- search -----------------------------------------------------------------------------------------------


def by_brute_force(
    tokens: list[int], pieces: list[bytes], special: list[bool], words: str, *, case: bool
) -> list[tuple[int, int]]:
    """Find words in the text of every stretch without special tokens, at token boundaries."""

    def same(letter: str, other: str) -> bool:
        if case:
            return letter == other
        return other in {letter, letter.lower(), letter.upper()}

    found = []
    for first in range(len(tokens)):
        spelt = b""
        for last in range(first, len(tokens)):
            if special[tokens[last]] or not pieces[tokens[last]]:
                break
            spelt += pieces[tokens[last]]
            try:
                text = spelt.decode()
            except UnicodeDecodeError:
                continue
            for candidate in {text, text[1:] if text.startswith(" ") and not words[0].isspace() else text}:
                begins_here = len(candidate) == len(text) or pieces[tokens[first]] != b" "
                if begins_here and len(candidate) == len(words) and all(map(same, words, candidate)):
                    found.append((first, last))
    return sorted(set(found))


PIECES = [
    b"<|end|>",
    b"",
    b" ",
    b"d",
    b"o",
    b"g",
    b" d",
    b"og",
    b" dog",
    b"Dog",
    b"dogs",
    *"é日".encode().split(),
]
PIECES += ["é".encode()[:1], "é".encode()[1:], "É".encode(), b" \xc3", b"dog dog"]
SPECIAL = [piece == b"<|end|>" for piece in PIECES]
WORDS = ["dog", "DOG", " dog", "d", "o", "dog dog", "é", "dé", "ogd", "dogs", " ", "og d", "日", "xyz", "  d"]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.integers(0, len(PIECES) - 1), min_size=1, max_size=40), st.sampled_from(WORDS), st.booleans()
)
def test_search_finds_what_brute_force_finds(tokens: list[int], words: str, case: bool) -> None:
    vocabulary = Vocabulary.of([], PIECES, np.array(SPECIAL))
    found = find(np.array(tokens, np.uint16), vocabulary, words, case=case)
    pairs = list(zip(found.first.tolist(), found.last.tolist(), strict=True))
    assert pairs == by_brute_force(tokens, PIECES, SPECIAL, words, case=case)


@pytest.mark.parametrize(
    "words", ["cat", "The cat", " cat", "went to the barn", "day 1", "8 stones", "Owl", ".", "the", "e"]
)
def test_search_finds_every_occurrence_in_the_indexed_text(index: FeatureIndex, words: str) -> None:
    vocabulary = index.vocabulary
    expected = by_brute_force(
        index.tokens.tolist(), vocabulary.pieces, vocabulary.special.tolist(), words, case=False
    )
    result = index.search(words, places=5)
    assert result.occurrences == len(expected)
    assert len(result.places) == min(5, len(expected))
    ends = {last for _, last in expected}
    assert all(place.position in ends for place in result.places)
    for place in result.places:
        so_far = "".join(place.tokens[: place.peak + 1])
        assert so_far.lower().endswith(words.lower().strip())


@pytest.mark.parametrize("words", ["cat", "The cat", "8 stones", "went to the"])
def test_hits_share_mass_and_occurrences_as_counted_densely(
    index: FeatureIndex, truth: Truth, words: str
) -> None:
    vocabulary = index.vocabulary
    spans = by_brute_force(
        index.tokens.tolist(), vocabulary.pieces, vocabulary.special.tolist(), words, case=False
    )
    inside = np.zeros(index.n_tokens, bool)
    for first, last in spans:
        inside[first : last + 1] = True
    expected = {}
    for site, values in truth.values.items():
        activations = values.astype(np.float64).clip(min=0)
        total = activations.sum(axis=0)
        mass = activations[inside].sum(axis=0) / np.maximum(total, 1e-30)
        fired = np.mean([(values[first : last + 1] != 0).any(axis=0) for first, last in spans], axis=0)
        for feature in range(values.shape[1]):
            expected[f"L{site}/N{feature}"] = (mass[feature], fired[feature])
    result = index.search(words, limit=64)
    assert result.looked_at == len(spans)
    assert {hit.feature for hit in result.hits} == {name for name, (m, f) in expected.items() if m * f > 0}
    for hit in result.hits:
        assert (hit.mass_share, hit.occurrence_share) == pytest.approx(expected[hit.feature])
        assert hit.score == pytest.approx(
            2 * hit.mass_share * hit.occurrence_share / (hit.mass_share + hit.occurrence_share)
        )
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)


def test_few_occurrences_are_looked_up_and_scaled_where_they_are_many(
    index: FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = index.search("The cat", limit=64)
    monkeypatch.setattr("topklm.index.search.GROUPS_READ", 0)
    none = index.search("The cat")
    assert (none.occurrences, none.looked_at, none.hits) == (whole.occurrences, 0, ())
    assert "ranked by 0 of them" in none.message


def test_words_that_never_occur_get_an_empty_result_that_says_so(index: FeatureIndex) -> None:
    assert "by chance" not in index.search("CAT").message
    result = index.search("zebra")
    assert (result.occurrences, result.places, result.hits) == (0, (), ())
    assert re.fullmatch(r"'zebra' does not occur in the indexed text \(2,\d\d\d tokens\)", result.message)
    assert index.search("CAT", case=True).occurrences == 0
    assert index.search("CAT").occurrences > 0
    for words in ("", "  ", "x" * 1001):
        with pytest.raises(InputError, match="search for a word or a phrase"):
            index.search(words)
    with pytest.raises(InputError, match="limit=-1"):
        index.search("cat", limit=-1)
    with pytest.raises(InputError, match="keeps 20 similar"):
        index.similar("L0/N0", limit=21)


# --- SQL, threads, facts ----------------------------------------------------------------------------------


def test_sql_reads_every_table_and_writes_nothing(index: FeatureIndex, tmp_path: Path) -> None:
    for table in TABLES:
        assert index.sql(f"SELECT * FROM {table} LIMIT 1").num_rows == 1  # noqa: S608
    assert index.sql("SELECT count(*) AS n FROM tokens WHERE token = ?", [0])["n"].to_pylist() > [0]
    outside = tmp_path / "outside.csv"
    outside.write_text("a\n1\n")
    for query, message in [
        ("CREATE TABLE t (a INT)", "one SELECT statement"),
        ("DROP VIEW tokens", "one SELECT statement"),
        (f"COPY tokens TO '{tmp_path / 'x.csv'}'", "one SELECT statement"),
        ("SELECT 1; SELECT 2", "one SELECT statement"),
        ("ATTACH 'x.db'", "one SELECT statement"),
        ("SET threads = 1", "one SELECT statement"),
        ("", "one SELECT statement"),
        ("SELEC 1", "cannot be read"),
        ("SELECT nonsense FROM tokens", "nonsense"),
        (f"SELECT * FROM read_csv('{outside}')", "ermission"),  # noqa: S608
        (f"SELECT * FROM '{outside}'", "outside"),  # noqa: S608
    ]:
        with pytest.raises(InputError, match=message):
            index.sql(query)
    assert [path.name for path in tmp_path.iterdir()] == ["outside.csv"]
    assert index.sql("SELECT count(*) AS n FROM tokens")["n"].to_pylist() == [index.n_tokens]


def test_many_threads_get_the_answers_of_one(index: FeatureIndex) -> None:
    fresh = FeatureIndex.open(index.path)
    names = [row["feature"] for row in index.features(where="firings > 0", limit=6)]

    def ask(name: str) -> tuple[Any, ...]:
        rows = fresh.features(sort="-density", limit=3)
        hits = fresh.search("the cat").hits
        return repr(fresh.card(name)), rows, hits, fresh.sql("SELECT ? AS x", [name])["x"].to_pylist()

    expected = [ask(name) for name in names]
    fresh = FeatureIndex.open(index.path)  # nothing is read yet
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, names)) == expected


def test_a_name_that_a_label_says_too_stands_once(
    index: FeatureIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = FeatureIndex.open(shutil.copytree(index.path, tmp_path / "index"))
    copy.add_labels({"L0/N3": ["animals", "cats"]})
    monkeypatch.setattr(FeatureIndex, "notes", {"L0/N3": Note("cats")})
    assert copy.card("L0/N3").labels == ("cats", "animals")


def test_facts_and_labels_become_columns_and_lines_of_the_card(index: FeatureIndex, tmp_path: Path) -> None:
    copy = FeatureIndex.open(shutil.copytree(index.path, tmp_path / "index"))
    copy.add_facts({"token_entropy": {"L0/N3": 2.5, "L1/N4": 0.5}, "f1": {"L0/N3": 0.75}})
    copy.add_labels({"L0/N3": ["animals", "cats"]})
    for opened in (copy, FeatureIndex.open(copy.path)):
        assert opened.features(sort="token_entropy", limit=2)[0]["feature"] == "L1/N4"
        assert opened.count(where="token_entropy > 1 and f1 > 0.5") == 1
        card = opened.card("L0/N3")
        assert card.facts == {"f1": 0.75, "token_entropy": 2.5}
        assert card.labels == ("animals", "cats")
        assert opened.card("L1/N4").facts == {"token_entropy": 0.5}
        assert opened.card("L1/N5").facts == {}
        assert opened.card("L1/N5").labels == ()
        assert opened.count() == 64
    copy.add_facts({"token_entropy": {"L0/N5": 1.0}})  # the fact is replaced, the other stays
    assert copy.card("L0/N3").facts == {"f1": 0.75}
    assert copy.card("L0/N5").facts == {"token_entropy": 1.0}
    with pytest.raises(InputError, match="there is no L0/N99"):
        copy.add_facts({"f1": {"L0/N99": 1.0}})
    with pytest.raises(InputError, match="is a column of every index"):
        copy.add_facts({"density": {"L0/N3": 1.0}})
    with pytest.raises(InputError, match="is a column of every index"):
        copy.add_facts({"promoted": {"L0/N3": 1.0}})
    with pytest.raises(InputError, match="cannot name a fact"):
        copy.add_facts({"a b": {"L0/N3": 1.0}})
    with pytest.raises(InputError, match="give a list"):
        copy.add_labels({"L0/N3": "animals"})
    assert copy.card("L0/N5").facts == {"token_entropy": 1.0}


# --- damage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["facts", "labels", "concepts"])
def test_what_was_added_and_is_damaged_is_named(index: FeatureIndex, tmp_path: Path, name: str) -> None:
    path = shutil.copytree(index.path, tmp_path / "index") / f"{name}.parquet"
    path.write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(InputError, match=rf"{name}\.parquet cannot be read as Parquet; delete it"):
        FeatureIndex.open(path.parent)
    pq.write_table(pa.table({"site": [0], "other": [1.0]}), path)
    with pytest.raises(InputError, match=rf"{name}\.parquet is damaged: it has no column '(concept|index)'"):
        FeatureIndex.open(path.parent)
    path.unlink()
    assert FeatureIndex.open(path.parent).count() == index.count()


@pytest.mark.parametrize("table", TABLES)
def test_a_damaged_file_is_named(index: FeatureIndex, tmp_path: Path, table: str) -> None:
    path = shutil.copytree(index.path, tmp_path / "index") / f"{table}.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    with pytest.raises(InputError, match=rf"{table}\.parquet is damaged"):
        FeatureIndex.open(path.parent)
    path.write_bytes(bytes(len(content)))
    with pytest.raises(InputError, match=rf"{table}\.parquet cannot be read as Parquet"):
        FeatureIndex.open(path.parent)
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    with pytest.raises(InputError, match=rf"{table}\.parquet is damaged: its hash"):
        FeatureIndex.open(path.parent, verify=True)
    path.unlink()
    with pytest.raises(InputError, match=rf"{table}\.parquet is missing"):
        FeatureIndex.open(path.parent)


def test_a_file_of_other_columns_is_refused(index: FeatureIndex, tmp_path: Path) -> None:
    path = shutil.copytree(index.path, tmp_path / "index")
    for name in ("features", "tokens"):
        table = pq.read_table(path / f"{name}.parquet")
        pq.write_table(table.drop_columns([table.column_names[-1]]), path / f"{name}.parquet")
        about = json.loads((path / "index.json").read_text())
        about["tables"][name]["bytes"] = (path / f"{name}.parquet").stat().st_size
        (path / "index.json").write_text(json.dumps(about))
        with pytest.raises(InputError, match=rf"{name}\.parquet is damaged: it has no column"):
            FeatureIndex.open(path)
        shutil.copy(index.path / f"{name}.parquet", path)
        shutil.copy(index.path / "index.json", path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is not of the format"),
        ('{"format": "topklm.index/2"}', "is not of the format"),
        ('{"format": "topklm.index/1"}', "is damaged: source is missing"),
    ],
)
def test_a_bad_index_json_is_named(index: FeatureIndex, tmp_path: Path, content: str, message: str) -> None:
    path = shutil.copytree(index.path, tmp_path / "index")
    (path / "index.json").write_text(content)
    with pytest.raises(InputError, match=message):
        FeatureIndex.open(path)


@pytest.mark.parametrize(
    "change", [{"kind": "atom"}, {"sites": []}, {"sites": [3]}, {"sites": [{"site": "0"}]}]
)
def test_an_index_json_with_strange_fields_is_damaged(
    index: FeatureIndex, tmp_path: Path, change: dict[str, Any]
) -> None:
    path = shutil.copytree(index.path, tmp_path / "index")
    (path / "index.json").write_text(json.dumps({**index.about, **change}))
    with pytest.raises(InputError, match="is damaged"):
        FeatureIndex.open(path)
