"""When a control comes close, by hand."""

import math

from topklm.comparison.headlines import HEADLINES, Line, lines_of, verdict
from topklm.comparison.result import ResultRow
from topklm.core.stats import Estimate

BY_TITLE = {one.title: one for one in HEADLINES}


def made(source: str, metric: str, value: float, low: float, high: float, about: str = "") -> ResultRow:
    return ResultRow(source, 0, metric, about, value, low, high, 10, 100, 0)


def test_a_control_is_close_where_its_interval_reaches_the_neurons() -> None:
    higher = BY_TITLE["intruder found (chance 0.167)"]
    values = {
        "topk": Estimate(0.5, 0.4, 0.6),
        "far": Estimate(0.3, 0.2, 0.39),
        "near": Estimate(0.3, 0.2, 0.4),
        "better": Estimate(0.9, 0.8, 1.0),
        "nothing": Estimate(math.nan, math.nan, math.nan),
    }
    assert Line(0, higher, values).close() == ["near", "better"]
    lower = BY_TITLE["token entropy, strongest"]
    assert Line(0, lower, values).close() == ["far", "near"]
    assert Line(0, BY_TITLE["live features"], values).close() == []  # it only describes


def test_rows_of_single_concepts_are_no_headlines() -> None:
    rows = [
        made("topk", "absorption_fraction", 0.5, 0.5, 0.5, about="sea"),
        made("topk", "absorption_fraction", 0.1, 0.1, 0.1),
        made("random", "absorption_fraction", 0.3, 0.2, 0.4),
        made("topk", "concept_coverage", 0.7, 0.6, 0.8, about="lexical concepts"),
    ]
    lines = lines_of(rows)
    assert [line.headline.title for line in lines] == ["lexical coverage", "absorption fraction"]
    assert lines[1].values == {"topk": Estimate(0.1, 0.1, 0.1), "random": Estimate(0.3, 0.2, 0.4)}


def test_the_verdict_counts_and_names() -> None:
    rows = [made("topk", "intruder", 0.5, 0.4, 0.6), made("topk", "detection", 0.5, 0.4, 0.6)]
    assert "No control was measured" in verdict(lines_of(rows))
    rows += [made("random", "intruder", 0.2, 0.1, 0.3), made("random", "detection", 0.2, 0.1, 0.3)]
    assert verdict(lines_of(rows)) == "No control comes close to the neurons in any of 2 numbers."
    rows += [made("posthoc", "detection", 0.45, 0.3, 0.5)]
    said = verdict(lines_of(rows))
    assert said.endswith("in some of 2 numbers: posthoc in 1.")
