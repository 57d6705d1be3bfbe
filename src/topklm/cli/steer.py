"""`topklm steer`: change neurons while the model writes, next to what it writes otherwise."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import InputError
from .output import AsJson, RunPath, decimal, put, put_drawing, put_json, say, whole
from .read import fitting_index

if TYPE_CHECKING:
    from ..index import FeatureIndex
    from ..reports.steering import Piece
    from ..steering import Edit
    from ..steering.editing import Steering
    from ..steering.writing import Texts
    from ..training import Loaded


def steer(
    path: RunPath,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="How the text begins.", show_default=False)],
    set_to: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NEURON=STRENGTH",
            help="Set a neuron, as in L3/N17=4.0, or L3/N17=2x: twice the 99th percentile of its firings "
            "(needs an index). May be repeated, as may the next three.",
        ),
    ] = None,
    add: Annotated[list[str] | None, typer.Option(metavar="NEURON=STRENGTH", help="Add to a neuron.")] = None,
    scale: Annotated[list[str] | None, typer.Option(metavar="NEURON=FACTOR", help="Scale a neuron.")] = None,
    ablate: Annotated[list[str] | None, typer.Option(metavar="NEURON", help="Set a neuron to zero.")] = None,
    concept: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Steer towards a concept or a word: the neuron that raises its tokens most is set to 1x.",
        ),
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Write at a ladder of strengths, 0.25x to 4x.")
    ] = False,
    positions: Annotated[
        str, typer.Option(help="Tokens that are edited: all, prompt, generated, or a range such as 3:9.")
    ] = "all",
    before_topk: Annotated[
        bool, typer.Option("--before-topk", help="Edit before TopK chooses: the neuron competes for a place.")
    ] = False,
    keep_k: Annotated[
        bool, typer.Option("--keep-k", help="Keep k entries: drop the weakest of the others.")
    ] = False,
    edits: Annotated[Path | None, typer.Option(help="A file of edits, or a directory with one.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the edits to this file or directory.")] = None,
    texts: Annotated[int, whole("Texts of each kind.")] = 1,
    max_new_tokens: Annotated[int, whole("Tokens to write.")] = 80,
    temperature: Annotated[float, decimal("0: always the likeliest token; higher: more varied.")] = 0.8,
    seed: Annotated[int, whole("Seed of the choices; both sides have the same.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write on from PROMPT with neurons changed, side by side with the unchanged model.

    Tokens of the concept, or those that the neuron fires on most, are marked. Perplexity is the dense
    twin's where the run has one, else the unsteered model's own.
    """
    from ..steering.editing import own_index
    from ..steering.editing import steer as steered_by
    from ..steering.edits import load_edits, parse_edit, save_edits
    from ..steering.writing import Writer, fluency_model, ladder, top_tokens
    from ..training import load

    options: dict[str, Any] = {"positions": positions, "before_topk": before_topk, "keep_k": keep_k}
    given = {"set_to": set_to, "add": add, "scale": scale, "ablate": ablate}
    asked = [parse_edit(text, action, **options) for action, some in given.items() for text in some or []]
    if edits is not None and (positions != "all" or before_topk or keep_k):
        raise InputError(
            "--positions, --before-topk and --keep-k are for edits given here; the file says its own"
        )
    asked += load_edits(edits) if edits is not None else []
    if concept is not None and asked:
        raise InputError("choose one of --concept and edits of your own, not both")
    if concept is None and not asked:
        raise InputError(
            "nothing is steered; give --set L3/N17=2x, --add, --scale, --ablate, --edits or --concept"
        )
    loaded = load(path)
    needed = concept is not None or any(one.in_percentiles for one in asked)
    index = own_index(loaded) if needed else fitting_index(loaded)
    if concept is not None:
        asked, marked = edit_for(loaded, index, concept, options)
    else:
        marked = top_tokens(index, asked) if index is not None else []
    steps = [[one] for one in ladder(asked)] if sweep else [asked]
    steerings = [
        steered_by(loaded, step, index=index) for step in steps
    ]  # checked before anything is written
    judge, fluency = fluency_model(loaded.run, loaded.model)
    writer = Writer(
        loaded,
        prompt,
        fluency=fluency,
        marked=marked,
        count=texts,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
    )
    plain = writer.write()
    results = [(step, writer.write(steering)) for step, steering in zip(steps, steerings, strict=True)]
    if save is not None:
        say(f"edits are in {save_edits(asked, save)}")
    if as_json:
        about = {"run": path, "revision": loaded.run.revision, "seeds": [seed], "temperature": temperature}
        about |= {"concept": concept, "fluency": judge, "prompt": prompt}
        rows = [as_row(*one, steering) for one, steering in zip(results, steerings, strict=True)]
        texts_of = {"unsteered": plain.as_json(), "steered": rows}
        put_json({"format": "topklm.steered/1", **about, **texts_of})
        return
    pieces = Pieces(loaded, marked)
    for step, found in results:
        for place in range(texts):
            show(pieces, prompt, (plain, found), place, step, sweep=sweep)
    put(summary(plain, results, judge=judge, marks=bool(marked)))


