"""Traces drawn: sparklines, tables, figures that are the same each time."""

from pathlib import Path
from typing import Any

import pytest

from topklm.reports.lives import draw_carriers, draw_life
from topklm.reports.terminal import sparkline
from topklm.reports.trace_figures import FIGURES, life_figure
from topklm.reports.tracing import _interval, draw_trace
from topklm.tracing.stored import Life, Moment

STEPS = [0, 1, 10]


def number(value: float | None) -> dict[str, float | None]:
    return {"value": value, "low": value, "high": value}


def matching(value: float | None) -> dict[str, Any]:
    pairs = [{"step": 0, "next": 1, **number(value)}, {"step": 1, "next": 10, **number(value)}]
    means = ("same_index_cosine", "best_match_cosine", "assigned_cosine", "assigned_match")
    return {**number(value), **{name: number(0.25) for name in means}, "n_pairs": 2, "by_step": pairs}


def emerging(value: float | None) -> dict[str, Any]:
    return {
        "threshold": 0.5,
        "steps": STEPS,
        **number(value),
        "at_start": number(0.125),
        "share": [0.125, 0.5, 1.0],
        "by_layer": {},
    }


def layers() -> dict[str, Any]:
    pair = {"layers": [0, 1], **{name: number(0.75) for name in ("identity_match", "same_index_cosine")}}
    pair |= {"best_match_cosine": number(0.8), "permuted_cosine": number(0.1), "n": 4}
    block = {"layer": 1, "kept": number(6.0), "added": number(2.0), "dropped": number(1.5)}
    return {"layers": [0, 1], "pairs": [pair], "blocks": [block], "topk_layers": [0], "lasts": [], "born": []}


def content(**changes: Any) -> dict[str, Any]:
    counted = {"live": 4, "labelled": number(0.5), "token_entropy": number(3.0)}
    concept = {"concept": "sea", "family": "lexical", "tokens": 12, "scored": True, "f1": [0.0, 0.6, 0.9]}
    family = {"n": 1, "found": 1, "median_step": 1, "share": [0.0, 1.0, 1.0]}
    none = number(None)
    return {
        "checkpoints": STEPS,
        "steps": 10,
        "n_tokens": 1000,
        "corpus": {"spec": ["stories"]},
        "loss": [{"step": 1, "loss": 3.0}, {"step": 10, "loss": 2.0, "eval_loss": 2.5}],
        "identity_match": {
            **matching(0.9375),
            "controls": {"posthoc": matching(0.5), "permuted": number(0.0625)},
        },
        "emergence": {**emerging(1), "controls": {"posthoc": emerging(None)}},
        "features": {"by_step": [counted] * 3},
        "changes": {"by_step": [{"changed": 3, "born": 1, "died": 0}, {"changed": 0, "born": 0, "died": 2}]},
        "concepts": {
            "steps": STEPS,
            "found": [{**concept, "step": 1}, {**concept, "concept": "war", "step": None}],
            "order": {"n": 2, "frequency": none, "oracle": none, "oracle_given_frequency": none},
            "by_family": {"lexical": family},
        },
        "senses": {"n": 2, "separated": 1, "share": [0.0, 0.0, 0.5], "controls": {}},
        "saes": {
            "checkpoints": {"sae_1x": {"seconds": 61.0, "checkpoints": 6, "tokens": 1024.0, "flat": False}},
            "seeds": [
                {"first": "sae_1x", "second": "sae_1x_seed1", "site": 0, "metric": name, **number(0.375)}
                for name in ("best_match_cosine", "best_match_cosine/shifted", "assigned_cosine")
            ],
        },
        "layers": {**layers(), "controls": {"initialisation": layers()}},
        "skipped": [{"source": "topk", "step": 5, "reason": "missing"}],
        "left_out": {"dense": "there is no dense twin"},
        **changes,
    }


def life() -> Life:
    def moment(step: int, to_final: float, token: str, **changes: Any) -> Moment:
        top = [{"token": 1, "text": token, "share": 0.5}]
        made = Moment(step, 0.01, "live", 2.0, 2.5, top, [], to_final, 0.5, "L0/N1", to_final)
        return made._replace(**changes)

    nothing = {"status": "dead", "token_entropy": None, "top_tokens": [], "best": None, "to_previous": None}
    told = [{"concept": "sea", "f1": 0.75}]
    moments = [moment(0, 0.0, "", **nothing), moment(1, 0.25, "$x"), moment(10, 1.0, " sea", concepts=told)]
    return Life("L0/N1", "topk", 10, moments)


