"""Pages: what stands on them, that nothing in them is markup that was not meant, and their odd states."""

import re
import shutil
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from fastapi.testclient import TestClient

from samples import tiny_settings
from topklm.comparison.claims import Verdict
from topklm.comparison.outcome import Comparison, write_comparison
from topklm.explorer import Workspace
from topklm.index import FeatureIndex, build_index
from topklm.training import Run, train

from .conftest import BASE, HARD, client_of

PAGES = (
    "/",
    "/neurons",
    "/neurons?q=dog",
    "/neurons?concept=animal",
    "/neuron/L0/N3",
    "/read",
    "/steer",
    "/steer?prompt=The+cat&edit=L0/N3=2x",
    "/compare",
    "/compare?q=dog",
    "/api",
)


@pytest.mark.parametrize("address", PAGES)
def test_every_link_of_a_page_is_relative_and_leads_somewhere(client: TestClient, address: str) -> None:
    page = client.get(address)
    assert page.status_code == 200
    links = set(re.findall(r'(?:href|src|action|hx-get)="([^"#]+)"', page.text))
    assert len(links) > 5
    for link in links:
        assert not urlsplit(link.replace("&amp;", "&")).netloc
        assert not link.startswith("/")
    for link in sorted(links)[:25]:
        if not re.search(
            r"/effect|/note|^(../)*(trace|read\?)", link
        ):  # they load the model, or only take forms
            found = client.get(urljoin(BASE + address, link.replace("&amp;", "&")))
            assert found.status_code == 200, link


@pytest.mark.parametrize("address", PAGES)
def test_no_page_has_script_or_style_of_its_own(client: TestClient, address: str) -> None:
    page = client.get(address).text
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", page)
    assert "'self'" in client.get(address).headers["content-security-policy"]
    assert "unsafe" not in client.get(address).headers["content-security-policy"]


def test_hostile_names_are_shown_as_text(client: TestClient, explored: Path) -> None:
    feature = FeatureIndex.open(explored / "index").features(limit=1)[0]["feature"]
    for address in (f"/neuron/{feature}", "/neurons", f"/neurons?q={HARD}", f"/neurons?where={HARD}"):
        page = client.get(address).text
        assert "<script>alert" not in page
        assert "{{ 7 * 7 }}" not in page or "49" not in re.findall(r"alert.{0,80}", page)[0]
    assert "&lt;script&gt;" in client.get(f"/neuron/{feature}").text


def test_no_answer_holds_a_path_of_the_machine(client: TestClient, explored: Path) -> None:
    odd = ("/neuron/L9/N1", "/neurons?where=bad", "/neurons?source=none", "/nothing")
    api = ("run", "run/layers", "run/trace", "run/metrics", "features", "features/L0/N3", "search?q=dog")
    for address in (*PAGES, *odd, *(f"/api/v1/{name}" for name in api)):
        text = client.get(address).text
        assert str(explored.parent) not in text, address
        assert str(explored.parents[2]) not in text, address


def test_the_table_is_sorted_chosen_and_paged_by_its_address(client: TestClient) -> None:
    page = client.get("/neurons?sort=density&layer=1&status=live")
    names = re.findall(r'class="feature"[^>]*>(L\d+/N\d+)<', page.text)
    assert names
    assert {name.split("/")[0] for name in names} == {"L1"}
    densities = [row["density"] for row in rows(client, "sort=density&layer=1&status=live")]
    assert densities == sorted(densities)
    assert rows(client, "page=2&limit=10") == rows(client, "limit=20")[10:]


def rows(client: TestClient, query: str) -> list[dict]:
    return client.get(f"/api/v1/features?{query}").json()["features"]


def test_a_neurons_page_says_what_its_card_says(client: TestClient, explored: Path) -> None:
    card = FeatureIndex.open(explored / "index").card("L0/N3")
    page = client.get("/neuron/L0/N3").text
    assert f"{card.firings:,} firing" in page
    assert page.count("<li><span class=") == sum(len(one.examples) for one in card.bins)
    for row in card.similar:
        assert row.feature in page


def test_a_bad_question_is_answered_above_the_form_that_asked_it(client: TestClient) -> None:
    page = client.get("/neurons?where=density+%3E&layer=1")
    assert page.status_code == 422
    assert 'role="alert"' in page.text
    assert 'id="results"' in page.text
    assert client.get("/neurons?layer=7").status_code == 422
    assert client.get("/neurons?page=0").status_code == 422


