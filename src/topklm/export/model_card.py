"""A run's model card, by the hub's conventions: what it is, what it was trained on, how good, what for."""

import json
from collections.abc import Sequence
from typing import Any

from ..core.errors import RunError
from ..core.files import without_paths
from ..reports.document import markdown_table
from ..training.run import Run
from ..training.settings import TrainSettings
from ..training.twin import SAME, check_settings, twin_directory

TAGS = ("topklm", "interpretability", "sparse")
PAPER = "TopK Language Models (Takahashi, Inaba, Inui, Heinzerling, 2025, arXiv 2506.21468)"


def model_card(
    run: Run,
    name: str,
    *,
    licence: str | None = None,
    steps: Sequence[int] = (),
    how: str | None = None,
) -> str:
    """Write the card of a run as Markdown with the hub's YAML head.

    name: user/name on the hub. licence: the hub's identifier. steps: tracing checkpoints that are branches
    there. how: what stands under Use, by default how it is loaded from the hub. Numbers are the run's own:
    the held-out loss of its last evaluation, and its twin's beside it where one is trained.
    """
    settings = run.settings
    sections = [
        head(settings, licence),
        f"# {name.rpartition('/')[2]}",
        what_it_is(run),
        "## Use",
        use(name, settings, steps) if how is None else how,
        "## Training",
        markdown_table(["", ""], list(training(run).items())).strip(),
        "## Held-out loss",
        losses(run),
        "## Limits and intended use",
        limits(run),
    ]
    return "\n\n".join(sections) + "\n"


def head(settings: TrainSettings, licence: str | None) -> str:
    """Write the YAML head, each value as JSON, which YAML takes."""
    content: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": [*TAGS, "dense-twin" if settings.dense else "topk-language-model"],
    }
    if licence:
        content["license"] = licence
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in content.items()), "---"])


def what_it_is(run: Run) -> str:
    """Say what kind of model it is, in one paragraph."""
    settings = run.settings
    size = f"{(run.parameters or 0) / 1e6:.1f}M parameters, {settings.depth} blocks, width {settings.width}"
    source = without_paths(settings.source)
    if settings.dense and source:
        return f"{source}, trained on by topklm without TopK, as the control of a conversion. {size}."
    if settings.dense:
        return f"A small Llama-like language model, trained by topklm as a TopK model's dense twin. {size}."
    layers = settings.topk_layers
    where = (
        f"blocks {', '.join(map(str, layers))}"
        if layers is not None
        else f"each of the first {settings.depth - settings.n_nontopk} blocks"
    )
    return (
        f"A TopK language model, after {PAPER}. "
        + (f"Converted from {source}: TopK was put in, and training went on. " if source else "")
        + f"{size}. After {where}, only {settings.k} entries of the "
        "residual stream are kept per token and the rest is zero, so that the hidden state is a sparse code "
        "and a neuron is a feature: no autoencoder has to be trained to read it."
    )


def use(name: str, settings: TrainSettings, steps: Sequence[int]) -> str:
    """Show how it is loaded."""
    lines = [
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'tokenizer = AutoTokenizer.from_pretrained("{name}", trust_remote_code=True)',
        f'model = AutoModelForCausalLM.from_pretrained("{name}", trust_remote_code=True)',
    ]
    if not settings.dense:
        lines.append("codes = model.codes(tokenizer('Once upon a time', return_tensors='pt').input_ids)")
    text = "\n".join([*lines, "```"])
    if steps:
        text += (
            "\n\nThe branches hold the weights during training: "
            + ", ".join(f"`step-{step}`" for step in steps)
            + '; take one with `revision="step-..."`.'
        )
    return text


def training(run: Run) -> dict[str, str]:
    """List the facts of its training."""
    settings, about = run.settings, run.about
    corpus = about.get("corpus", {}).get("train", {})
    return {
        "text": ", ".join(without_paths(settings.data)),
        "tokens": f"{settings.steps * settings.batch_tokens:,} seen; {corpus.get('tokens', 0):,} in the text",
        "steps": f"{about['steps']:,} of {settings.batch_tokens:,} tokens",
        "tokenizer": without_paths(settings.tokenizer),
        "context": f"{settings.context} tokens",
        "learning rate": f"{settings.lr:g}, of the embedding {settings.embedding_lr or settings.lr:g}",
        **({"source": without_paths(settings.source)} if settings.source else {}),
        **({"share of the loss distilled from it": f"{settings.distill:g}"} if settings.distill else {}),
        "seed": str(settings.seed),
        "precision": str(about["machine"].get("precision", "")),
        "versions": ", ".join(f"{key} {value}" for key, value in about["versions"].items()),
        "weights, SHA-256": f"`{run.revision}`",
    }


def losses(run: Run) -> str:
    """Give the held-out loss over training, beside the dense twin's where there is one."""
    columns = {"loss": evaluations(run)}
    twin = twin_of(run)
    if twin is not None:
        columns["dense twin"] = evaluations(twin)
    rows = [
        [f"{step:,}", *(f"{found[step]:.3f}" if step in found else "" for found in columns.values())]
        for step in columns["loss"]
    ]
    text = markdown_table(["step", *columns], rows).strip()
    beside = "" if twin else " No dense twin was trained beside it."
    return f"{text}\n\nNats per token on held-out documents, without intervals.{beside}"


def limits(run: Run) -> str:
    """Say what it is not for."""
    return (
        "For research on how language models represent what they read. It is small: it writes text like its "
        "training text, knows nothing reliably, follows no instructions, and repeats whatever bias its text "
        f"has. It reads at most {run.settings.context} tokens at once. What its neurons mean has to be "
        "measured beside controls (`topklm metrics`, `topklm compare`), not assumed."
    )


def evaluations(run: Run) -> dict[int, float]:
    """Return the held-out losses by step."""
    return {row["step"]: float(row["eval_loss"]) for row in run.metrics() if "eval_loss" in row}


def twin_of(run: Run) -> Run | None:
    """Return the dense twin in a TopK run's directory, where it is finished and one of this run."""
    path = twin_directory(run)
    if run.settings.dense or not (path / "train.json").is_file():
        return None
    twin = Run(path)
    try:
        check_settings(run, twin, SAME)
    except RunError:
        return None
    return twin if twin.finished else None
