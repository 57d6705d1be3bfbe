"""The report of a comparison, from rows as they might be."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from planted_rows import all_rows, changed, row
from topklm.comparison.claims import verdicts
from topklm.comparison.columns import ordered
from topklm.comparison.outcome import Comparison, read_comparison
from topklm.comparison.report import write_results
from topklm.comparison.result import ResultRow


def compared(rows: list[ResultRow], seeds: tuple[int, ...] = (0,)) -> Comparison:
    runs: list[dict[str, Any]] = [
        {"run": f"runs/tiny-{seed}", "revision": 40 * "a", "seed": seed, "twin": None, "dense_small": None}
        for seed in seeds
    ]
    stages = [
        {
            "run": one["run"],
            "stage": "metrics",
            "about": "",
            "seconds": 90.0,
            "notes": {"spec": ["stories:1"]},
        }
        for one in runs
    ]
    return Comparison(
        runs, {"tokens": 1000, "lexicon": None}, stages, {"tasks": "no lm-eval"}, verdicts(rows), rows
    )


def report(directory: Path, found: Comparison) -> str:
    write_results(directory, found)
    assert read_comparison(directory).claims == found.claims
    return (directory / "report.md").read_text(encoding="utf-8")


def line(text: str, first: str, after: str) -> list[str]:
    """Return the cells of the first line that begins so, behind a heading."""
    part = text[text.index(f"## {after}") :]
    found = next(one for one in part.splitlines() if one.startswith(f"| {first} |"))
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_it_says_verdicts_numbers_and_where_the_neurons_stand(tmp_path: Path) -> None:
    text = report(tmp_path, compared(all_rows()))
    assert text.startswith("# Comparison of tiny-0, seed 0\n")
    assert "Metrics: 1,000 held-out tokens of stories:1." in text
    assert line(text, "C5", "Verdicts")[2] == "holds"
    assert line(text, "label F1", "How readable") == [
        *(
            "label F1",
            "0.600 [0.590, 0.610]",
            "0.600 =",
            "0.600 =",
            "0.400 +",
            "0.400 +",
            "0.100 +",
            "0.400 +",
        )
    ]
    assert line(text, "topk", "Steering")[1] == "0.700 [0.690, 0.710]"
    assert line(text, "topk", "Steering")[-1] == "60"
    assert line(text, "C7", "The numbers that decide")[1] == "identity match over checkpoints"
    assert line(text, "metrics", "What it was made from") == ["metrics", "1.5"]
    assert "Left out: tasks: no lm-eval" in text


def test_numbers_of_which_less_is_better_are_turned(tmp_path: Path) -> None:
    rows = changed(all_rows(), "sae_1x", "absorption_fraction", value=0.1)
    text = report(tmp_path, compared(rows))
    assert line(text, "absorption fraction", "How readable")[2] == "0.100 -"
    gaps = text[text.index("Neurons less each source") :]
    assert "| absorption fraction | -0.300 [" in gaps


def test_seeds_are_put_together(tmp_path: Path) -> None:
    rows = [one for seed in (0, 1) for one in all_rows(seed)]
    rows = [*rows, row("dense", "loss", 0.7, seed=0), row("dense", "loss", 0.9, seed=1)]
    text = report(tmp_path, compared(rows, (0, 1)))
    assert "seeds 0, 1" in text.splitlines()[0]
    assert line(text, "topk", "Steering")[-1] == "120"
    assert line(text, "dense", "What the model keeps")[1].startswith("0.800 [")
    assert line(text, "metrics", "What it was made from") == ["metrics", "1.5", "1.5"]


def test_interrupted_while_it_is_drawn_the_one_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = report(tmp_path, compared(all_rows()))
    names = sorted(one.name for one in (tmp_path / "figures").iterdir())

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("topklm.comparison.columns.intervals_figure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_results(tmp_path, compared(changed(all_rows(), "topk", "label_f1", value=0.1)))
    monkeypatch.undo()
    assert sorted(one.name for one in (tmp_path / "figures").iterdir()) == names
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == before
    assert report(tmp_path, compared(all_rows())) == before


def test_the_first_checkpoint_is_not_one_of_the_last(tmp_path: Path) -> None:
    rows = [*all_rows(), row("initialisation", "identity_match", 0.3)]
    text = report(tmp_path, compared(rows))
    assert "(from the first to the last, 0.300 [0.290, 0.310] keep it)" in text
    part = text[text.index("From one checkpoint to the next") : text.index("From layer to layer")]
    assert "initialisation" not in part


def test_its_figures_lie_beside_it_as_png_and_svg(tmp_path: Path) -> None:
    text = report(tmp_path, compared(all_rows()))
    names = {"standing", "cost", "steering", "stability"}
    assert {one.stem for one in (tmp_path / "figures").iterdir()} == names
    assert all(
        (tmp_path / "figures" / f"{name}.{kind}").stat().st_size for name in names for kind in ("png", "svg")
    )
    assert all(f"(figures/{name}.svg)" in text for name in names)
    assert "<script" not in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("metric", ["steering_success_rate", "identity_match", "features_seconds"])
def test_what_was_not_measured_is_not_there(tmp_path: Path, metric: str) -> None:
    rows = [one for one in all_rows() if not one.metric.startswith(metric)]
    text = report(tmp_path, compared(rows))
    assert "nan" not in text
    assert ("## Steering" in text) == (metric != "steering_success_rate")


def test_a_comparison_without_any_row_has_a_report(tmp_path: Path) -> None:
    text = report(tmp_path, compared([]))
    assert line(text, "C1", "Verdicts")[2] == "not measured"


def test_it_goes_into_the_documents_with_remarks_and_rows(tmp_path: Path) -> None:
    found = compared(all_rows())
    write_results(tmp_path, found)
    (tmp_path / "why.md").write_text("Since *so*.", encoding="utf-8")
    script = Path(__file__).parents[2] / "examples" / "comparison_report.py"
    out = tmp_path / "results" / "comparison_tiny.md"
    runpy.run_path(str(script))["main"]([str(out), str(tmp_path), "--remarks", str(tmp_path / "why.md")])
    text = out.read_text(encoding="utf-8")
    assert text.index("## Verdicts") < text.index("Since *so*.") < text.index("## How readable")
    assert all((out.parent / one).is_file() for one in re.findall(r"\]\((.*?\.svg)\)", text))
    assert read_comparison(out.parent / "comparison" / "tiny.json").rows == found.rows


def test_neurons_stand_first_and_controls_last() -> None:
    some = ("random", "sae_8x", "permuted", "dense", "sae_1x", "topk", "posthoc")
    assert ordered(some) == ["topk", "sae_1x", "sae_8x", "posthoc", "dense", "random", "permuted"]
