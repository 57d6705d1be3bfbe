"""Write the measured part of docs/results/steering_small.md from steering evaluations of several runs.

python examples/steering_report.py docs/results/steering_small.md RUN [RUN ...] [--and RUN ...]

Every run has been evaluated before (`topklm evaluate-steering RUN --arms all`). Runs before `--and` are
seeds of one setting, those after it of another, on another corpus. What stands under "## Measured"
is replaced; the figure of each setting's first run goes to `../images/`.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from topklm import Run
from topklm.core.files import write_text
from topklm.reports.document import markdown_table

HEADING = "## Measured"
ARMS = {
    "neurons": "neurons",
    "random_neurons": "random neurons",
    "found_neurons": "neurons found by what they cause",
    "topk_direction": "difference of means, TopK",
    "dense_direction": "difference of means, twin",
    "posthoc_neurons": "post-hoc TopK of the twin",
    "prompt": "the word in the prompt",
}
Content = dict[str, Any]


def main(document: str, *arguments: str) -> None:
    """Replace the measured part."""
    path = Path(document)
    before, _, _ = path.read_text(encoding="utf-8").partition(HEADING)
    groups: list[list[str]] = [[]]
    for one in arguments:
        if one == "--and":
            groups.append([])
        else:
            groups[-1].append(one)
    images = path.parent.parent / "images"
    images.mkdir(exist_ok=True)
    parts = [before.rstrip(), HEADING, *(part for group in groups for part in measured(group, images))]
    write_text(path, "\n\n".join(parts) + "\n")


def measured(runs: Sequence[str], images: Path) -> list[str]:
    """Write what was measured of one setting, seed by seed."""
    results = [json.loads((Path(run) / "steering" / "steering.json").read_text("utf-8")) for run in runs]
    settings = Run(runs[0]).settings
    corpus = ", ".join(Path(one).name for one in settings.data)
    image = f"steering_{settings.preset}.png"
    shutil.copyfile(Path(runs[0]) / "steering" / "success.png", images / image)
    seeds = [Run(one).settings.seed for one in runs]
    return [
        f"### `{settings.preset}` on {corpus}",
        _about(results, seeds),
        markdown_table(
            ["arm", *(f"seed {one}" for one in seeds), "with room", "reached", "fluent"],
            [_arm(name, results) for name in _arms(results)],
        ),
        "With room, reached and fluent: of the features of all seeds. Success by layer and by strength, "
        f"where one strength serves all neurons, seed {seeds[0]}:",
        _by_strength(results[0]),
        f"![Success against fluency](../images/{image})",
        "What is left of an edit of 1x after the next blocks (along its own direction; 1: all of it):",
        _carried(results[0]),
        f"Texts by rule, of seed {seeds[0]}: of the features in order the first of each sixth, the first "
        "prompt that judges.",
        *_samples(results[0]),
    ]


def _about(results: Sequence[Content], seeds: Sequence[int]) -> str:
    settings = results[0]["settings"]
    labelled = ", ".join(
        f"{one['n_labelled']:,} of {one['n_live']:,} ({100 * one['labelled_share']['value']:.1f} %)"
        for one in results
    )
    left_out = "".join(f" Left out: {name}, {why}." for name, why in results[0]["left_out"].items())
    return (
        f"Seed {', '.join(map(str, seeds))}. Labelled neurons of the live ones: {labelled}. Of them "
        f"{', '.join(str(one['n_features']) for one in results)} were steered, {settings['texts']} texts of "
        f"{settings['new_tokens']} tokens at each strength, half of them to choose it, half to judge. In "
        "brackets 95 % over features. Success needs ten points more of the texts and a third of the distance "
        "to all, at 1.5 times the unsteered perplexity at most and 0.8 of its distinct-2 at least." + left_out
    )


def _arms(results: Sequence[Content]) -> list[str]:
    names = [name for one in results for name in one["controls"]]
    return ["neurons", *dict.fromkeys(names)]


def _of(result: Content, arm: str) -> Content | None:
    found: Content | None = result if arm == "neurons" else result["controls"].get(arm)
    return found


def _arm(arm: str, results: Sequence[Content]) -> list[str]:
    found = [_of(one, arm) for one in results]
    known = [one for one in found if one is not None]
    cells = [_share(one["success_rate"]) + f" of {one['n_features']}" if one else "-" for one in found]
    rooms = [one["with_room"] for one in known if one["with_room"]["n_features"]]
    return [
        ARMS.get(arm, arm),
        *cells,
        _average(rooms, "success_rate") + f" of {sum(one['n_features'] for one in rooms)}",
        _average(known, "reached"),
        _average(known, "fluent"),
    ]


def _by_strength(result: Content) -> str:
    strengths = list(result["by_strength"])
    rows = []
    for arm in _arms([result]):
        found = _of(result, arm)
        if found is None or arm == "prompt":
            continue
        for layer, one in found["by_layer"].items():
            cells = [
                _percent(one["by_strength"][name]["success_rate"]["value"])
                if name in one["by_strength"]
                else "-"
                for name in strengths
            ]
            rows.append([f"{ARMS.get(arm, arm)}, layer {layer}", _share(one["success_rate"]), *cells])
    return markdown_table(["", "own strength", *(f"{name}" for name in strengths)], rows)


def _carried(result: Content) -> str:
    layers = result["by_layer"]
    blocks = sorted({block for one in layers.values() for block in one["carried"]})
    rows = [
        [
            f"layer {layer}",
            *(
                f"{one['carried'][block]['along']['value']:.2f}" if block in one["carried"] else ""
                for block in blocks
            ),
        ]
        for layer, one in layers.items()
    ]
    return markdown_table(["edited at", *(f"after {block}" for block in blocks)], rows)


def _samples(result: Content) -> list[str]:
    found = []
    for one in result["samples"]:
        found += [
            f"**{one['feature']}, {one['concept']}, {one['strength']}** "
            f'({"success" if one["success"] else "no success"}); after "{_line(one["prompt"])}":',
            f"> unsteered: {_line(one['unsteered'])}",
            f"> steered: {_line(one['steered'])}",
        ]
    return found


def _line(text: str) -> str:
    return " ".join(text.split()).replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")


def _share(estimate: Content) -> str:
    if estimate["low"] is None:
        return _percent(estimate["value"])  # a single feature
    return f"{100 * estimate['value']:.0f} [{100 * estimate['low']:.0f}, {100 * estimate['high']:.0f}] %"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _average(parts: Sequence[Content], name: str) -> str:
    """Return a share of all features of some results, each of which has its own number of them."""
    count = sum(one["n_features"] for one in parts)
    if not count:
        return "-"
    return _percent(sum(one[name]["value"] * one["n_features"] for one in parts) / count)


if __name__ == "__main__":
    main(*sys.argv[1:])
