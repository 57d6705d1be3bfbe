"""`topklm find`: features for a word, a concept, or texts, by what they fire on and by what they do."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import InputError
from .output import AsJson, RunPath, decimal, name_of, put_drawing, put_json, say, whole

if TYPE_CHECKING:
    from ..index import FeatureIndex
    from ..steering.find import Finding
    from ..training import Loaded

MOST_TEXTS = 200
Lexicon = Annotated[
    Path | None,
    typer.Option(
        help="A lexicon, .yaml or .csv, to take concepts from; default: the stories' own concepts for a run "
        "trained on stories, general English for any other."
    ),
]


def find(
    path: RunPath,
    words: Annotated[
        str | None, typer.Argument(metavar="WORDS", help="A word or phrase.", show_default=False)
    ] = None,
    concept: Annotated[str | None, typer.Option(metavar="NAME", help="A concept instead of words.")] = None,
    having: Annotated[
        Path | None, typer.Option("--with", help="Instead of words: a file of texts that have it ...")
    ] = None,
    lacking: Annotated[
        Path | None, typer.Option("--without", help="... and a file of texts that have it not.")
    ] = None,
    strength: Annotated[
        float, decimal("Strength at which the effect is measured, in 99th percentiles.")
    ] = 1.0,
    limit: Annotated[int, whole("Features shown.")] = 15,
    lexicon: Lexicon = None,
    as_json: AsJson = False,
) -> None:
    """Find neurons to steer with, ranked by what raising them does to the output.

    Beside that stands how well they fire on what was asked for: the two often differ. As reference, the
    direction that the difference of mean states gives, for each layer. Needs an index: topklm index RUN.
    """
    from ..steering.contrast import find_by_texts
    from ..steering.editing import own_index, source_for
    from ..training import load

    if (words is not None) + (concept is not None) + (having is not None or lacking is not None) != 1:
        raise InputError("give one of: words, --concept NAME, or --with FILE --without FILE")
    if (having is None) != (lacking is None):
        raise InputError("give both --with FILE and --without FILE: what tells them apart is looked for")
    if lexicon is not None and having is not None:
        raise InputError("--lexicon goes with --concept: with --with and --without texts say what is meant")
    if not 0 < strength <= 1000:
        raise InputError(f"strength={strength:g} is not allowed; choose above 0 and at most 1000")
    if limit < 1:
        raise InputError(f"limit={limit} is not allowed; choose 1 or more")
    loaded = load(path)
    index = own_index(loaded)
    if index is None:
        raise InputError(f"{path} has no index yet; build one with: topklm index {path}")
    if having is not None and lacking is not None:
        texts = [documents(file) for file in (having, lacking)]
        finding = find_by_texts(source_for(loaded), index, texts[0], texts[1], strength=strength)
    else:
        finding = search(
            loaded,
            index,
            words or concept or "",
            lexicon=lexicon,
            by_word=words is not None,
            strength=strength,
        )
    if as_json:
        put_json(as_rows(path, loaded, index, finding))
        return
    from ..reports.steering import draw_finding

    put_drawing(lambda _, width: draw_finding(finding, limit=limit))
    best = finding.features[0].feature if finding.features else ""
    if best:
        say(f"try: topklm steer {name_of(path)} 'One evening' --set {best}=1x")


def search(
    loaded: "Loaded",
    index: "FeatureIndex",
    asked: str,
    *,
    lexicon: Path | None,
    by_word: bool | None = None,
    strength: float = 1.0,
) -> "Finding":
    """Find features for a word or a concept; by_word None: a concept if there is one of that name."""
    from ..concepts import resolve_name
    from ..steering.concepts import judge_for, labelled_text
    from ..steering.editing import source_for
    from ..steering.find import find_by_concept, find_by_word

    source = source_for(loaded)
    judge = judge_for(loaded.run, lexicon)
    names = judge.labeller.names
    if by_word is None:
        by_word = asked not in names and not any(name.partition(":")[2] == asked for name in names)
    if by_word:
        return find_by_word(source, index, asked, strength=strength)
    name = resolve_name(names, asked)
    say(f"labelling the text of {index.path} ({judge.name})")
    text = labelled_text(index, loaded.run, loaded.tokenizer, judge)
    return find_by_concept(source, index, text, name, strength=strength)


def documents(path: Path) -> list[str]:
    """Read the texts of a file: documents as a corpus has them; of a plain text file, its lines."""
    from itertools import islice

    from ..data import load_corpus

    if path.suffix == ".txt" and path.is_file():
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        found = [line for line in lines if line.strip() and line.strip() != "<|endoftext|>"]
    else:
        found = [one.text for one in islice(load_corpus(str(path)).documents(), MOST_TEXTS)]
    if len(found) > MOST_TEXTS:
        say(f"{path}: the first {MOST_TEXTS} of {len(found)} texts are read")
    return found[:MOST_TEXTS]


def as_rows(path: str, loaded: "Loaded", index: "FeatureIndex", finding: "Finding") -> dict[str, Any]:
    """Write a finding as JSON."""

    def row(one: Any) -> dict[str, Any]:
        return {**vars(one), "causes": one.causes.as_json()}

    return {
        "format": "topklm.find/1",
        "run": path,
        "revision": loaded.run.revision,
        "n_tokens": index.n_tokens,
        "asked": finding.asked,
        "fires": finding.fires,
        "causes": finding.causes,
        "strength": finding.strength,
        "n_contexts": finding.n_contexts,
        "tokens": list(finding.tokens),
        "features": [row(one) for one in finding.features],
        "references": [row(one) for one in finding.references],
    }
