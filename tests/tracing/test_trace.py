"""A trace says what its checkpoints are, ends the same however it got there, and names what is missing."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samples import tiny_settings
from topklm.core.errors import InputError, Interrupted, RunError
from topklm.data import Packed
from topklm.features import FeatureSource, LayerNeurons, PosthocNeurons, capture
from topklm.index import source_of
from topklm.metrics.emergence import emergence
from topklm.metrics.similarity import similarity
from topklm.metrics.tokens import token_entropy, token_mass, top_tokens
from topklm.model import SparseCodes
from topklm.tracing import Trace, build, plan, trace, units
from topklm.tracing.checkpoints import OwnCheckpoints, TwinCheckpoints
from topklm.tracing.measure import match
from topklm.tracing.order import concept_order
from topklm.tracing.probe import Probe, find_probe, in_order, read_codes
from topklm.tracing.runs import compare_runs
from topklm.tracing.series import read_series
from topklm.training import Run, load, train
from topklm.training.run import load_run_tokenizer
from tracing_files import contents

TOKENS = 3000
STEPS = [0, 1, 2, 4, 8, 10, 20, 30, 40]


@pytest.fixture(scope="module")
def probe(twinned: Path, text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Probe:
    run = Run(twinned)
    directory = tmp_path_factory.mktemp("probe")
    return find_probe(
        run, load_run_tokenizer(run), directory, data=[str(text_file)], tokens=TOKENS, lexicon=None
    )


def codes_at(run: Path, probe: Probe, step: int) -> dict[int, SparseCodes]:
    return read_codes(OwnCheckpoints(Run(run)).open(step), probe)[0]


def test_a_trace_holds_what_the_contract_says(traced: Trace, twinned: Path) -> None:
    about = traced.about
    assert (about["format"], about["checkpoints"]) == ("topklm.trace/1", STEPS)
    assert about["sources"] == {"topk": STEPS, "dense": STEPS, "posthoc": STEPS}
    assert about["revision"] == Run(twinned).revision
    assert (about["skipped"], about["left_out"]) == ([], {})
    for name, controls in {
        "identity_match": {"dense", "posthoc", "initialisation", "permuted"},
        "emergence": {"dense", "posthoc", "permuted"},
    }.items():
        assert about[name]["controls"].keys() == controls
        for one in (about[name], *about[name]["controls"].values()):
            ends = (one["low"], one["value"], one["high"])
            assert all(end is None for end in ends) or None in ends or list(ends) == sorted(ends)


def test_the_numbers_of_a_unit_are_those_of_the_plain_definitions(
    traced: Trace, twinned: Path, probe: Probe
) -> None:
    step, after, last = 10, 20, 40
    table = units.read(traced.path / "units", "topk", step).to_pandas()
    codes = {one: codes_at(twinned, probe, one) for one in (step, after, last)}
    for site in (0, 1):
        rows = table[table.site == site]
        dense = codes[step][site].to_dense()
        np.testing.assert_array_equal(rows.firings, (dense != 0).sum(0))
        for to, other in (("next", codes[after][site]), ("final", codes[last][site])):
            found = similarity(codes[step][site], other)
            np.testing.assert_array_equal(rows[f"{to}_best"], found.best)
            np.testing.assert_array_equal(rows[f"{to}_cosine"], found.same_cosine)
            np.testing.assert_array_equal(rows[f"{to}_best_cosine"], found.best_cosine)
        mass = token_mass(codes[step][site], probe.ids, vocabulary=len(probe.texts))
        few = (dense > 0).sum(0) <= 256
        expected = torch.where(few, token_entropy(mass), torch.nan).numpy()
        np.testing.assert_allclose(rows.token_entropy.where(few.numpy()), expected, atol=1e-6)
        for index in (0, 7, 31):
            shares = [(one["token"], one["share"]) for one in rows.top_tokens.iloc[index]]
            assert [one[1] for one in shares] == pytest.approx(
                [share for _, share in top_tokens(mass, index, 5)]
            )


def test_identity_and_emergence_are_those_of_the_units(traced: Trace) -> None:
    series = read_series(traced.path / "units", "topk", STEPS)
    hits = total = 0
    for place, step in enumerate(STEPS[:-1]):
        if step >= 20:
            live = series.live[place]
            hits += int((series["next_best"][place] == series.index)[live].sum())
            total += int(live.sum())
    assert traced.about["identity_match"]["value"] == pytest.approx(hits / total)
    live = series.live[-1]
    when = emergence(torch.from_numpy(series["final_cosine"]))[live].sort().values
    assert traced.about["emergence"]["value"] == [*STEPS, None][int(when[(len(when) - 1) // 2])]
    assert traced.about["emergence"]["share"][-1] == 1.0
    assert traced.about["emergence"]["controls"]["permuted"]["share"][-1] < 0.5


def test_a_checkpoint_matches_itself_fully_and_similarities_lie_in_0_and_1(
    traced: Trace, twinned: Path, probe: Probe
) -> None:
    codes = codes_at(twinned, probe, 8)[1]
    found = match(codes, codes).columns
    fires = (codes.to_dense() > 0).any(0).numpy()
    np.testing.assert_allclose(found["cosine"][fires], 1, atol=1e-6)
    np.testing.assert_array_equal(found["best"][fires], np.flatnonzero(fires))
    series = read_series(traced.path / "units", "dense", STEPS)
    for name in ("final_cosine", "final_best_cosine", "next_cosine", "next_best_cosine"):
        values = series[name][:-1]
        assert (values >= 0).all(), name
        assert (values <= 1 + 1e-6).all(), name
        assert (series["final_best_cosine"] >= series["final_cosine"] - 1e-6).all()


def test_similarity_of_two_checkpoints_is_symmetric(twinned: Path, probe: Probe) -> None:
    early, late = (codes_at(twinned, probe, step)[0] for step in (2, 30))
    np.testing.assert_allclose(match(early, late).columns["cosine"], match(late, early).columns["cosine"])
    np.testing.assert_allclose(match(early, late).columns["jaccard"], match(late, early).columns["jaccard"])


def test_a_dense_run_of_another_depth_is_no_twin(text_file: Path, tmp_path: Path, trained: Run) -> None:
    settings = tiny_settings(text_file, dense=True, depth=1, tokens=512)
    flat = train(settings, tmp_path / "flat")
    with pytest.raises(RunError, match=r"flat is no twin of .*: its depth differ"):
        trace(trained.path, twin=flat.path, data=str(text_file), tokens=500, out=tmp_path / "trace")


def test_permuted_neurons_are_found_exactly_by_assignment(twinned: Path, probe: Probe) -> None:
    codes = codes_at(twinned, probe, 40)[1]
    order = np.random.default_rng(3).permutation(codes.width)
    moved = SparseCodes.from_dense(codes.to_dense()[:, order])
    found = match(codes, moved)
    live = (codes.to_dense() > 0).any(0).numpy()
    np.testing.assert_allclose(found.assigned_cosine[live], 1, atol=1e-6)
    np.testing.assert_array_equal(order[found.columns["best"][live]], np.flatnonzero(live))


def test_the_order_of_documents_changes_nothing(probe: Probe, text_file: Path, twinned: Path) -> None:
    starts = probe.packed.documents[:, 0]
    ends = [*starts[1:], probe.n_tokens]
    hashes = np.arange(len(starts), dtype=np.uint64)
    shuffled = np.random.default_rng(0).permutation(len(starts))
    rows = np.concatenate([np.arange(starts[one], ends[one]) for one in shuffled])
    sizes = np.array([ends[one] - starts[one] for one in shuffled])
    documents = np.stack([sizes.cumsum() - sizes, probe.packed.documents[shuffled, 1]], axis=1)
    dense = probe.labels.occurrences.to_dense()[torch.from_numpy(rows)]
    labels = type(probe.labels)(
        probe.labels.names,
        probe.labels.kinds,
        SparseCodes.from_dense(dense),
        torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)),
        "another order",
    )
    other = Packed(np.asarray(probe.packed.tokens)[rows], documents, probe.packed.about)
    again = in_order(other, labels, hashes[shuffled], spec=probe.spec, tokenizer=probe.tokenizer)
    assert again.sha256 == probe.sha256
    assert again.labels.occurrences == probe.labels.occurrences
    assert torch.equal(again.labels.documents, probe.labels.documents)
    assert codes_at(twinned, again, 4) == codes_at(twinned, probe, 4)


def test_sources_of_one_model_read_together_give_what_each_gives_alone(twinned: Path, probe: Probe) -> None:
    sources = TwinCheckpoints(Run(twinned)).open(20)
    together = read_codes(sources, probe)
    alone = [read_codes([one], probe)[0] for one in sources]
    assert together == alone
    assert isinstance(sources[1], PosthocNeurons)
    expected = source_of(load(twinned, step=20), "posthoc", step=20)
    firsts = [batch.codes[1] for batch in capture(expected, probe.packed)]
    assert SparseCodes.cat(firsts) == together[1][1]


def test_a_twin_without_its_text_leaves_post_hoc_topk_to_be_traced(
    twinned: Path, text_file: Path, tmp_path: Path
) -> None:
    run, said = tmp_path / "run", []
    shutil.copytree(twinned, run)
    shutil.rmtree(run / "twin" / "data")
    about = trace(run, data=str(text_file), tokens=TOKENS, say=said.append).about
    assert set(about["sources"]) == {"topk", "posthoc"}
    assert set(about["left_out"]) == {"dense"}
    assert "sets its thresholds on the twin's training text" in about["left_out"]["dense"]
    assert f"dense is left out: {about['left_out']['dense']}" in said
    assert trace(run, data=str(text_file), tokens=TOKENS).about == about


def test_a_finished_trace_keeps_its_control_when_the_twins_text_goes(
    traced: Trace, twinned: Path, tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "trace"
    shutil.copytree(twinned, run)
    shutil.copytree(traced.path, out)
    shutil.rmtree(run / "twin" / "data")
    before = (out / "trace.json").read_bytes()
    trace(run, out=out)
    assert (out / "trace.json").read_bytes() == before
    (pair,) = compare_runs(run, [twinned], out=out)["pairs"]
    assert (pair["left_out"], "posthoc" in pair["sources"]) == (["dense"], True)


def test_a_twin_that_was_named_is_taken_again_without_being_named(
    traced: Trace, twinned: Path, text_file: Path, tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "trace"
    shutil.copytree(twinned, run)
    shutil.move(run / "twin", tmp_path / "elsewhere")
    shutil.copytree(traced.path, out)
    asked = {"data": str(text_file), "tokens": TOKENS, "out": out}
    first = trace(run, twin=tmp_path / "elsewhere", **asked).about  # type: ignore[arg-type]
    assert (set(first["sources"]), first["left_out"]) == ({"topk", "dense", "posthoc"}, {})
    assert trace(run, out=out).about == first
    shutil.rmtree(tmp_path / "elsewhere")
    assert set(trace(run, out=out).about["left_out"]) == {"dense", "posthoc"}


def test_interrupted_anywhere_and_gone_on_with_a_trace_ends_the_same(
    traced: Trace, twinned: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "again"
    options: dict[str, Any] = {"data": str(text_file), "tokens": TOKENS, "out": out}
    write = units.write
    for stop_after in (2, 9, 4):
        left = stop_after

        def interrupted(*args: Any, **kwargs: Any) -> None:
            nonlocal left
            write(*args, **kwargs)
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

        monkeypatch.setattr(units, "write", interrupted)
        with pytest.raises(Interrupted, match="goes on from there"):
            trace(twinned, **options)
        assert not (out / "trace.json").exists()
    monkeypatch.setattr(units, "write", write)
    (out / "units" / f"topk-{4:012d}" / "features.parquet").write_bytes(b"half")  # a crash of the machine
    trace(twinned, **options)
    assert contents(out) == contents(traced.path)


def test_a_finished_trace_is_only_read(
    traced: Trace, twinned: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(traced.path)
    monkeypatch.setattr(plan, "find_probe", None)
    monkeypatch.setattr(build, "summarise", None)
    trace(twinned, out=traced.path)
    assert contents(traced.path) == before


def test_a_trace_stopped_after_its_units_were_remade_is_summed_up_anew(
    trained: Run, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.path, run)
    options: dict[str, Any] = {"data": str(text_file), "tokens": 1500}
    train(tiny_settings(text_file, dense=True), run / "twin")
    first = trace(run, **options).about
    shutil.rmtree(run / "twin")
    train(tiny_settings(text_file, dense=True, lr=5e-3), run / "twin")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(build, "summarise", stop)
        trace(run, **options)
    again = trace(run, **options).about
    fresh = trace(run, **options, out=tmp_path / "fresh").about
    assert again == fresh != first


def test_missing_and_damaged_checkpoints_are_named_and_skipped(
    twinned: Path, text_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(twinned, run)
    shutil.rmtree(run / "checkpoints" / "trace-8")
    (run / "checkpoints" / "trace-20" / "model.safetensors").write_bytes(b"damaged")
    said: list[str] = []
    traced = trace(run, data=str(text_file), tokens=1500, controls=False, say=said.append)
    assert traced.about["checkpoints"] == [0, 1, 2, 4, 10, 30, 40]
    assert traced.about["skipped"] == [
        {"source": "topk", "step": 8, "reason": "missing"},
        {"source": "topk", "step": 20, "reason": "model.safetensors is damaged"},
    ]
    assert "checkpoint 8 of topk is skipped: missing" in said
    pairs = [(one["step"], one["next"]) for one in traced.about["identity_match"]["by_step"]]
    assert (4, 10) in pairs
    assert (10, 30) in pairs
    # found again, it takes its place and its neighbours are compared with it
    shutil.copytree(
        twinned / "checkpoints" / "trace-20", run / "checkpoints" / "trace-20", dirs_exist_ok=True
    )
    again = trace(run, controls=False)
    assert again.about["checkpoints"] == [0, 1, 2, 4, 10, 20, 30, 40]
    assert "initialisation" in again.about["identity_match"]["controls"]
    # without the first there is nothing from before training to be compared with
    shutil.rmtree(run / "checkpoints" / "trace-0")
    later = trace(run, controls=False).about
    assert "initialisation" not in later["identity_match"]["controls"]
    assert "initialisation" not in later["layers"]["controls"]


def test_a_life_is_the_feature_s_rows_in_order(traced: Trace) -> None:
    life = traced.life("L1/N5")
    assert [one.step for one in life.moments] == STEPS
    assert life.moments[0].to_previous is None
    for place, step in enumerate(STEPS):
        row = units.read(traced.path / "units", "topk", step).to_pylist()[32 + 5]
        assert (row["feature"], row["final_cosine"]) == ("L1/N5", life.moments[place].to_final)
        if place + 1 < len(STEPS):
            assert life.moments[place + 1].to_previous == row["next_cosine"]
    stays = [one.step for one in life.moments if one.to_final >= 0.5]
    assert life.emergence is None or life.emergence in stays


def test_carriers_are_those_that_told_the_concept_at_some_step(traced: Trace) -> None:
    found = [one["concept"] for one in traced.about["concepts"]["found"] if one["step"] is not None]
    assert found
    rows = traced.carriers(found[0])
    assert rows
    for row in rows[:3]:
        by_step = {
            one.step: {each["concept"]: each["f1"] for each in one.concepts}.get(found[0], 0.0)
            for one in traced.life(row["feature"]).moments
        }
        assert row["steps"] == [step for step, f1 in by_step.items() if f1 >= 0.5]
        assert row["best"] == max(by_step.values())


def test_concepts_in_the_order_of_their_frequency_correlate_fully(traced: Trace) -> None:
    series = read_series(traced.path / "units", "topk", STEPS)
    count = len(STEPS) - 1
    coverage = np.array([[float(place <= step) for place in range(count)] for step in range(count + 1)])
    concepts = [
        {
            "concept": f"c{one}",
            "kind": "",
            "family": "lexical",
            "oracle_f1": 0.9 + one / 100,
            "tokens": 100 - one,
        }
        for one in range(count)
    ]
    object.__setattr__(series, "coverage", coverage)
    found = concept_order(series, concepts)
    assert [one["step"] for one in found["found"]] == STEPS[:count]
    assert found["order"]["frequency"]["value"] == pytest.approx(-1)
    assert found["by_family"]["lexical"]["found"] == count


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": 0}, "tokens=0 is not allowed"),
        ({"tokens": 20}, "at least 100"),
        ({"twin": "nowhere"}, "no dense twin in nowhere"),
        ({"data": "nowhere.txt"}, "nowhere.txt"),
        ({"lexicon": "nowhere.yaml"}, "nowhere.yaml"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_trace(
    twinned: Path, text_file: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    given = {"data": str(text_file), "tokens": 500, **options}
    with pytest.raises(InputError, match=message):
        trace(twinned, out=tmp_path / "out", **given)
    assert not (tmp_path / "out" / "trace.json").exists()


def test_a_text_that_changed_under_its_name_asks_for_another_directory(
    twinned: Path, text_file: Path, tmp_path: Path
) -> None:
    text, out = tmp_path / "probe.txt", tmp_path / "out"
    shutil.copyfile(text_file, text)
    given = {"data": str(text), "tokens": 500, "controls": False, "out": out}
    found = trace(twinned, **given)
    text.write_text(text.read_text().replace("cat", "dog"))
    with pytest.raises(InputError, match="the text has changed since"):
        trace(twinned, **given)
    text.unlink()
    assert trace(twinned, **given).about == found.about


def test_a_lexicon_that_changed_asks_for_another_directory(
    twinned: Path, text_file: Path, tmp_path: Path
) -> None:
    lexicon, out = tmp_path / "words.yaml", tmp_path / "out"
    lexicon.write_text("thing: {words: [the]}\n", encoding="utf-8")
    given = {"data": str(text_file), "tokens": 500, "lexicon": str(lexicon), "controls": False, "out": out}
    found = trace(twinned, **given)
    lexicon.write_text("thing: {words: [a]}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"words.yaml has changed since .* was begun"):
        trace(twinned, **given)
    lexicon.unlink()
    assert Trace.open(out).about == found.about


def test_what_is_no_traceable_run_is_refused(traced: Trace, twinned: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dense run"):
        trace(twinned / "twin")
    with pytest.raises(InputError, match="tokens=3000, not 70"):
        trace(twinned, out=traced.path, tokens=70)
    (tmp_path / "other").write_text("mine")
    with pytest.raises(InputError, match="holds no trace"):
        trace(twinned, out=tmp_path)
    shutil.copytree(twinned, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(RunError, match="0 of 9 tracing checkpoints"):
        trace(tmp_path / "run", out=tmp_path / "out")
    with pytest.raises(InputError, match="no source 'sae'"):
        traced.life("L0/N0", source="sae")
    with pytest.raises(InputError, match="no L7/N0"):
        traced.life("L7/N0")
    with pytest.raises(InputError, match="no concept 'wombat'"):
        traced.carriers("wombat")
    with pytest.raises(InputError, match="no trace"):
        Trace.open(tmp_path)


def test_the_file_is_strict_json(traced: Trace) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads((traced.path / "trace.json").read_text(), parse_constant=refuse)


class Copies(OwnCheckpoints):
    """The same neurons at some of the steps, as if they were features of another kind."""

    names = ("copy",)

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.steps = [4, 40]

    def open(self, step: int) -> list[FeatureSource]:
        """Give them their name."""
        loaded = load(self.run.path, step=step)
        return [LayerNeurons(loaded.model, loaded.tokenizer, k=self.run.settings.k, name="copy")]


def test_other_sources_with_steps_of_their_own_are_traced_beside_the_neurons(
    twinned: Path, tmp_path: Path
) -> None:
    traced = trace(
        twinned,
        data="stories:1",
        tokens=1200,
        controls=False,
        others=[Copies(Run(twinned))],
        out=tmp_path / "out",
    )
    assert traced.sources == {"topk": STEPS, "copy": [4, 40]}
    copies, own = (
        {one.step: one for one in traced.life("L0/N3", source=name).moments} for name in ("copy", "topk")
    )
    assert copies[4] == own[4]._replace(to_previous=None)
    (pair,) = traced.about["identity_match"]["controls"]["copy"]["by_step"]
    assert (pair["step"], pair["next"]) == (4, 40)
    words = traced.about["senses"]["words"]  # the stories' words are looked at, though this text is too short
    assert len(words) > 5
    assert not any(one["enough"] or one["step"] is not None for one in words)
    assert {one["kind"] for one in traced.about["concepts"]["found"]} >= {"lexical", "contextual"}