@pytest.mark.parametrize("typed", ["L0/N3", "l0/n3", "0/3", "L0 N3"])
def test_a_neuron_is_found_however_its_name_is_typed(client: TestClient, typed: str) -> None:
    assert client.get("/go", params={"feature": typed}).url.path == "/neuron/L0/N3"


def test_a_run_without_an_index_offers_the_command(writable: Path) -> None:
    shutil.rmtree(writable / "index")
    client = client_of(writable)
    assert "topklm index run" in client.get("/").text
    assert client.get("/").status_code == 200
    for address in ("/neurons", "/neuron/L0/N3"):
        page = client.get(address)
        assert page.status_code == 404
        assert "topklm index run" in page.text
    assert client.get("/api/v1/features").json()["command"] == "topklm index run"


def test_an_index_that_is_replaced_while_serving_is_read_anew(writable: Path, text_file: Path) -> None:
    client = client_of(writable)
    before = client.get("/api/v1/features").json()
    shutil.rmtree(writable / "index")
    assert client.get("/neurons").status_code == 404
    build_index(writable, data=str(text_file), tokens=1200)
    after = client.get("/api/v1/features").json()
    assert after["n_tokens"] < before["n_tokens"]
    assert client.get("/neuron/L0/N3").status_code == 200


def test_an_effect_is_measured_again_when_the_index_is_another(writable: Path, text_file: Path) -> None:
    workspace = Workspace(writable)
    first = workspace.effect("L0/N3")
    assert workspace.effect("L0/N3") is first
    shutil.rmtree(writable / "index")
    build_index(writable, data=str(text_file), tokens=1200)
    assert workspace.effect("L0/N3") is not first


def test_what_is_no_twin_keeps_nobody_from_reading(writable: Path, text_file: Path) -> None:
    shutil.rmtree(writable / "twin", ignore_errors=True)
    train(tiny_settings(text_file, dense=True, seed=2, width=16, tokens=512), writable / "twin")
    client = client_of(writable)
    assert client.get("/read?text=The+cat.").status_code == 200
    words, model = Workspace(writable).writing().fluency()
    assert "no twin of it" in words
    assert model.config.hidden_size == 32


def test_the_demo_names_no_command_that_would_be_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    client = client_of(Run("demo").path)
    for address in ("/", "/trace", "/compare", "/quiz/1", "/neurons?source=random"):
        text = client.get(address).text
        assert "this needs a run of your own" in text, address
        for verb in ("index", "trace", "metrics", "compare", "quiz"):
            assert f"topklm {verb} demo" not in text, address


def test_a_damaged_index_is_said_in_one_line(writable: Path) -> None:
    (writable / "index" / "examples.parquet").write_bytes(b"no parquet")
    page = client_of(writable).get("/neurons")
    assert page.status_code == 422
    assert "examples.parquet is damaged" in page.text
    assert str(writable.parent) not in page.text


def test_a_run_that_is_not_finished_has_an_overview(writable: Path) -> None:
    (writable / "model.safetensors").unlink()
    page = client_of(writable).get("/")
    assert page.status_code == 200
    assert "not finished yet" in page.text


def test_a_text_is_read_token_by_token(client: TestClient) -> None:
    text = "The cat went to the wood."
    told = client.post("/api/v1/read", json={"text": text, "top": 2}).json()
    assert "".join(one["token"] for one in told["tokens"]) == text
    page = client.get("/read", params={"text": text, "at": 1})
    assert page.status_code == 200
    for firings in told["tokens"][1]["firings"].values():
        assert firings[0]["feature"] in page.text
    marked = client.get("/read", params={"text": text, "feature": firings[0]["feature"]}).text
    assert re.search(r'class="[pn]\d swatch"', marked)
    assert "<script>alert" not in client.get("/read", params={"text": HARD}).text


@pytest.mark.parametrize("asked", [{"at": "999"}, {"feature": "L9/N1"}, {"step": "7"}, {"text": "x" * 2001}])
def test_a_text_that_cannot_be_read_says_why(client: TestClient, asked: dict[str, str]) -> None:
    page = client.get("/read", params={"text": "The cat.", **asked})
    assert page.status_code == 422
    assert 'role="alert"' in page.text


