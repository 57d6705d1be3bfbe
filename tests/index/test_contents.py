"""What an index says equals a plain count over dense activations in fp32."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from samples import Truth
from topklm.index import FeatureIndex
from topklm.index.format import COLUMNS, FIRINGS, SAMPLED, STRONGEST, TABLES, bucket_edge, bucket_of


def test_firings_are_the_non_zero_entries_in_token_order(index: FeatureIndex, truth: Truth) -> None:
    table = pq.read_table(index.path / "firings.parquet")
    assert table.schema.equals(FIRINGS)
    expected = [
        (position, site, feature, values[position, feature])
        for position in range(len(truth.tokens))
        for site, values in truth.values.items()
        for feature in np.flatnonzero(values[position]).tolist()
    ]
    found = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert found == expected


def test_the_sorted_copy_holds_the_same_firings_strongest_first(index: FeatureIndex) -> None:
    rows = index.sql("SELECT position, site, index, value FROM firings ORDER BY 2, 3, 4 DESC, 1").to_pylist()
    file = pq.read_table(index.path / "firings_by_feature.parquet").select(FIRINGS.names)
    assert file.to_pylist() == rows


def test_counts_are_exact_and_sums_to_1e_9(index: FeatureIndex, truth: Truth) -> None:
    rows = index.features()
    assert [row["feature"] for row in rows] == [f"L{site}/N{n}" for site in (0, 1) for n in range(32)]
    for row in rows:
        values = truth.values[row["site"]][:, row["index"]]
        fired = values[values != 0].astype(np.float64)
        assert row["firings"] == len(fired)
        assert row["density"] == len(fired) / len(truth.tokens)
        assert row["negative"] == int((fired < 0).sum())
        assert row["sum"] == pytest.approx(fired.sum(), rel=1e-9, abs=1e-9)
        assert row["mass"] == pytest.approx(fired.clip(min=0).sum(), rel=1e-9, abs=1e-9)
        if not len(fired):
            assert (row["status"], row["mean"], row["maximum"], row["q50"]) == ("dead", None, None, None)
            continue
        assert row["status"] == ("live" if len(fired) / len(truth.tokens) > 1e-4 else "rare")
        assert row["mean"] == pytest.approx(fired.mean(), rel=1e-9)
        assert (row["maximum"], row["minimum"]) == (fired.max(), fired.min())
        for name, share in (("q01", 0.01), ("q25", 0.25), ("q50", 0.5), ("q99", 0.99)):
            width = np.abs(fired).max() / 128
            assert row[name] == pytest.approx(np.quantile(fired, share), abs=width)


def test_token_mass_is_summed_over_each_types_occurrences(index: FeatureIndex, truth: Truth) -> None:
    rows = {
        (row["site"], row["index"], row["token"]): (row["firings"], row["mass"])
        for row in pq.read_table(index.path / "token_mass.parquet").to_pylist()
    }
    seen = 0
    for site, values in truth.values.items():
        for feature in range(values.shape[1]):
            for token in np.unique(truth.tokens[values[:, feature] != 0]).tolist():
                here = values[truth.tokens == token, feature].astype(np.float64)
                firings, mass = rows[site, feature, token]
                assert firings == np.count_nonzero(here)
                assert mass == pytest.approx(here.clip(min=0).sum(), rel=1e-9, abs=1e-9)
                seen += 1
    assert seen == len(rows)


def test_top_tokens_are_those_of_the_largest_mass(index: FeatureIndex, truth: Truth) -> None:
    texts = index.vocabulary.texts
    for row in index.sql("SELECT * FROM features WHERE firings > 0").to_pylist():
        values = truth.values[row["site"]][:, row["index"]].astype(np.float64).clip(min=0)
        mass = np.bincount(truth.tokens, weights=values, minlength=len(texts))
        best = np.lexsort((np.arange(len(mass)), -mass))[:20]
        best = best[mass[best] > 0]
        assert [one["token"] for one in row["top_tokens"]] == best.tolist()
        assert [one["text"] for one in row["top_tokens"]] == [texts[token] for token in best]
        assert [one["share"] for one in row["top_tokens"]] == pytest.approx(mass[best] / mass.sum())
        assert row["top_token"] == texts[best[0]]
        assert row["top_token_share"] == row["top_tokens"][0]["share"]


def test_bins_and_bars_count_every_firing_once(index: FeatureIndex, truth: Truth) -> None:
    for row in index.sql("SELECT * FROM features").to_pylist():
        values = truth.values[row["site"]][:, row["index"]]
        fired = values[values != 0].astype(np.float64)
        edges = np.array(row["histogram_edges"])
        if not len(fired):
            assert (row["bins"], row["histogram_edges"], row["histogram_counts"]) == ([], [], [])
            continue
        assert np.histogram(fired, edges)[0].tolist() == row["histogram_counts"]
        assert sum(row["histogram_counts"]) == len(fired)
        assert len(row["bins"]) <= 10
        assert sum(one["firings"] for one in row["bins"]) == len(fired)
        for one in row["bins"]:
            inside = (fired >= one["low"]) & (fired <= one["high"])
            assert inside.sum() >= one["firings"]  # an edge belongs to one of its two bins
        lows = [one["low"] for one in row["bins"]]
        assert lows == sorted(lows, reverse=True)
        if len(np.unique(fired)) > 50:
            assert max(one["firings"] for one in row["bins"]) < 0.3 * len(fired)


def test_examples_show_the_activations_of_what_the_model_could_see(index: FeatureIndex, truth: Truth) -> None:
    block = index.about["batch_shape"][1]
    ends = [*truth.starts[1:].tolist(), len(truth.tokens)]
    for row in index.sql("SELECT * FROM examples").to_pylist():
        values = truth.values[row["site"]][:, row["index"]]
        start, stop, position = row["start"], row["stop"], row["position"]
        assert row["value"] == values[position] != 0
        assert truth.starts[row["document"]] <= position < ends[row["document"]]
        first_seen = position // block * block
        assert start == max(position - 24, first_seen, truth.starts[row["document"]])
        assert stop == min(position + 13, first_seen + block, ends[row["document"]])
        fired = [start + place for place in np.flatnonzero(values[start:stop]).tolist()]
        assert row["positions"] == fired
        assert row["values"] == values[fired].tolist()


def test_the_strongest_bin_shows_the_strongest_and_the_others_a_sample(
    index: FeatureIndex, truth: Truth
) -> None:
    features = index.sql("SELECT site, index, firings, bins FROM features WHERE firings > 100").to_pylist()
    assert features
    rows = index.sql("SELECT site, index, bin, position, value FROM examples").to_pylist()
    for feature in features:
        values = truth.values[feature["site"]][:, feature["index"]]
        own = [row for row in rows if (row["site"], row["index"]) == (feature["site"], feature["index"])]
        order = np.lexsort((np.arange(len(values)), -np.where(values != 0, values, -np.inf)))
        count = min(STRONGEST, feature["bins"][0]["firings"])
        assert [row["position"] for row in own if row["bin"] == 0] == order[:count].tolist()
        for number, one in enumerate(feature["bins"]):
            shown = [row["value"] for row in own if row["bin"] == number]
            assert all(one["low"] <= value <= one["high"] for value in shown)
        assert len(own) <= SAMPLED
        assert len({row["position"] for row in own}) == len(own)


def test_similarity_is_the_cosine_of_dense_activations(index: FeatureIndex, truth: Truth) -> None:
    rows = index.sql("SELECT site, index, similar_features FROM features").to_pylist()
    similar = {(row["site"], row["index"]): row["similar_features"] for row in rows}
    shown = [one.similarity for one in index.similar("L0/N0", limit=3)]
    assert shown == [one["similarity"] for one in similar[0, 0][:3]]
    for site, values in truth.values.items():
        activations = values.astype(np.float64).clip(min=0)
        norms = np.linalg.norm(activations, axis=0)
        cosine = activations.T @ activations / np.maximum(np.outer(norms, norms), 1e-30)
        np.fill_diagonal(cosine, 0)
        for feature in range(values.shape[1]):
            found = similar[site, feature]
            expected = np.sort(cosine[feature])[::-1][: len(found)]
            assert [one["similarity"] for one in found] == pytest.approx(expected.tolist())
            assert len(found) == min(20, np.count_nonzero(cosine[feature]))
            for one in found:
                other = int(one["feature"].removeprefix(f"L{site}/N"))
                assert one["similarity"] == pytest.approx(cosine[feature, other])


def test_the_same_index_is_compared_at_the_other_sites(index: FeatureIndex, truth: Truth) -> None:
    rows = index.sql("SELECT site, index, other_sites FROM features").to_pylist()
    for row in rows:
        other = 1 - row["site"]
        first, second = (truth.values[site][:, row["index"]].astype(float).clip(min=0) for site in (0, 1))
        lengths = np.linalg.norm(first) * np.linalg.norm(second)
        expected = 0 if lengths == 0 else first @ second / lengths
        [one] = row["other_sites"]
        assert one["feature"] == f"L{other}/N{row['index']}"
        assert one["similarity"] == pytest.approx(expected)
    [shown] = index.card("L0/N0").other_layers
    assert (shown.feature, shown.similarity) == ("L1/N0", rows[0]["other_sites"][0]["similarity"])


def test_text_tables_hold_the_text(index: FeatureIndex, truth: Truth) -> None:
    rows = index.sql("SELECT document, start, tokens, kept FROM documents ORDER BY document").to_pylist()
    assert [row["start"] for row in rows] == truth.starts.tolist()
    assert sum(row["tokens"] for row in rows) == len(truth.tokens) == index.n_tokens
    assert all(row["kept"] for row in rows)
    words = index.sql("SELECT * FROM vocabulary ORDER BY token").to_pylist()
    assert [row["occurrences"] for row in words] == np.bincount(truth.tokens, minlength=len(words)).tolist()
    text = b"".join(words[token]["bytes"] for token in truth.tokens.tolist())
    assert text.startswith(b"<|endoftext|>Day 0. The cat went to the barn.")
    assert {row["text"] for row in words if row["special"]} == {"<|endoftext|>", "<|pad|>"}
    assert index.sql("SELECT count(*) AS n FROM tokens")["n"].to_pylist() == [len(truth.tokens)]


def test_index_json_says_what_the_tables_are(index: FeatureIndex) -> None:
    about = index.about
    assert about["format"] == "topklm.index/1"
    assert about["batch_shape"] == [8, 32]
    assert (about["source"], about["kind"], about["dtype"], about["depth"]) == (
        "topk",
        "neuron",
        "float32",
        3,
    )
    for name in TABLES:
        rows = index.sql(f"SELECT count(*) AS n FROM {name}")["n"].to_pylist()  # noqa: S608
        assert about["tables"][name]["rows"] == rows[0]
    for site in about["sites"]:
        assert site["live"] + site["rare"] + site["dead"] == site["width"]
    for name, columns in COLUMNS.items():
        assert tuple(pq.read_schema(index.path / f"{name}.parquet").names) == columns
    assert about["firings"] == about["sample"]["firings"] == about["tables"]["firings"]["rows"]


def test_buckets_are_ordered_narrow_and_cover_every_number() -> None:
    values = np.concatenate([np.float32(10.0) ** np.arange(-40, 39), [1.5, 3e38, 1e-45]]).astype(np.float32)
    values = np.sort(np.concatenate([values, -values]))
    buckets = bucket_of(values).astype(np.int64)
    assert (np.diff(buckets) >= 0).all()
    low, high = bucket_edge(buckets), bucket_edge(buckets + 1)
    assert ((low <= values) & (values <= high)).all()
    normal = np.abs(values) > 1e-37
    finite = normal & np.isfinite(high) & np.isfinite(low)
    assert ((high - low)[finite] <= np.abs(values[finite]) / 128 * (1 + 1e-6)).all()
    assert (np.diff(bucket_edge(np.arange(0x100, 0xFF80))) > 0).all()
