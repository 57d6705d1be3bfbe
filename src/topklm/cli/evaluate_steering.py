"""`topklm evaluate-steering`: how often steering one neuron brings its concept into fluent text."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import InputError
from .find import Lexicon
from .output import AsJson, RunPath, decimal, error_console, put_drawing, put_json, resumable, say, whole


def evaluate_steering(
    path: RunPath,
    max_features: Annotated[
        int | None,
        whole("At most so many neurons, evenly many of each layer, drawn; default: every labelled one."),
    ] = None,
    texts: Annotated[
        int, whole("Texts at each strength; every other one chooses the strength, the rest judge.")
    ] = 200,
    arms: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="References beside the unsteered texts: random_neurons, found_neurons, topk_direction, "
            "dense_direction, posthoc_neurons, prompt, SAEs such as sae_8x; or all.",
        ),
    ] = "random_neurons",
    strengths: Annotated[
        str, typer.Option(metavar="X,Y", help="In units of each neuron's 99th percentile.")
    ] = "0.25,0.5,0.75,1,1.5,2",
    action: Annotated[
        str, typer.Option(help="What is done with neurons: set_to or add; directions are always added.")
    ] = "set_to",
    max_new_tokens: Annotated[int, whole("Tokens of a text.")] = 60,
    prompt_tokens: Annotated[int, whole("Tokens of a held-out document that each text begins with.")] = 8,
    temperature: Annotated[float, decimal("Higher: more varied.")] = 0.8,
    label_tokens: Annotated[
        int, whole("Tokens of the index's text on which neurons are labelled.")
    ] = 100_000,
    seed: Annotated[int, whole("Seed of what is drawn, and of the texts.")] = 0,
    index: Annotated[Path | None, typer.Option(help="The run's index; default: index in the run.")] = None,
    twin: Annotated[str | None, typer.Option(help="The dense twin; default: twin in the run.")] = None,
    lexicon: Lexicon = None,
    out: Annotated[Path | None, typer.Option(help="Default: steering in the run.")] = None,
    as_json: AsJson = False,
) -> None:
    """Steer every labelled neuron towards its concept and judge the texts, next to references.

    A neuron succeeds where its concept comes up in at least 10 points more of the texts and closes a third
    of the distance to all, at no more than 1.5 times the unsteered perplexity and at least 0.8 of its
    distinct-2.
    Interrupted at any time, the same command goes on with what is done; more arms use it too.
    """
    from ..steering.evaluation import FIGURE, RESULT, evaluate
    from ..steering.settings import Settings

    settings = Settings(
        max_features=max_features,
        texts=texts,
        strengths=tuple(number(part) for part in strengths.split(",") if part.strip()),
        action=action,
        new_tokens=max_new_tokens,
        prompt_tokens=prompt_tokens,
        temperature=temperature,
        label_tokens=label_tokens,
        seed=seed,
    )
    with resumable():
        content = evaluate(
            path,
            settings,
            arms=[name.strip() for name in arms.split(",") if name.strip()],
            index=index,
            twin=twin,
            lexicon=lexicon,
            out=out,
            say=say,
            console=error_console(),
        )
    if as_json:
        put_json(content)
        return
    from ..reports.steering import draw_evaluation

    put_drawing(lambda _, width: draw_evaluation(content))
    directory = Path(path) / "steering" if out is None else out
    say(f"all of it, and six texts side by side: {directory / RESULT}; the figure: {directory / FIGURE}")


def number(text: str) -> float:
    """Read a strength of the ladder, `2` or `2x`. Raises InputError where it is none."""
    try:
        return float(text.strip().removesuffix("x"))
    except ValueError:
        raise InputError(f"--strengths: {text.strip()!r} is no number; write them as 0.5,1,2") from None
