"""What the run is, as JSON."""

from typing import Any

from fastapi import APIRouter

from ...core.errors import InputError
from ...core.files import finite
from ..depends import Explored, Source

router = APIRouter(tags=["run"])


@router.get("/run")
def run(workspace: Explored) -> dict[str, Any]:
    """Say what the run is: model, training, sources that have an index, what else was made of it."""
    return {
        "format": "topklm.explore-run/1",
        "run": workspace.name,
        "settings": workspace.settings,
        "topk_blocks": workspace.blocks,
        "finished": workspace.run.finished,
        "sources": workspace.sources,
        "checkpoints": workspace.checkpoints,
    }


@router.get("/run/loss")
def loss(workspace: Explored) -> dict[str, Any]:
    """Return the logged steps of training: `step`, `loss`, `eval_loss`, ..."""
    return {"rows": finite(workspace.run.metrics())}


@router.get("/run/layers")
def layers(workspace: Explored, source: Source = "topk") -> dict[str, Any]:
    """Sum up each layer of an index: width, live, rare, dead; quantiles of density and token entropy."""
    index = workspace.index(source)
    return {"source": source, "n_tokens": index.n_tokens, "layers": finite(index.layers())}


@router.get("/run/metrics")
def metrics(workspace: Explored) -> dict[str, Any]:
    """Return what was measured of the neurons and of what stands beside them, as in metrics.json."""
    found: dict[str, Any] = workspace.cleaned(workspace.result().as_json())
    return found


@router.get("/run/comparison")
def comparison(workspace: Explored) -> dict[str, Any]:
    """Return the verdicts on the run's claims and what they rest on, as in the comparison's results.json."""
    found: dict[str, Any] = workspace.cleaned(workspace.comparison().as_json())
    return found


@router.get("/run/trace")
def trace(workspace: Explored) -> dict[str, Any]:
    """Return the trace of the run, as in trace.json."""
    found: dict[str, Any] = workspace.cleaned(finite(workspace.trace().about))
    return found


@router.get("/run/trace/{layer}/{name}")
def life(workspace: Explored, layer: str, name: str, source: str = "topk") -> dict[str, Any]:
    """Return what one feature was at every checkpoint."""
    traced = workspace.trace()
    if source not in traced.sources:
        raise InputError(f"the trace holds no source {source[:40]!r}; it holds {', '.join(traced.sources)}")
    found = traced.life(f"{layer}/{name}", source=source)
    moments = [one._asdict() for one in found.moments]
    kept: dict[str, Any] = finite({**found._asdict(), "moments": moments})
    return kept
