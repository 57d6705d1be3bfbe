"""The command `topklm`: its verbs, and what an error means for the exit code."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from ..core.errors import InputError, TopKLMError
from ..core.processes import may_speak
from . import (
    compare,
    convert,
    demo,
    evaluate,
    evaluate_steering,
    explore,
    export,
    find,
    generate,
    index,
    info,
    metrics,
    neuron,
    neurons,
    push,
    quickstart,
    quiz,
    read,
    sae,
    steer,
    stories,
    sweep,
    trace,
    train,
)
from .output import complain

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="topklm",
    help="Train, measure and read TopK language models, whose hidden states are sparse codes.",
    epilog="A RUN is a directory that 'train' or 'quickstart' made; 'demo' is the one that ships. "
    "Start with: topklm demo, topklm quickstart",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo", short_help="Open the model that ships in a browser.")(demo.demo)
app.command("quickstart", short_help="Train a small model, show its text and neurons.")(quickstart.quickstart)
app.command("stories", short_help="Tell labelled stories.")(stories.stories)
app.command("train", short_help="Train a model, its dense twin, or go on with one.")(train.train)
app.command("convert", short_help="Put TopK into a pretrained Llama and train on.")(convert.convert)
app.command("generate", short_help="Write text with a run's model.")(generate.generate)
app.command("eval", short_help="Measure held-out loss and bits per byte.")(evaluate.evaluate)
app.command("index", short_help="Index what every neuron does on a text.")(index.index)
app.command("neurons", short_help="List neurons, sorted and chosen as asked.")(neurons.neurons)
app.command("neuron", short_help="Show one neuron's card.")(neuron.neuron)
app.command("metrics", short_help="Measure how readable neurons are, beside controls.")(metrics.metrics)
app.command("quiz", short_help="Ask a person, blind, which features are readable.")(quiz.quiz)
app.command("read", short_help="Show the strongest neurons of each token of a text.")(read.read)
app.command("find", short_help="Find neurons for a word or concept, by their effect.")(find.find)
app.command("steer", short_help="Write with neurons changed, side by side.")(steer.steer)
app.command("evaluate-steering", short_help="Measure steering, with its references.")(
    evaluate_steering.evaluate_steering
)
app.command("compare", short_help="Decide every claim about a run, beside its references.")(compare.compare)
app.command("sweep", short_help="Train many variants and compare them.")(sweep.sweep)
app.command("trace", short_help="Follow how neurons form over checkpoints.")(trace.trace)
app.add_typer(sae.app, name="sae", short_help="Train and measure SAEs of the dense twin.")
app.command("explore", short_help="Open a run in a browser.")(explore.explore)
app.command("export", short_help="Write an index, or TopK layers, for another tool.")(export.export)
app.command("push", short_help="Send a run to the Hugging Face hub.")(push.push)
app.command("info", short_help="Show what a run is.")(info.info)

# Typer carries a click of its own; its base error is found by name wherever it lives.
UsageError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


@app.callback(invoke_without_command=True)
def version(
    show: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    """Train, measure and read TopK language models, whose hidden states are sparse codes."""
    if show:
        from .. import __version__

        print(__version__)  # noqa: T201
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: done. 1: failed. 2: bad input, said in one line. 130: interrupted.
    """
    # No network unless a hub name is given; datasets and models named by the user still load.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter shows "?"
            stream.reconfigure(errors="replace")
    try:
        code = typer.main.get_command(app).main(args=given, prog_name="topklm", standalone_mode=False)
        sys.stdout.flush()
    except UsageError as error:
        return bad_input(error.format_message())
    except InputError as error:
        return bad_input(str(error))
    except TopKLMError as error:
        last_words(str(error))
        return INTERRUPTED if type(error).__name__ == "Interrupted" else FAILED
    except (KeyboardInterrupt, typer.Abort):
        last_words("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return reader_is_gone()
    except OSError as error:
        return bad_input(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
    except UnicodeError as error:
        return bad_input(f"not valid UTF-8 text: {error}")
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            return reader_is_gone()
        raise
    return code if isinstance(code, int) else OK


def bad_input(message: str) -> int:
    """Say what is wrong with the input, in one line."""
    last_words(message)
    return BAD_INPUT


def last_words(message: str) -> None:
    """Say in one line why this ends; of several processes that end, one does."""
    if may_speak():
        complain(f"topklm: {' '.join(message.split())}")


def reader_is_gone() -> int:
    """End well when whoever reads our output, `head` perhaps, has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK
