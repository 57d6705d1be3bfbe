"""Odd corpora and sizes: markup, scripts that run from right to left, emoji, endless tokens, large models."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from samples import sentences, tiny_settings
from topklm.explorer import Workspace, create_app
from topklm.index import FeatureIndex, build_index
from topklm.training import train

from .browser import served, visiting
from .conftest import client_of

ENDLESS = "abcdefgh" * 25
"""A word of 200 characters, which becomes one token."""
ODD = (
    '<img src=x onerror="alert(1)"> <b>bold</b> &amp; <script>alert("x")</script>',
    "{{ 7 * 7 }} {% raw %} ${7*7} `code` \\u0000 </textarea><hr>",
    "שלום עולם, הכלב הלך אל היער.",
    "ذهب الكلب إلى الغابة \u202eعكس\u202c ثم عاد.",
    "Emoji: 🐕 👩‍👩‍👧 🇫🇮 e\u0301 \u200b\ufeff and a tab\there.",
    f"One {ENDLESS} ends.",
)


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over such texts, with an index of them and a name for each source of trouble."""
    directory = tmp_path_factory.mktemp("odd")
    text = directory / "odd <b>&amp; שלום.txt"
    documents = [line for line in ODD for _ in range(40)] + sentences(400)
    text.write_text("\n<|endoftext|>\n".join(documents), encoding="utf-8")
    path = directory / "run <i>&"
    train(tiny_settings(text, tokenizer="bpe:900"), path)
    index = build_index(path, data=str(text), tokens=6000)
    index.add_concepts(
        [
            {"concept": line, "site": 0, "index": number, "f1": 0.5, "average_precision": 0.5}
            for number, line in enumerate(ODD)
        ]
    )
    index.add_labels({f"L0/N{number}": [line] for number, line in enumerate(ODD)})
    for number, line in enumerate(ODD):
        Workspace(path).notes.write(f"L0/N{number}", name=line[:100], note=line)
    return path


@pytest.fixture(scope="session")
def odd_client(odd: Path) -> Iterator[TestClient]:
    with client_of(odd) as found:
        yield found


def pages(odd: Path) -> list[str]:
    neurons = [f"neuron/L0/N{number}" for number in range(len(ODD))]
    longest = FeatureIndex.open(odd / "index").search(ENDLESS).hits[0].feature
    return ["", "neurons", *neurons, f"neuron/{longest}", "compare"]


def asked() -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    for line in ODD:
        found += [("neurons", {"q": line}), ("neurons", {"concept": line}), ("compare", {"concept": line})]
        found += [("read", {"text": line}), ("neurons", {"where": line[:200]})]
    return found


def test_a_word_of_200_characters_is_one_token(odd: Path) -> None:
    index = FeatureIndex.open(odd / "index")
    assert max(len(text.strip()) for text in index.vocabulary.texts) == 200
    assert index.search(ENDLESS).hits


def test_no_text_of_a_corpus_becomes_markup(odd_client: TestClient, odd: Path) -> None:
    questions = [(f"/{where}", {}) for where in pages(odd)] + [(f"/{where}", what) for where, what in asked()]
    seen = ""
    for where, what in questions:
        answer = odd_client.get(where, params=what)
        assert answer.status_code in (200, 422), (where, what)
        for markup in ("<img", "<b>", "<i>", "<script>", "<hr>", ">49<"):
            assert markup not in answer.text, (where, what)
        seen += answer.text
    assert "&lt;img" in seen
    assert "{{ 7 * 7 }}" in seen
    assert "הכלב" in seen
    assert "👩‍👩‍👧" in seen


def test_text_of_either_direction_stands_apart_from_what_surrounds_it(
    odd_client: TestClient, odd: Path
) -> None:
    for where in pages(odd):
        text = odd_client.get("/" + where).text
        assert all('dir="auto"' in one for one in re.findall(r"<p[^>]*class=\"passage[^>]*>", text))
        assert not re.search(r'<span class="token"', text)  # tokens are isolated: bdi
        shown = re.sub(r"<textarea.*?</textarea>|<[^>]*>", "", text, flags=re.DOTALL)
        assert "\u202e" not in shown  # nothing turns what follows it around


