"""Building: parts that merge exactly, interruptions, shards, samples, and what is refused."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs import torchrun
from samples import tiny_settings
from topklm.core.errors import CorpusError, DiskFullError, InputError, Interrupted, RunError
from topklm.core.files import locked
from topklm.features import LayerNeurons
from topklm.index import FeatureIndex, build_index, build_shard, source_of
from topklm.index.format import ABOUT, TABLES, WORK
from topklm.training import Run, load, train

TOKENS = 1500
ARGUMENTS = {"tokens": TOKENS, "effects": False}
CODE = """
import sys
from topklm.index import build, parts
build.BATCH_TOKENS, parts.PART_FIRINGS = 256, 1
run, data, out, shard = sys.argv[1:]
options = {"data": data, "out": out, "tokens": 1500, "effects": False}
if shard == "all":
    build.build_index(run, **options)
else:
    build.build_shard(run, tuple(int(one) for one in shard.split("/")), **options)
"""

pytestmark = pytest.mark.usefixtures("small_parts")


def contents(index: FeatureIndex) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    return {name: pq.read_table(index.path / f"{name}.parquet").to_pylist() for name in TABLES}


def differing(one: FeatureIndex, other: FeatureIndex, *, tables: tuple[str, ...] = TABLES) -> list[str]:
    """Name the tables that differ; sums may, by 1e-9."""

    def close(a: Any, b: Any) -> bool:
        if isinstance(a, float) and isinstance(b, float):
            return a == b or abs(a - b) <= 1e-9 * max(abs(a), abs(b))
        if isinstance(a, dict) and isinstance(b, dict):
            return a.keys() == b.keys() and all(close(a[name], b[name]) for name in a)
        if isinstance(a, list) and isinstance(b, list):
            return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b, strict=True))
        return bool(a == b)

    first, second = contents(one), contents(other)
    return [name for name in tables if not close(first[name], second[name])]


@pytest.fixture
def build(trained: Run, text_file: Path, tmp_path: Path) -> Callable[..., FeatureIndex]:
    """Build an index of the trained run under a name."""

    def make(name: str = "index", **options: Any) -> FeatureIndex:
        given = {"data": str(text_file), "out": tmp_path / name, **ARGUMENTS, **options}
        return build_index(trained, **given)

    return make


@pytest.fixture(scope="module")
def whole(trained: Run, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureIndex:
    """The index of a single, untouched process in six parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("topklm.index.build.BATCH_TOKENS", 256)
        patch.setattr("topklm.index.parts.PART_FIRINGS", 1)
        out = tmp_path_factory.mktemp("whole") / "index"
        return build_index(trained, data=str(text_file), out=out, **ARGUMENTS)


