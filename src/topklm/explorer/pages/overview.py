"""The overview: what the run is, how it was trained, its layers, what was measured beside it."""

import contextlib
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ...core.errors import InputError
from ..depends import Explored
from ..figures import bands, curves
from ..render import answer
from ..workspace import Missing, Workspace

router = APIRouter()
TITLES = {
    "topk": "TopK neurons",
    "dense": "dense twin",
    "posthoc": "post-hoc TopK of the twin",
    "initialisation": "initialisation",
    "permuted": "chance (permuted)",
    "sae_1x": "SAE begun afresh at each checkpoint",
    "sae_1x_warm": "SAE begun as the one before",
}
"""Names of what a trace follows."""


@router.get("/")
def page(workspace: Explored) -> HTMLResponse:
    """Answer with the overview."""
    return answer(workspace, "overview.html", "", **content(workspace))


def content(workspace: Workspace) -> dict[str, Any]:
    """Collect what the overview shows; a part that is not there yet is a Missing or None."""
    rows = workspace.run.metrics()
    comparison = _or_told(workspace, workspace.comparison)
    evaluated = [row for row in rows if row.get("eval_loss") is not None]
    return {
        "settings": workspace.settings,
        "blocks": workspace.blocks,
        "parameters": _or_none(lambda: workspace.run.parameters),
        "finished": workspace.run.finished,
        "steps": workspace.run.about["steps"],
        "loss": curves(
            {
                "training loss": [(row["step"], row["loss"]) for row in rows if "loss" in row],
                "held-out loss": [(row["step"], row["eval_loss"]) for row in evaluated],
            },
            title="Loss in nats per token over training steps",
        ),
        "final": evaluated[-1] if evaluated else None,
        "emergence": emergence(workspace),
        "layers": layers(workspace),
        "verdict": _or_told(workspace, lambda: verdict(workspace)),
        "comparison": comparison,
        "left_out": workspace.cleaned(getattr(comparison, "left_out", {})),
        "sources": workspace.sources,
        "checkpoints": workspace.checkpoints,
        "traced": workspace.traced,
    }


def layers(workspace: Workspace) -> Any:
    """Return the layers of the run's own index with the places of their spreads, or why there are none."""
    try:
        index = workspace.index()
        rows = index.layers()
    except InputError as error:
        return _told(workspace, error)
    density = bands([row.get("density") for row in rows], logarithmic=True)
    entropy = bands([row.get("token_entropy") for row in rows])
    return {
        "n_tokens": index.n_tokens,
        "corpus": workspace.corpus(index.about),
        "rows": [
            {**row, "density_band": one, "entropy_band": two}
            for row, one, two in zip(rows, density, entropy, strict=True)
        ],
    }


def emergence(workspace: Workspace) -> Any:
    """Return the curve of features that have emerged, or why there is none."""
    try:
        about = workspace.trace().about["emergence"]
    except InputError as error:
        return _told(workspace, error)
    shares = {"topk": about, **about["controls"]}
    return curves(
        {TITLES.get(name, name): list(zip(one_steps(about, one), one["share"], strict=True))
         for name, one in shares.items()},
        title="Share of neurons that have become what they end as, over training steps",
        low=0.0,
        high=1.0,
    )  # fmt: skip


def one_steps(main: dict[str, Any], one: dict[str, Any]) -> list[int]:
    """Return the steps of a source's curve; some controls share the main one's."""
    found: list[int] = one.get("steps") or main["steps"]
    return found


def verdict(workspace: Workspace) -> dict[str, Any]:
    """Return what the metrics say of the neurons beside their controls."""
    from ...comparison.headlines import lines_of
    from ...comparison.headlines import verdict as say

    result = workspace.result()
    lines = lines_of(result.rows)
    return {
        "sentence": say(lines),
        "lines": lines,
        "sources": list(result.sources),
        "n_tokens": result.n_tokens,
        "left_out": workspace.cleaned(result.left_out),
    }


def _told(workspace: Workspace, error: InputError) -> Missing:
    if isinstance(error, Missing):
        return error
    return Missing(workspace.public(str(error)), "")


def _or_told(workspace: Workspace, make: Any) -> Any:
    try:
        return make()
    except InputError as error:
        return _told(workspace, error)


def _or_none(make: Any) -> Any:
    with contextlib.suppress(InputError):
        return make()
    return None