@pytest.mark.slow
def test_odd_texts_break_no_page(browser: Browser, odd: Path, pictures: Path) -> None:
    with served(create_app(Workspace(odd))) as address, visiting(browser, address) as visitor:
        visitor.expected = {422}
        for number, where in enumerate(pages(odd)):
            visitor.go(where)
            visitor.settle()
            for look in visitor.looks():
                visitor.page.screenshot(path=pictures / f"odd-{number}-{look}.png", full_page=True)
                assert visitor.overflow() <= 0, (where, look)
        assert visitor.page.evaluate("typeof window.xss") == "undefined"
        visitor.go("read?text=" + ENDLESS * 5)
        assert visitor.overflow() <= 0


@pytest.mark.slow
def test_24_layers_of_4096_neurons_are_explored(
    browser: Browser, text_file: Path, tmp_path: Path, pictures: Path
) -> None:
    """A hardly trained run: 23 layers of neurons, 94,208 in all."""
    path = tmp_path / "large"
    shape = {"width": 4096, "depth": 24, "heads": 2, "head_dim": 8, "mlp": 16, "k": 8, "n_nontopk": 1}
    train(tiny_settings(text_file, **shape, tokens=512, trace_checkpoints=1, full_checkpoints=1), path)
    index = build_index(path, data=str(text_file), tokens=1000, effects=False)
    assert index.layout.features == 23 * 4096
    client = client_of(path)
    for where in ("", "neurons", "neurons?page=1885", "neurons?layer=22&sort=-maximum", "neurons?q=dog"):
        answer = client.get("/" + where)
        assert answer.status_code == 200, where
        assert len(answer.content) < 300_000, where
    with served(create_app(Workspace(path))) as address, visiting(browser, address) as visitor:
        for where in ("", "neurons", f"neuron/{index.features(sort='-density', limit=1)[0]['feature']}"):
            visitor.go(where)
            for look in visitor.looks():
                name = where.split("/")[0] or "overview"
                visitor.page.screenshot(path=pictures / f"large-{name}-{look}.png")
                assert visitor.overflow() <= 0, (where, look)
        visitor.go("read?text=The+cat+went+to+the+wood.")
        assert visitor.page.locator(".layers th").count() == 23
        for look in visitor.looks():
            visitor.page.screenshot(path=pictures / f"large-read-{look}.png", full_page=True)
            assert visitor.overflow() <= 0, look
            assert visitor.violations() == []


def test_an_index_that_is_deleted_while_serving_is_said_and_comes_back(writable: Path) -> None:
    client = client_of(writable)
    assert client.get("/neuron/L0/N3").status_code == 200
    (writable / "index").rename(writable / "aside")
    for where in ("/neuron/L0/N3", "/neurons", "/compare?q=dog", "/api/v1/features/L0/N3"):
        answer = client.get(where)
        assert answer.status_code in (200, 404), where
        assert "topklm index" in answer.text, where
    assert client.get("/").status_code == 200
    assert client.get("/read", params={"text": "The cat."}).status_code == 200  # it needs no index
    (writable / "aside").rename(writable / "index")
    assert client.get("/neuron/L0/N3").status_code == 200


def test_an_index_half_deleted_is_said_in_one_line(writable: Path) -> None:
    client = client_of(writable)
    assert client.get("/neurons").status_code == 200
    for name in ("examples.parquet", "firings.parquet", "features.parquet"):
        (writable / "index" / name).unlink()
    for where in ("/neurons", "/neuron/L0/N3", "/api/v1/features"):
        answer = client.get(where)
        assert answer.status_code == 422, (where, answer.text)
        assert "Traceback" not in answer.text
        assert str(writable.parent) not in answer.text
    assert client.get("/").status_code == 200