def test_parts_merge_into_what_one_part_gives(
    whole: FeatureIndex, build: Callable[..., FeatureIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert whole.about["part_tokens"] == 256
    monkeypatch.setattr("topklm.index.parts.PART_FIRINGS", 10**9)
    single = build()
    assert single.about["part_tokens"] > single.n_tokens
    assert differing(whole, single) == []


def test_the_sort_is_the_same_in_many_small_stretches(
    whole: FeatureIndex, build: Callable[..., FeatureIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topklm.index.sorting.AT_ONCE", 50)
    monkeypatch.setattr("topklm.index.sorting.SAMPLES", 3)
    monkeypatch.setattr("topklm.index.sorting.ROWS", 100)
    small = build()
    assert differing(whole, small) == []
    with pq.ParquetFile(small.path / "firings_by_feature.parquet") as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert set(sizes[:-1]) == {100}


def test_wide_sites_are_cut_into_slabs(
    whole: FeatureIndex, build: Callable[..., FeatureIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topklm.index.firings.LARGEST_SLAB", 10)
    assert differing(whole, build()) == []


def test_a_stop_after_any_batch_goes_on_to_the_same_index(
    whole: FeatureIndex, build: Callable[..., FeatureIndex], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "index"
    original = LayerNeurons.codes
    left = 0

    def interrupted(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    for batches in (1, 2, 3):  # the very first batch only measures
        left = batches
        with monkeypatch.context() as patch, pytest.raises(Interrupted, match="goes on from there"):
            patch.setattr(LayerNeurons, "codes", interrupted)
            build()
        assert not (out / ABOUT).exists()
        with pytest.raises(InputError, match="its building was begun"):
            FeatureIndex.open(out)
    assert len(list((out / WORK / "parts").glob("part-*"))) == 5
    assert differing(whole, build()) == []
    assert not (out / WORK).exists()


@pytest.mark.parametrize("name", ["write_firings", "write_token_mass", "write_text", "examples"])
def test_a_stop_while_joining_leaves_no_index_and_is_joined_again(
    whole: FeatureIndex,
    build: Callable[..., FeatureIndex],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    tmp_path: Path,
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"topklm.index.merge.{name}", interrupted)
        with pytest.raises(Interrupted):
            build()
    assert not (tmp_path / "index" / ABOUT).exists()
    read: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr("topklm.index.build.make_part", lambda *a, **o: read.append(1))
        again = build()
    assert read == []  # all parts were whole
    assert differing(whole, again) == []


def test_a_damaged_part_is_made_again(
    whole: FeatureIndex, build: Callable[..., FeatureIndex], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("topklm.index.build.finish", lambda *a, **o: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(Interrupted):
            build()
    path = tmp_path / "index" / WORK / "parts" / "part-000002" / "strip-000000000.npy"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (tmp_path / "index" / WORK / "parts" / "part-000003" / "mass.parquet").unlink()
    assert differing(whole, build()) == []


def processes(trained: Run, text_file: Path, out: Path, shards: list[str]) -> list[subprocess.Popen[bytes]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, "-c", CODE, str(trained.path), str(text_file), str(out), shard], env=environment
        )
        for shard in shards
    ]


@pytest.mark.slow
def test_a_process_killed_at_random_instants_leaves_no_half_index(
    whole: FeatureIndex, trained: Run, text_file: Path, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    for attempt in range(3):
        out = tmp_path / f"index-{attempt}"
        for _ in range(4):
            [process] = processes(trained, text_file, out, ["all"])
            while process.poll() is None and not (out / WORK / "plan.json").exists():
                time.sleep(0.01)
            time.sleep(generator.uniform(0, 1.5))
            process.kill()
            process.wait()
            if (out / ABOUT).exists():
                assert differing(whole, FeatureIndex.open(out, verify=True)) == []
        [process] = processes(trained, text_file, out, ["all"])
        assert process.wait() == 0
        assert differing(whole, FeatureIndex.open(out, verify=True)) == []


@pytest.mark.slow
def test_several_processes_on_shards_are_as_one(
    whole: FeatureIndex, trained: Run, text_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "index"
    running = processes(trained, text_file, out, ["1/3", "2/3", "3/3", "1/2"])
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    assert not (out / ABOUT).exists()
    [joining] = processes(trained, text_file, out, ["all"])
    assert joining.wait() == 0
    assert differing(whole, FeatureIndex.open(out, verify=True)) == []
    assert {**FeatureIndex.open(out).about} == {**whole.about}


@pytest.mark.slow
def test_two_processes_under_torchrun_are_as_one(
    whole: FeatureIndex, trained: Run, text_file: Path, tmp_path: Path
) -> None:
    script, out = tmp_path / "script.py", tmp_path / "index"
    script.write_text(CODE)
    done = torchrun(str(script), str(trained.path), str(text_file), str(out), "all")
    assert done.returncode == 0, done.stderr
    built = FeatureIndex.open(out, verify=True)
    assert differing(whole, built) == []
    assert {**built.about} == {**whole.about}


def test_parts_of_machines_without_a_shared_disk_join_to_the_same_index(
    whole: FeatureIndex,
    build: Callable[..., FeatureIndex],
    trained: Run,
    text_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in (1, 2):
        text = tmp_path / f"text-{number}.txt"  # each machine has the text somewhere else
        shutil.copy(text_file, text)
        build_shard(trained, (number, 2), data=str(text), out=tmp_path / f"machine-{number}", **ARGUMENTS)
    machines = [tmp_path / "machine-1", tmp_path / "machine-2"]
    with pytest.raises(InputError, match="holds no unfinished index"):
        build(join=[tmp_path / "machine-3"])
    with pytest.raises(InputError, match=r"machine-1 holds parts of another index: request sample is 1\.0"):
        build("sampled", sample=0.5, join=machines)
    monkeypatch.delattr("topklm.index.build.make_part")  # none is to be made
    assert differing(whole, build(join=machines)) == []


def test_shards_in_turn_are_as_one(
    whole: FeatureIndex, build: Callable[..., FeatureIndex], trained: Run, text_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "index"
    for number in (2, 1):
        build_shard(trained, (number, 2), data=str(text_file), out=out, **ARGUMENTS)
        done = sorted(path.name for path in (out / WORK / "parts").glob("part-*"))
        assert len(done) == (3 if number == 2 else 6)
    assert differing(whole, build()) == []
    for bad in ((0, 2), (3, 2)):
        with pytest.raises(InputError, match="choose 1/N"):
            build_shard(trained, bad, data=str(text_file), out=out)


def test_a_sample_keeps_whole_documents_and_changes_no_summary(
    whole: FeatureIndex, build: Callable[..., FeatureIndex]
) -> None:
    half = build("half", sample=0.5)
    kept = half.sql("SELECT document FROM documents WHERE kept")["document"].to_pylist()
    assert 0 < len(kept) < half.about["n_documents"]
    assert half.about["sample"]["documents"] == len(kept)
    expected = whole.sql(
        "SELECT position, site, index, value FROM firings JOIN tokens USING (position) "
        "WHERE document IN (SELECT unnest(?)) ORDER BY ALL",
        [kept],
    ).to_pylist()
    assert half.sql("SELECT * FROM firings ORDER BY ALL").to_pylist() == expected
    by_feature = "SELECT position, site, index, value FROM firings_by_feature ORDER BY ALL"
    assert half.sql(by_feature).to_pylist() == expected
    assert half.about["sample"]["firings"] == len(expected)
    assert half.about["firings"] == whole.about["firings"]
    assert differing(whole, half, tables=("examples", "token_mass", "vocabulary", "tokens")) == []
    exact = "SELECT * EXCLUDE (similar_features, other_sites) FROM features"
    assert half.sql(exact).to_pylist() == whole.sql(exact).to_pylist()
    smaller = build("smaller", sample=0.2).sql("SELECT document FROM documents WHERE kept")
    assert set(smaller["document"].to_pylist()) < set(kept)


def test_a_sample_may_keep_nothing(build: Callable[..., FeatureIndex]) -> None:
    none = build("none", sample=1e-12)
    assert none.about["sample"]["firings"] == 0
    live = none.features(where="status = 'live'", limit=1)[0]["feature"]
    card = none.card(live)
    assert card.firings > 0
    assert card.bins[0].examples
    assert card.similar == ()
    assert none.search("cat went").occurrences > 0


def test_the_same_call_again_finds_the_index_done(build: Callable[..., FeatureIndex]) -> None:
    first = build()
    before = {path.name: path.stat().st_mtime_ns for path in first.path.iterdir() if path.name != ".lock"}
    said: list[str] = []
    build(say=said.append)
    assert any("already" in line for line in said)
    after = {path.name: path.stat().st_mtime_ns for path in first.path.iterdir() if path.name != ".lock"}
    assert after == before


def test_an_index_of_another_model_or_text_is_refused_with_both_named(
    build: Callable[..., FeatureIndex], trained: Run, text_file: Path, tmp_path: Path
) -> None:
    made = build()
    other = source_of(trained, "random")
    with pytest.raises(InputError, match="another model") as caught:
        build_index(other, data=str(text_file), out=made.path, **ARGUMENTS)
    assert made.revision[:12] in str(caught.value)
    assert other.revision[:12] in str(caught.value)
    with pytest.raises(InputError, match="another model") as caught:
        FeatureIndex.open(made.path, revision=other.revision)
    assert made.revision[:12] in str(caught.value)
    assert other.revision[:12] in str(caught.value)
    assert FeatureIndex.open(made.path, revision=trained.revision).n_tokens == made.n_tokens
    with pytest.raises(InputError, match="tokens=1500, not 900"):
        build(tokens=900)
    shutil.rmtree(made.path)
    build_shard(trained, (1, 2), data=str(text_file), out=made.path, **ARGUMENTS)
    with pytest.raises(InputError, match="an unfinished index of another model"):
        build_index(other, data=str(text_file), out=made.path, **ARGUMENTS)
    with pytest.raises(InputError, match=r"an unfinished index made with sample=1\.0, not 0\.5"):
        build(sample=0.5)


def test_a_text_that_changed_since_is_refused(
    build: Callable[..., FeatureIndex], trained: Run, tmp_path: Path
) -> None:
    path = tmp_path / "changing.txt"
    path.write_text("The cat went to the barn. " * 60)
    build_shard(trained, (2, 2), data=str(path), out=tmp_path / "index", **ARGUMENTS)
    path.write_text("The dog went to the wood. " * 60)
    shutil.rmtree(tmp_path / "index" / WORK / "text")
    with pytest.raises(InputError, match="an unfinished index of another text"):
        build(data=str(path))


def test_a_finished_index_knows_its_text_by_what_it_holds(
    build: Callable[..., FeatureIndex], tmp_path: Path
) -> None:
    path = tmp_path / "changing.txt"
    path.write_text("The cat went to the barn. " * 60)
    made = build(data=str(path))
    os.utime(path, (1, 1))
    build(data=str(path))
    path.write_text("The dog went to the wood. " * 60)
    with pytest.raises(InputError, match=r"an index of what .*changing\.txt held before"):
        build(data=str(path))
    path.unlink()
    assert build(data=str(path)).n_tokens == made.n_tokens  # a text that is gone says nothing


def test_a_runs_longer_held_out_text_is_known_by_what_it_holds(text_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "held_out.txt"
    path.write_text(text_file.read_text())
    settings = tiny_settings(text_file, validation=[str(path)], tokens=256)
    run = train(settings, tmp_path / "run")
    shutil.rmtree(run.path / "data")
    build_index(run, tokens=500)
    build_index(run, tokens=500)
    path.write_text("The dog went to the wood. " * 400)
    with pytest.raises(InputError, match=r"an index of what .*held_out\.txt.* held before"):
        build_index(run, tokens=500)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample": 0.0}, "sample=0.0"),
        ({"sample": 1.5}, "sample=1.5"),
        ({"tokens": 0}, "tokens=0"),
        ({"data": "nowhere.txt"}, "there is no file or corpus"),
        ({"source": "nonsense"}, "there is no source 'nonsense'"),
        ({"source": "dense"}, "needs the dense twin"),
    ],
)
def test_bad_options_are_one_clear_line_and_leave_nothing(
    build: Callable[..., FeatureIndex], tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build(**options)
    assert not (tmp_path / "index").exists() or list((tmp_path / "index").iterdir()) == []


def test_an_empty_text_is_refused(build: Callable[..., FeatureIndex], tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.write_text("\n \n")
    with pytest.raises(CorpusError, match="is empty"):
        build(data=str(path))


def test_a_directory_that_is_no_index_is_refused_and_left_alone(
    build: Callable[..., FeatureIndex], tmp_path: Path
) -> None:
    directory = tmp_path / "index"
    directory.mkdir()
    (directory / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not empty and holds no index"):
        build()
    assert [path.name for path in directory.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="is a file"):
        build("index/thesis.tex")
    with pytest.raises(InputError, match=r"it has no index\.json"):
        FeatureIndex.open(directory)
    with pytest.raises(InputError, match="there is no index"):
        FeatureIndex.open(tmp_path / "nowhere")


def test_a_directory_that_another_process_writes_to_is_said(
    build: Callable[..., FeatureIndex], tmp_path: Path
) -> None:
    directory = tmp_path / "index"
    directory.mkdir()
    with locked(directory), pytest.raises(RunError, match="another process is writing"):
        build()


def test_a_full_disk_is_said_in_one_line(
    build: Callable[..., FeatureIndex], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("topklm.index.parts.seal", full)
        with pytest.raises(DiskFullError, match="no space left"):
            build()
    assert not (tmp_path / "index" / ABOUT).exists()
    assert build().n_tokens >= TOKENS


def test_numbers_that_are_not_finite_are_refused(trained: Run, text_file: Path, tmp_path: Path) -> None:
    loaded = load(trained.path)
    loaded.model.model.layers[1].mlp.down_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(InputError, match="not finite at layer 1"):
        build_index(loaded, data=str(text_file), out=tmp_path / "index", **ARGUMENTS)


def test_by_default_the_runs_own_validation_text_is_indexed_into_the_run(
    trained: Run, tmp_path: Path
) -> None:
    run = Run(shutil.copytree(trained.path, tmp_path / "run"))
    said: list[str] = []
    index = build_index(run, effects=False, say=said.append)
    assert index.path == run.path / "index"
    assert index.n_tokens == run.about["corpus"]["validation"]["tokens"]
    assert index.revision == run.revision
    assert index.card("L0/N0").corpus.endswith("animals.txt, validation part")
    shutil.rmtree(index.path)
    few = build_index(run.path, effects=False, tokens=40)
    assert 40 <= few.n_tokens < 100
    shutil.rmtree(index.path)
    assert build_index(run, effects=False, tokens=10**6, say=said.append).n_tokens == index.n_tokens
    assert any("has only" in line for line in said)
    shutil.rmtree(index.path)
    shutil.rmtree(run.path / "data")  # copied without its text, it is packed from the corpus again
    assert build_index(run, effects=False).n_tokens == index.n_tokens


def test_a_run_whose_text_is_gone_is_indexed_as_far_as_it_has_it(text_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "held_out.txt"
    path.write_text(text_file.read_text())
    run = train(tiny_settings(text_file, validation=[str(path)], tokens=256), tmp_path / "run")
    path.unlink()
    whole = build_index(run, tokens=10**6)
    assert whole.n_tokens == run.about["corpus"]["validation"]["tokens"]


def test_a_source_without_a_run_needs_text_and_directory(trained: Run, tmp_path: Path) -> None:
    source = source_of(trained)
    with pytest.raises(InputError, match="name a directory"):
        build_index(source, data="stories")
    with pytest.raises(InputError, match="name a text"):
        build_index(source, out=tmp_path / "index")


@pytest.mark.slow
def test_every_control_can_be_indexed(trained: Run, text_file: Path, tmp_path: Path) -> None:
    run = Run(shutil.copytree(trained.path, tmp_path / "run"))
    train(tiny_settings(text_file, dense=True), run.path / "twin")
    topk = build_index(run, effects=False)
    revisions = {topk.revision}
    for name in ("random", "shuffled", "dense", "posthoc"):
        index = build_index(run, source=name, effects=False)
        assert (index.source, index.path) == (name, run.path / f"index-{name}")
        assert index.about["corpus"] == topk.about["corpus"]
        revisions.add(index.revision)
        share = index.about["firings"] / index.n_tokens / 64
        assert share == pytest.approx(8 / 32, rel=0.35 if name == "dense" else 1e-9)
    assert len(revisions) == 5
    assert (
        build_index(run.path / "twin", source="dense", out=tmp_path / "own", effects=False).source == "dense"
    )
    with pytest.raises(InputError, match="is a dense run"):
        build_index(run.path / "twin")
    with pytest.raises(RunError, match="is no dense twin"):
        source_of(run, "dense", twin=trained.path)
    shutil.rmtree(run.path / "twin" / "data")
    assert source_of(run, "posthoc").name == "posthoc"
    with pytest.raises(RunError, match="sets its thresholds on the twin's training text"):
        source_of(run, "dense")


def test_the_format_says_what_json_holds(whole: FeatureIndex) -> None:
    content = json.loads((whole.path / ABOUT).read_text())
    assert content == whole.about
    assert content["request"]["tokens"] == TOKENS


def test_shards_wait_for_each_other_only_to_pack(trained: Run, text_file: Path, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            build_shard(trained, (number, 2), data=str(text_file), out=tmp_path / "index", **ARGUMENTS)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(list((tmp_path / "index" / WORK / "parts").glob("part-*"))) == 6
