"""What a run trains on: corpora found, tokenizer made, both parts packed."""

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ..core.errors import CorpusError, InputError
from ..core.files import write_json
from ..core.progress import counted
from ..data import Packed, load_corpus, load_tokenizer, pack
from ..data.corpus import Corpus, is_built_in, is_stories, validation_files
from ..data.tokenizer import fingerprint
from .run import Run, load_run_tokenizer
from .settings import TrainSettings

Say = Callable[[str], None]


def find_corpora(settings: TrainSettings) -> tuple[Corpus, Corpus]:
    """Find the training and the validation corpus; nothing is read yet."""
    corpus = load_corpus(settings.data)
    if settings.validation is not None:
        return corpus, load_corpus(settings.validation, part="validation")
    if validation_files(settings.data):
        return corpus, load_corpus(settings.data, part="validation")
    return corpus.split()


def held_out_corpus(run: Run) -> Corpus:
    """Find a run's validation corpus. Raises CorpusError where a shipped run's text is not here."""
    try:
        return find_corpora(run.settings)[1]
    except InputError as error:
        raise CorpusError(
            f"the held-out text of {run.path} is not here ({error}); name a text with --data"
        ) from None


def trained_on(run: Run, data: Sequence[str]) -> list[str]:
    """List which of some specifications name a text that a run was trained on: told by seeds and files."""
    # a run keeps files by absolute path; a relative one is what a shipped run's text was called elsewhere
    there = [one for one in run.settings.data if Path(one).is_absolute() or not Path(one).is_file()]
    trained = set().union(*(_named(one, "train") for one in there))
    return [one for one in data if _named(one, "validation") & trained]


def unlearnt_stories(run: Run) -> int:
    """Return the first seed from 1 on whose stories a run was not trained on."""
    return next(seed for seed in itertools.count(1) if not trained_on(run, [f"stories:{seed}"]))


def _named(spec: str, part: str) -> set[str]:
    """Name what a specification stands for: its files, or itself; nothing where its files are gone."""
    if is_stories(spec):
        seed = spec.partition(":")[2] or "0"
        return {f"stories:{int(seed)}" if seed.isdecimal() else spec}
    if is_built_in(spec):
        return {spec}
    try:
        return {str(path.resolve()) for path in load_corpus(spec, part=part).files} or {spec}
    except InputError:
        return set()


def with_absolute_paths(settings: TrainSettings) -> TrainSettings:
    """Replace the paths of existing files, so that the run can be resumed from anywhere."""

    def absolute(spec: str) -> str:
        # not resolved: a cache of the hub has links of known endings to files without one
        return os.path.abspath(spec) if spec and Path(spec).exists() else spec  # noqa: PTH100

    def corpus(spec: str) -> str:
        return spec if is_built_in(spec) else absolute(spec)

    validation = settings.validation
    return replace(
        settings,
        data=[corpus(one) for one in settings.data],
        validation=None if validation is None else [corpus(one) for one in validation],
        tokenizer=absolute(settings.tokenizer),
        source=absolute(settings.source),
    )


def prepare(
    run: Run,
    corpora: tuple[Corpus, Corpus] | None,
    *,
    say: Say = lambda message: None,
    console: Console | None = None,
) -> tuple[Any, Packed, Packed]:
    """Get the tokenizer and the packed parts, or what is left to do of them, and note their hashes.

    What is packed already is not read again, so a run can be resumed without its corpus.
    """
    settings = run.settings
    if "corpus" in run.about:
        tokenizer = load_run_tokenizer(run)
        parts = [
            _noted_part(run, name, place, tokenizer, say=say, console=console)
            for place, name in enumerate(("train", "validation"))
        ]
        return tokenizer, parts[0], parts[1]
    if corpora is None:
        corpora = find_corpora(settings)
    if "tokenizer_sha256" in run.about:
        tokenizer = load_run_tokenizer(run)
    else:
        say(f"tokenizer: {settings.tokenizer}, from {', '.join(settings.data)}")
        try:
            tokenizer = load_tokenizer(settings.tokenizer, corpus=corpora[0])
        except CorpusError as error:
            raise _with_its_cause(error, corpora[0]) from None
        tokenizer.model_max_length = settings.context
        tokenizer.save_pretrained(run.path)
        run.about["tokenizer_sha256"] = fingerprint(tokenizer)
        write_json(run.path / "train.json", run.about)
    packed = {
        name: _packed_part(run, name, corpus, tokenizer, console=console)
        for name, corpus in zip(("train", "validation"), corpora, strict=True)
    }
    run.about["corpus"] = {name: part.about for name, part in packed.items()}
    write_json(run.path / "train.json", run.about)
    return tokenizer, packed["train"], packed["validation"]


