"""Seeds side by side: paired intervals by hand, and the page of the example script."""

import math
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from topklm.comparison.headlines import lines_of, verdict
from topklm.comparison.result import Result, ResultRow, write_result
from topklm.comparison.seeds import over_seeds, seed_verdict
from topklm.core.errors import InputError
from topklm.core.stats import bootstrap_difference, paired_t

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "metrics_report.py"))
NUMBERS = st.lists(st.floats(-100, 100), min_size=2, max_size=8)


def of_seed(seed: int, topk: float, posthoc: float, random: float) -> Result:
    result = Result("run", "r", 100, 10, [seed], {"spec": ["x"], "sha256": "0"}, 5, "none", {})
    for source, value in (("topk", topk), ("posthoc", posthoc), ("random", random)):
        result.sources[source], result.seconds[source] = "1", 1.0
        for site in (0, 1):
            shifted = value + site
            row = ResultRow(source, site, "intruder", "e", shifted, shifted, shifted, 5, 100, seed)
            result.rows.append(row)
            result.rows.append(row._replace(metric="token_entropy/random", about=""))
            result.rows.append(row._replace(metric="live_features", about=""))
    return result


RESULTS = [of_seed(0, 0.5, 0.5, 0.1), of_seed(1, 0.6, 0.65, 0.1), of_seed(2, 0.55, 0.5, 0.2)]


@given(NUMBERS)
def test_the_paired_interval_is_the_t_test_turned_round(differences: list[float]) -> None:
    found = paired_t(differences)
    assert found.value == pytest.approx(np.mean(differences))
    spread = float(np.std(differences, ddof=1))
    if spread > 1e-6:
        with np.errstate(over="ignore"):  # scipy looks for cancellation by dividing by the mean
            at_low = stats.ttest_1samp(differences, found.low).pvalue
        assert at_low == pytest.approx(0.05, abs=1e-6)
    assert found.high - found.value == pytest.approx(found.value - found.low, abs=1e-6)


def test_one_seed_says_nothing_of_the_spread() -> None:
    assert paired_t([0.5]) == (0.5, -math.inf, math.inf)
    with pytest.raises(ValueError, match="at least one"):
        paired_t([])


@given(NUMBERS, NUMBERS)
def test_a_difference_of_groups_turns_round_with_them(first: list[float], second: list[float]) -> None:
    one, other = bootstrap_difference(first, second), bootstrap_difference(second, first)
    assert one.value == pytest.approx(-other.value)
    assert one.low <= one.value <= one.high


def test_differences_are_paired_by_seed_and_turned_to_the_better_side() -> None:
    lines = {(line.headline.metric, line.site): line for line in over_seeds(RESULTS)}
    intruder = lines["intruder", None]
    assert intruder.values["topk"] == pytest.approx([1.0, 1.1, 1.05])
    assert intruder.gaps["random"].value == pytest.approx((0.4 + 0.5 + 0.35) / 3)
    assert intruder.close() == ["posthoc"]
    entropy = lines["token_entropy/random", 1]
    assert entropy.gaps["random"].value == pytest.approx(-(0.4 + 0.5 + 0.35) / 3)
    assert entropy.close() == ["posthoc", "random"]
    assert lines["live_features", 0].gaps == {}


def test_the_first_line_of_the_page_says_what_comes_close(tmp_path: Path) -> None:
    for number, one in enumerate(RESULTS):
        (tmp_path / str(number) / "metrics").mkdir(parents=True)
        write_result(tmp_path / str(number) / "metrics", one)
    out = tmp_path / "results" / "metrics.md"
    (tmp_path / "why.md").write_text("The stream carries them.")
    SCRIPT["main"](
        [str(out), *(str(tmp_path / str(n)) for n in range(3)), "--remarks", str(tmp_path / "why.md")]
    )
    text = out.read_text(encoding="utf-8")
    first = text.splitlines()[2]  # below the title
    assert first == seed_verdict(over_seeds(RESULTS))
    assert first.endswith("in 2 of 2 numbers: posthoc in 2, random in 1.")
    assert "The stream carries them." in text
    assert "| intruder found (chance 0.167) | 1.00 / 1.10 / 1.05 |" in text


def test_the_page_of_one_seed_has_its_own_intervals(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    write_result(tmp_path / "metrics", RESULTS[0])
    SCRIPT["main"]([str(tmp_path / "one.md"), str(tmp_path)])
    text = (tmp_path / "one.md").read_text(encoding="utf-8")
    assert text.splitlines()[2] == verdict(lines_of(RESULTS[0].rows))
    assert "inf" not in text
    assert "≈" in text


def test_latents_of_saes_are_no_control_and_have_a_sentence_of_their_own() -> None:
    with_saes = []
    for one in RESULTS:
        result = of_seed(one.seeds[0], 0.5, 0.1, 0.1)
        rows = [row for row in result.rows if row.source == "topk" and row.metric == "intruder"]
        result.rows += [row._replace(source="sae_1x", value=row.value + 0.2 + row.seed / 100) for row in rows]
        result.sources["sae_1x"] = "1"
        with_saes.append(result)
    says = seed_verdict(over_seeds(with_saes))
    assert "sae_1x" not in says[: says.index(".")]
    assert says.endswith("Beside sae_1x the neurons are: 0 ahead, 0 level, 1 behind.")


def test_runs_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(InputError, match="a seed stands there twice"):
        over_seeds([RESULTS[0], RESULTS[0]])
    other = of_seed(7, 0.5, 0.5, 0.5)
    other.corpus = {"spec": ["y"], "sha256": "1"}
    with pytest.raises(InputError, match="their corpus differ"):
        over_seeds([RESULTS[0], other])
    other.corpus = {**RESULTS[0].corpus, "sha256": "2"}  # as much of it, or as the file was, is another text
    with pytest.raises(InputError, match="their text differ"):
        over_seeds([RESULTS[0], other])
    with pytest.raises(InputError, match="at least one run"):
        over_seeds([])