def test_sources_stand_side_by_side(client: TestClient, explored: Path) -> None:
    best = FeatureIndex.open(explored / "index").search("dog").hits[0].feature
    assert best in client.get("/compare?q=dog").text
    assert "There is no concept" not in client.get("/compare?concept=animal").text
    assert "there is no concept" in client.get("/compare?concept=nothing").text


def test_a_run_without_a_trace_offers_the_command(client: TestClient) -> None:
    page = client.get("/trace")
    assert page.status_code == 404
    assert "topklm trace run" in page.text


def test_the_empty_fields_of_a_form_ask_for_nothing(client: TestClient) -> None:
    """Without script, a form sends all of its fields."""
    assert client.get("/neurons?q=&concept=&layer=&status=&where=").status_code == 200
    assert client.get("/read?text=The+cat.&at=&feature=&step=").status_code == 200
    assert client.get("/read?text=The+cat.&at=-1").status_code == 422


def test_verdicts_stand_on_the_overview_or_how_to_get_them(writable: Path) -> None:
    assert "topklm compare run" in client_of(writable).get("/").text
    assert client_of(writable).get("/api/v1/run/comparison").json()["command"] == "topklm compare run"
    (writable / "comparison").mkdir()
    claim = Verdict("C5", "single-neuron steering works", "holds partly", f"In {writable}: {HARD}.")
    about = {"run": str(writable), "revision": "r", "seed": 3}
    write_comparison(
        writable / "comparison", Comparison([about], {}, [], {"saes": f"not in {writable}/sae"}, [claim])
    )
    page = client_of(writable).get("/").text
    assert "single-neuron steering works" in page
    assert "holds partly" in page
    assert "Left out: saes, not in run/sae" in page
    assert "<script>alert" not in page
    told = client_of(writable).get("/api/v1/run/comparison").json()
    assert told["claims"][0]["verdict"] == "holds partly"
    assert str(writable.parent) not in str(told)


def test_a_quiz_is_made_served_shut_in_and_its_key_is_not(writable: Path, text_file: Path) -> None:
    client = client_of(writable)
    asked = {"first": "topk", "second": "random"}
    assert client.post("/quiz", data=asked).status_code == 404  # one source alone
    build_index(writable, source="random", data=str(text_file), tokens=2500)
    page = client.post("/quiz", data=asked)
    assert page.status_code == 200
    number = page.url.path.removeprefix("/quiz/")
    assert page.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert number[:6] in client.get("/compare").text
    for name in (f"key-{number}", f"../key-{number}", "0" * 16, f"{number}.html"):
        assert client.get(f"/quiz/{name}").status_code == 404


def test_the_api_reads_as_the_page_does(client: TestClient) -> None:
    asked = {"text": "The cat went.", "predictions": 2, "feature": "L0/N3"}
    tokens = client.post("/api/v1/read", json=asked).json()["tokens"]
    assert all(len(one["next"]) == 2 for one in tokens)
    assert all(one["next"][0]["probability"] >= one["next"][1]["probability"] for one in tokens)
    assert all(isinstance(one["activation"], float) for one in tokens)
    assert client.post("/api/v1/read", json={**asked, "feature": "L9/N3"}).status_code == 422


def test_a_page_beyond_the_last_is_the_last(client: TestClient) -> None:
    last = client.get("/api/v1/features?page=999&limit=10").json()
    assert last["page"] == last["pages"]
    assert (
        last["features"] == client.get(f"/api/v1/features?page={last['pages']}&limit=10").json()["features"]
    )
    assert last["features"]
    assert "meets all of that" not in client.get("/neurons?page=999").text


def test_messages_lose_paths_but_no_letters(writable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = writable.parent / "x" / "a"
    link.parent.mkdir()
    link.symlink_to(writable)
    monkeypatch.chdir(writable.parent)
    workspace = Workspace("x/a")
    assert workspace.public("x/a has a layer at x/a/index, no x/ab") == (
        "run has a layer at run/index, no x/ab"
    )
    assert workspace.public(f"{writable}/index: damaged") == "run/index: damaged"
    monkeypatch.chdir(link.parent)
    assert Workspace("a").public("a layer of a run") == "a layer of a run"


def test_a_dense_run_names_no_command_that_would_be_refused(full: Path) -> None:
    client = client_of(full / "twin")
    for path in ("/", "/neurons", "/trace", "/compare"):
        text = client.get(path).text
        for verb in ("index", "trace", "metrics", "compare"):
            assert f"topklm {verb} twin" not in text, path
    assert "A dense model has no neurons to read" in client.get("/neurons").text