def as_row(step: "list[Edit]", found: "Texts", steering: "Steering") -> dict[str, Any]:
    """Write the texts of one way of steering as JSON, its edits as given and in plain units."""
    edits = {"edits": step, "resolved": steering.rows[0]}
    return {**{name: [one.to_json() for one in some] for name, some in edits.items()}, **found.as_json()}


class Pieces:
    """Turns token ids into pieces of text, the marked ones marked."""

    def __init__(self, loaded: "Loaded", marked: list[int]) -> None:
        from ..data.tokenizer import token_bytes

        self.bytes, self.marked = token_bytes(loaded.tokenizer), frozenset(marked)

    def of(self, prompt: str, ids: list[int]) -> "list[Piece]":
        """Return the prompt, unmarked, and what was written after it."""
        from ..reports.steering import Piece

        written = [Piece(self.bytes[one].decode("utf-8", "replace"), one in self.marked) for one in ids]
        return [Piece(prompt), *written]


def show(
    pieces: Pieces,
    prompt: str,
    both: "tuple[Texts, Texts]",
    place: int,
    step: "list[Edit]",
    *,
    sweep: bool,
) -> None:
    """Print one text next to its unsteered twin; in a sweep, the steered one alone."""
    from ..reports.steering import draw_pair, draw_text

    left, right = (pieces.of(prompt, one.ids[place]) for one in both)
    title = ", ".join(map(str, step))
    if sweep:
        put_drawing(lambda colour, width: draw_text(title, right, colour=colour, width=width))
    else:
        put_drawing(
            lambda colour, width: draw_pair(("unsteered", title), (left, right), colour=colour, width=width)
        )
    put("")


def summary(plain: "Texts", results: "list[tuple[list[Edit], Texts]]", *, judge: str, marks: bool) -> str:
    """Draw the numbers of all texts as a table."""
    from ..reports.terminal import table
    from ..reports.text import amount

    rows = []
    for name, one in [("unsteered", plain), *((", ".join(map(str, step)), one) for step, one in results)]:
        tokens = sum(map(len, one.ids))
        counted = [f"{one.marked} of {tokens}"] if marks else [str(tokens)]
        rows.append((name, *counted, amount(one.perplexity), f"{one.distinct:.2f}"))
    head = ("", "marked tokens" if marks else "tokens", "perplexity", "distinct-2")
    return table(head, rows).plain + f"\nperplexity under {judge}"


def edit_for(
    loaded: "Loaded", index: "FeatureIndex | None", concept: str, options: dict[str, Any]
) -> "tuple[list[Edit], list[int]]":
    """Choose the neuron that raises a concept's tokens most, and say which tokens those are."""
    from ..core.site import Feature
    from ..steering.edits import Edit
    from .find import search

    if index is None:
        raise InputError(
            f"--concept needs an index to choose a neuron by; build one with: topklm index {loaded.run.path}"
        )
    finding = search(loaded, index, concept, lexicon=None)
    if not finding.features:
        raise InputError(f"no neuron of the index fires on or promotes {finding.asked}")
    best = finding.features[0]
    say(
        f"{finding.asked}: {best.feature} raises its tokens most of {len(finding.features)} candidates "
        f"({best.causes.value:+.4f} at {finding.strength:g}x); 'topklm find' shows all"
    )
    return [Edit(Feature.parse(best.feature), set_to="1x", **options)], list(finding.tokens)