def test_a_sparkline_has_a_place_for_every_number() -> None:
    assert sparkline([0.0, 0.5, 1.0, None]) == "▁▄█ "
    assert sparkline([2.0, 4.0]) == "▄█"
    assert sparkline([0.5, 0.25], highest=1.0) == "▄▂"
    assert sparkline([]) == ""


def test_a_trace_shows_each_number_beside_its_controls_and_what_is_missing() -> None:
    text = draw_trace(content()).plain
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "topk 0.938 [0.938, 0.938] 0.250 0.250 0.250 0.250" in lines
    assert "posthoc 0.500 [0.500, 0.500] 0.250 0.250 0.250 0.250" in lines
    assert any(line.startswith("chance (permuted) 0.062") for line in lines)
    assert "posthoc never never to never 12.5% ▁▄█" in lines
    assert "skipped: checkpoint 5 of topk: missing" in lines
    assert "left out: dense: there is no dense twin" in lines
    assert "1 of 2 concepts have a feature at the end, by first step:" in lines
    assert "topk L1 6.0 2.0 1.5" in lines
    assert "sae_1x 61 s to train at 6 checkpoints, 1,024 tokens an SAE, not all flat" in lines
    assert "sae_1x sae_1x_seed1 L0 0.38 [0.38, 0.38] 0.38 [0.38, 0.38] 0.38 [0.38, 0.38]" in lines
    assert "senses apart topk 1 of 2 words ▁▁▄" in lines


def test_a_life_is_a_line_a_checkpoint() -> None:
    lines = draw_life(life()).plain.splitlines()
    assert lines[0] == "L0/N1 of topk: is what it ends as from step 10 on"
    assert " ".join(lines[-1].split()) == "10 live 1.0% 2.00 1.00 0.50 sea 0.75 ' sea' 50.0%"
    assert lines[-3].split() == ["0", "dead", "1.0%", "-", "0.00", "-"]
    assert "does not fire at the end" in draw_life(life()._replace(emergence=None)).plain


def test_carriers_show_at_which_checkpoints_they_told_it() -> None:
    rows = [{"feature": "L0/N1", "steps": [1, 10], "best": 0.9, "final": 0.75}]
    lines = draw_carriers("sea", rows, STEPS).plain.splitlines()
    assert lines[2].split() == ["L0/N1", "0.75", "0.90", "·██", "1", "to", "10"]
    assert draw_carriers("sea", [], STEPS).plain.startswith("sea: 0 features")


@pytest.mark.parametrize("name", list(FIGURES))
def test_figures_are_whole_and_the_same_each_time(name: str, tmp_path: Path) -> None:
    for made in (tmp_path / "a.svg", tmp_path / "b.svg"):
        FIGURES[name](content(), made)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    text = (tmp_path / "a.svg").read_text()
    assert text.rstrip().endswith("</svg>")
    if name in ("emergence", "stability"):
        assert "<!-- skipped -->" in text


def test_a_life_is_drawn_with_what_was_skipped(tmp_path: Path) -> None:
    life_figure(life(), tmp_path / "life.svg", skipped=[5])
    assert "<!-- skipped -->" in (tmp_path / "life.svg").read_text()
    life_figure(life(), tmp_path / "life.png")
    assert (tmp_path / "life.png").read_bytes().startswith(b"\x89PNG")


def test_a_trace_without_anything_live_can_be_drawn(tmp_path: Path) -> None:
    nothing = content(
        emergence={**emerging(None), "share": [None] * 3, "at_start": number(None), "controls": {}},
        identity_match={**matching(None), "controls": {"permuted": number(None)}},
    )
    assert "never" in draw_trace(nothing).plain
    for name in ("emergence", "stability"):
        FIGURES[name](nothing, tmp_path / f"{name}.png")


def test_the_interval_of_a_single_feature_is_left_out() -> None:
    assert _interval({"value": 1.0, "low": None, "high": None}) == "1.000"
    assert _interval({"value": None, "low": None, "high": None}) == "-"
    assert _interval({"value": 0.5, "low": 0.25, "high": 0.75}, 2) == "0.50 [0.25, 0.75]"
