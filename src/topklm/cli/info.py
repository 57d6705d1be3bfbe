"""`topklm info`: what a run is."""

from typing import Any

from .output import AsJson, RunPath, put, put_json


def info(path: RunPath, as_json: AsJson = False) -> None:
    """Show what a run is: model, data, losses, checkpoints, versions."""
    from ..training import Run

    run = Run(path)
    content = summary(run)
    if as_json:
        put_json(content)
        return
    put("\n".join(f"{name.replace('_', ' '):<16}{shown(value)}" for name, value in content.items()))


def summary(run: Any) -> dict[str, Any]:
    """Collect the facts about a run."""
    settings, about = run.settings, run.about
    rows = run.metrics()
    layers = settings.topk_layers
    if layers is None:
        layers = list(range(settings.depth - settings.n_nontopk))
    evaluated = [row for row in rows if "eval_loss" in row]
    corpus = about.get("corpus")
    corpus = corpus if isinstance(corpus, dict) else {}
    corpus = {name: part for name, part in corpus.items() if isinstance(part, dict)}
    return {
        "format": "topklm.info/1",
        "run": str(run.path),
        "revision": run.revision,
        "finished": run.finished,
        "kind": "dense" if settings.dense else "topk",
        "preset": settings.preset,
        "topk": None
        if settings.dense
        else {"k": settings.k, "by": settings.topk_by, "layers": layers, "width": settings.width},
        "blocks": {
            name: getattr(settings, name) for name in ("depth", "heads", "head_dim", "mlp", "context")
        },
        "parameters": run.parameters,
        "data": settings.data,
        "packed_tokens": {name: part.get("tokens") for name, part in corpus.items()},
        "corpus_sha256": {name: part.get("sha256") for name, part in corpus.items()},
        "step": max((row["step"] for row in rows), default=0),
        "steps": about["steps"],
        "seeds": [settings.seed],
        "loss": next((row["loss"] for row in reversed(rows) if "loss" in row), None),
        "eval_loss": evaluated[-1]["eval_loss"] if evaluated else None,
        "live": evaluated[-1].get("live") if evaluated else None,
        "seconds": next((row["seconds"] for row in reversed(rows) if "seconds" in row), None),
        "checkpoints": {kind: [step for step, _ in run.checkpoints(kind)] for kind in ("trace", "full")},
        "machine": about["machine"],
        "versions": about["versions"],
    }


def shown(value: Any) -> str:
    """Write a fact for a person."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(part)}" for name, part in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:,.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "-" if value is None else str(value)
