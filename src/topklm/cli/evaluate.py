"""`topklm eval`: how well a run predicts held-out text, and what it scores on tasks (tasks.py)."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import InputError
from .output import AsJson, error_console, number, put, put_json, run_path, say, whole
from .tasks import evaluate_tasks, write_tasks

if TYPE_CHECKING:
    from ..data import Packed
    from ..evaluation.heldout import Likelihoods
    from ..training import Loaded, Run

STREAMED_CHARACTERS = 2_000_000
"""How much of an endless corpus is read: in characters, so that every tokenizer sees the same."""


def evaluate(
    path: Annotated[
        str | None,
        typer.Argument(
            parser=run_path, metavar="RUN", help="A run's directory, or 'demo'.", show_default=False
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Text to predict, or to make the task last_word of; may be repeated. Default: the run's "
            "validation part."
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            help="Instead of the loss, scores on tasks: 'stories' (all of ours), 'last_word', or any of "
            "lm-eval's, as in stories,arc_easy."
        ),
    ] = None,
    compare: Annotated[
        str | None, typer.Option(help="Another run; 'twin' is the run's own dense twin.")
    ] = None,
    limit: Annotated[int | None, whole("Take only the first N items of each task.")] = None,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write-tasks", help="Write our tasks into a directory, for plain lm_eval --include_path."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure held-out loss, perplexity and bits per byte, with 95 % intervals; or scores on tasks.

    Tasks run in lm-eval (pip install 'topklm[eval]'); ours need no network. With --compare, differences are
    taken item by item.
    """
    if write is not None:
        if path is not None or tasks is not None or compare is not None or limit is not None:
            raise InputError("--write-tasks goes with --data and --json alone")
        write_tasks(write, data, as_json=as_json)
        return
    if path is None:
        raise InputError("name a RUN to evaluate, or a directory with --write-tasks")
    if tasks is not None:
        evaluate_tasks(path, tasks, data=data, compare=compare, limit=limit, as_json=as_json)
        return
    if limit is not None:
        raise InputError("--limit goes with --tasks")
    held_out_losses(path, data, compare, as_json=as_json)


def held_out_losses(path: str, data: list[str] | None, compare: str | None, *, as_json: bool) -> None:
    """Measure the loss of one run or two on the same text, and print it."""
    from ..core.stats import bootstrap_ratio
    from ..evaluation.heldout import summary

    runs = open_runs(path, compare)
    seen = [seen_in_training(loaded.run, data or ()) for loaded in runs]
    sums = [likelihoods(loaded, data) for loaded in runs]
    measured = [summary(one) for one in sums]
    results = [
        {
            "run": str(loaded.run.path),
            "revision": loaded.run.revision,
            "n_tokens": result.n_tokens,
            "n_documents": result.n_documents,
            "seeds": [loaded.run.settings.seed],
            "loss": result.loss.as_json(),
            "perplexity": result.perplexity.as_json(),
            "bits_per_byte": result.bits_per_byte.as_json(),
        }
        for loaded, result in zip(runs, measured, strict=True)
    ]
    content: dict[str, Any] = {
        "format": "topklm.eval/1",
        "data": data or ["validation"],
        "held_out": not any(seen),
        **results[0],
    }
    lines = [describe(str(loaded.run.path), one) for loaded, one in zip(runs, measured, strict=True)]
    if compare is not None:
        if sums[0].bytes.tolist() != sums[1].bytes.tolist():
            raise InputError(
                f"{path} and {compare} have different validation documents; name one text with --data"
            )
        bits = (sums[0].text_nats - sums[1].text_nats) / 0.6931471805599453
        difference = bootstrap_ratio(bits, sums[0].bytes)
        content["compare"] = results[1] | {"bits_per_byte_difference": difference.as_json()}
        lines.append(f"difference, first minus second: {number(difference, 4)} bits per byte")
    if as_json:
        put_json(content)
    else:
        put("\n".join(lines))


def likelihoods(loaded: "Loaded", data: list[str] | None) -> "Likelihoods":
    """Read the text with a run's model."""
    from ..core.progress import counted
    from ..evaluation.heldout import document_likelihoods

    say(f"reading {', '.join(data or ['the validation part'])} with {loaded.run.path}")
    with tempfile.TemporaryDirectory() as scratch:
        packed = held_out_text(loaded, data, Path(scratch))
        context = loaded.model.config.max_position_embeddings
        total = len(packed.tokens) - 1
        with counted(error_console(), "reading", unit="tokens", total=total) as report:
            return document_likelihoods(loaded.model, packed, context=context, report=report)


def open_runs(path: str, compare: str | None) -> list["Loaded"]:
    """Load a run, and the one it is compared with; 'twin' is its own dense twin."""
    from ..training import load
    from ..training.twin import open_twin

    first = load(path)
    if compare is None:
        return [first]
    return [first, open_twin(first.run) if compare == "twin" else load(compare)]


def seen_in_training(run: "Run", data: Sequence[str]) -> bool:
    """Tell whether a run was trained on a text named, and say so: its loss there is not held out."""
    from ..training.prepare import trained_on

    seen = trained_on(run, data)
    if seen:
        say(
            f"{run.path} was trained on {', '.join(seen)}: this is no held-out loss; leave --data out for "
            "the part that was held out, or name other text"
        )
    return bool(seen)


def held_out_text(loaded: "Loaded", data: list[str] | None, scratch: Path) -> "Packed":
    """Open the run's validation part, or pack the text named."""
    from ..data import Packed, load_corpus, pack

    if data is None:
        directory = loaded.run.path / "data"
        if not (directory / "validation.json").is_file():
            raise InputError(f"the held-out text of {loaded.run.path} is not here; name a text with --data")
        return Packed.open(directory, "validation")
    corpus = load_corpus(data, part="validation")
    if corpus.endless:
        corpus = corpus.head(STREAMED_CHARACTERS)
    packed = pack(corpus, loaded.tokenizer, scratch, "text")
    if len(packed.tokens) < 2:
        raise InputError(f"{', '.join(data)} has no token to predict")
    return packed


def describe(name: str, result: Any) -> str:
    """Write a result as one line."""
    return (
        f"{name}: loss {number(result.loss)}, perplexity {number(result.perplexity, 1)}, bits per byte "
        f"{number(result.bits_per_byte)} ({result.n_tokens:,} tokens, {result.n_documents:,} documents)"
    )