def text_of_source(settings: TrainSettings) -> int:
    """Return how many tokens of an endless text a converted run's original read, if it is the same text.

    A conversion reads no less of it, so that its held-out part is the original's too. Otherwise 0.
    """
    own = settings_of(settings.source)
    return own.tokens if own is not None and own.data == settings.data else 0


def settings_of(source: str) -> TrainSettings | None:
    """Return the settings of a pretrained model that is a run of ours."""
    return Run(source).settings if source and (Path(source) / "train.json").is_file() else None


def _noted_part(
    run: Run, name: str, place: int, tokenizer: Any, *, say: Say, console: Console | None
) -> Packed:
    """Open a part that the run trains on; damaged or gone, pack it anew from the same text.

    Raises CorpusError where the text is gone too, or has changed.
    """
    noted = run.about["corpus"][name]["tokens_sha256"]
    try:
        part = Packed.open(run.path / "data", name)
        problem = "is of another text"
    except InputError as error:
        part, problem = None, f"cannot be used ({error})"
    if part is not None and part.about["tokens_sha256"] == noted:
        return part
    say(f"the packed {name} part {problem}: packing it again")
    try:
        corpus = find_corpora(run.settings)[place]
    except CorpusError as error:
        raise CorpusError(f"the packed {name} part {problem}, and its text is not here: {error}") from None
    (run.path / "data" / f"{name}.json").unlink(missing_ok=True)  # what is there is not this text
    part = _packed_part(run, name, corpus, tokenizer, console=console)
    if part.about["tokens_sha256"] != noted:
        raise CorpusError(
            f"the packed {name} part was lost, and {', '.join(corpus.spec)} no longer gives the same text"
        )
    return part


def _with_its_cause(error: CorpusError, training: Corpus) -> CorpusError:
    """Say where a training corpus is empty because all of the text is held out."""
    whole = replace(training, keep=None)
    if "is empty" not in str(error) or next(whole.documents(), None) is None:
        return error
    return CorpusError(
        "every document fell into the 2 % held out for validation: the corpus is too small; give more text, "
        "or held-out text with --validation"
    )


def _packed_part(run: Run, name: str, corpus: Corpus, tokenizer: Any, *, console: Console | None) -> Packed:
    settings = run.settings
    limit = None
    if corpus.endless:
        wanted = max(settings.tokens, text_of_source(settings))
        share = max(8 * settings.context, min(wanted // 50, 1_000_000))
        limit = wanted if name == "train" else share
    try:
        with counted(console, f"packing {name}", unit="tokens", total=limit) as report:
            part = pack(corpus, tokenizer, run.path / "data", name, max_tokens=limit, report=report)
    except CorpusError as error:
        if name == "validation" and "is empty" in str(error) and settings.validation is None:
            raise CorpusError(
                "no document fell into the 2 % held out for validation: the corpus is too small; "
                "give held-out text with --validation"
            ) from None
        if name == "train":
            raise _with_its_cause(error, corpus) from None
        raise
    if len(part.tokens) < settings.context:
        raise CorpusError(
            f"the {name} part has {len(part.tokens)} tokens, less than one block of "
            f"{settings.context}; give more text"
            + (
                " or a smaller --context"
                if name == "train"
                else ", held-out text with --validation, or a smaller --context"
            )
        )
    return part
