"""The evaluation's result from its units: who succeeded, by layer and strength; intervals over features."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.stats import Estimate, bootstrap_ratio
from .arms import MAIN
from .success import JUDGING, RISE, Texts, Verdict, choose, judged, measure
from .trial import number, read_back

FORMAT = "topklm.steering/1"
SAMPLES = 6
Content = dict[str, Any]


def summarise(
    plain: Mapping[str, Content],
    results: Mapping[str, Sequence[Content]],
    *,
    about: Content,
    writers: Mapping[str, str],
    prompts: Sequence[str],
) -> Content:
    """Turn the texts of all units into the result.

    plain: unsteered texts by writer. results: units by arm. writers: whose texts an arm is compared with.
    prompts: as text. Rates are over features, with a bootstrap over them.
    """
    rows = {
        arm: [feature_row(plain[writers[arm]], unit) for unit in units]
        for arm, units in results.items()
        if units
    }
    empty = {arm: "no feature to steer" for arm, units in results.items() if not units}
    left_out = {**about.pop("left_out"), **empty}
    main = arm_summary(rows[MAIN])
    return {
        "format": FORMAT,
        **about,
        "labelled_share": share([1] * about["n_labelled"] + [0] * (about["n_live"] - about["n_labelled"])),
        **main,
        "controls": {arm: arm_summary(some) for arm, some in rows.items() if arm != MAIN},
        "left_out": left_out,
        "unsteered": {writer: _unsteered(texts) for writer, texts in plain.items()},
        "features": {arm: [_told(row) for row in some] for arm, some in rows.items()},
        "samples": samples(rows[MAIN], results[MAIN], plain[writers[MAIN]], prompts),
    }


def feature_row(plain: Content, unit: Content) -> Content:
    """Judge a unit: at every strength, and at the one that is chosen."""
    before = read_back(plain, [unit["concept"] in shown for shown in plain["concepts"]])
    steered = {name: read_back(texts, texts["shown"]) for name, texts in unit["strengths"].items()}
    chosen = choose(before, steered)
    verdicts = {name: judged(before, texts) for name, texts in steered.items()}
    return {
        **{
            name: unit[name]
            for name in ("name", "layer", "concept", "label_f1", "unit", "action", "mass_rise", "carried")
        },
        "unsteered_rate": measure(before.half(JUDGING)).rate,
        "chosen": chosen,
        "verdicts": verdicts,
        "rates": {name: measure(texts.half(JUDGING)).rate for name, texts in steered.items()},
    }


def arm_summary(rows: Sequence[Content]) -> Content:
    """Sum up an arm's features."""
    layers = sorted({row["layer"] for row in rows})
    room = [row for row in rows if row["unsteered_rate"] <= 1 - RISE]
    return {
        "success_rate": share([_final(row).success for row in rows]),
        "n_features": len(rows),
        "with_room": {"success_rate": share([_final(row).success for row in room]), "n_features": len(room)},
        "reached": share([_final(row).reached for row in rows]),
        "fluent": share([_final(row).fluent for row in rows]),
        "by_strength": curve(rows),
        "by_layer": {
            str(layer): {
                "success_rate": share([_final(row).success for row in some]),
                "n_features": len(some),
                "by_strength": curve(some),
                "carried": carried_on(some),
            }
            for layer in layers
            if (some := [row for row in rows if row["layer"] == layer])
        },
    }


def curve(rows: Sequence[Content]) -> Content:
    """Say for each strength, judged by itself, how many features succeed, and at what price."""
    names = list(rows[0]["verdicts"]) if rows else []
    found = {}
    for name in names:
        verdicts = [row["verdicts"][name] for row in rows]
        masses = [row["mass_rise"][name]["value"] for row in rows if row["mass_rise"] is not None]
        found[name] = {
            "success_rate": share([one.success for one in verdicts]),
            "reached": share([one.reached for one in verdicts]),
            "concept_rate": mean([row["rates"][name] for row in rows]),
            "unsteered_rate": mean([row["unsteered_rate"] for row in rows]),
            "perplexity_ratio": number(float(np.median([_finite(one.perplexity_ratio) for one in verdicts]))),
            "distinct_ratio": number(
                float(np.median([_finite(one.distinct_ratio, 0.0) for one in verdicts]))
            ),
            "mass_rise": mean(masses),
        }
    return found


def carried_on(rows: Sequence[Content]) -> Content:
    """Average over features what is left of an edit of 1x after each later block."""
    known = [row["carried"] for row in rows if row["carried"] is not None]
    return {
        block: {
            part: mean([one[block][part] for one in known if one[block][part] is not None])
            for part in ("along", "size")
        }
        for block in (known[0] if known else {})
    }


def samples(
    rows: Sequence[Content], units: Sequence[Content], plain: Content, prompts: Sequence[str]
) -> list[Content]:
    """Take texts side by side by rule, the same for every run.

    Of the features in the order of layer and number, the first of each sixth; the strength that was chosen;
    the first prompt that judges.
    """
    places = sorted({len(rows) * sixth // SAMPLES for sixth in range(SAMPLES)})
    found = []
    for place in places[: len(rows)]:
        row, unit = rows[place], units[place]
        found.append(
            {
                "feature": row["name"],
                "concept": row["concept"],
                "strength": row["chosen"],
                "success": _final(row).success,
                "prompt": prompts[JUDGING],
                "unsteered": plain["texts"][JUDGING],
                "steered": unit["samples"][row["chosen"]][0],
            }
        )
    return found


def share(flags: Sequence[Any]) -> dict[str, float]:
    """Estimate a share, with a bootstrap over what it is a share of."""
    return mean([float(one) for one in flags])


def mean(values: Sequence[float]) -> dict[str, float]:
    """Estimate a mean, with a bootstrap over its values; NaN of none."""
    if not len(values):
        return Estimate(np.nan, np.nan, np.nan).as_json()
    return bootstrap_ratio(values, np.ones(len(values))).as_json()


def _final(row: Content) -> Verdict:
    """Return the verdict at the strength that was chosen."""
    verdict: Verdict = row["verdicts"][row["chosen"]]
    return verdict


def _finite(value: float, otherwise: float = np.inf) -> float:
    return value if np.isfinite(value) else otherwise


def _told(row: Content) -> Content:
    """Write a feature's row as JSON."""
    verdicts = {
        name: {
            "success": one.success,
            "concept_rate": row["rates"][name],
            "perplexity_ratio": number(one.perplexity_ratio),
            "distinct_ratio": number(one.distinct_ratio),
        }
        for name, one in row["verdicts"].items()
    }
    kept = {name: value for name, value in row.items() if name not in ("verdicts", "rates")}
    return {**kept, "success": _final(row).success, "strengths": verdicts}


def _unsteered(content: Content) -> Content:
    half: Texts = read_back(content, [0] * len(content["tokens"])).half(JUDGING)
    averages = measure(half)
    return {
        "n_texts": len(content["tokens"]),
        "perplexity": number(averages.perplexity),
        "distinct": number(averages.distinct),
    }
