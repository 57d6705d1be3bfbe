"""`topklm quickstart`: the whole idea in a few minutes: train, write, look at neurons."""

import textwrap
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import InputError
from .output import AsJson, error_console, put, put_drawing, put_json, say
from .train import resume_run, start_run

if TYPE_CHECKING:
    from rich.text import Text

    from ..index import FeatureIndex
    from ..reports.card import Bin, Card

TEXTS_SHOWN = 2
TEXT_TOKENS = 100
ENOUGH_FIRINGS = 64
TENTHS = (1, 5, 9)
LISTED = 8
BINS_SHOWN = 3


def quickstart(
    out: Annotated[Path, typer.Option(help="Where the run goes.")] = Path("runs/quickstart"),
    as_json: AsJson = False,
) -> None:
    """Train a small TopK model, let it write, index its neurons, and show three of them."""
    from ..evaluation.generation import write
    from ..index import build_index
    from ..training import load

    if (out / "train.json").is_file():
        resume_run(out)
    else:
        start_run(out, {}, preset="tiny", config=None)
    loaded = load(out)
    layers = loaded.model.model.topk_modules()
    if not layers:
        raise InputError(f"{out} holds a dense run, which has no neurons to show; choose another --out")
    texts = [
        write(loaded.model, loaded.tokenizer, "", max_new_tokens=TEXT_TOKENS, seed=seed).strip()
        for seed in range(TEXTS_SHOWN)
    ]
    index = build_index(loaded, say=say, console=error_console())
    cards = [index.card(name) for name in three_neurons(index)]
    if as_json:
        content = {"format": "topklm.quickstart/2", "run": str(out), "revision": loaded.run.revision}
        found = {"n_tokens": index.n_tokens, "texts": texts, "cards": [asdict(card) for card in cards]}
        put_json({**content, "seeds": [loaded.run.settings.seed], **found})
        return
    show(out, index, texts, cards)
    say(f"done: {out}")


def show(out: Path, index: "FeatureIndex", texts: list[str], cards: "list[Card]") -> None:
    """Print what the model writes, the neurons chosen, and what to try next."""
    put("\nWhat it writes:\n")
    for text in texts:
        put(textwrap.indent(textwrap.fill(text, 96), "  ") + "\n")
    rule = (
        f"Three neurons of layer {index.layout.sites[-1]}, chosen by rule: of those that fire often, in the "
        "order of their top token's share, the one a tenth from the start, the middle one, the one a tenth "
        "from the end."
    )
    put(textwrap.fill(rule, 96) + "\n")
    for card in cards:
        put_drawing(partial(draw_few, card))
        put("")
    put(
        f"Next: topklm neuron {out} {cards[0].feature if cards else 'L0/N0'} --html neuron.html\n"
        f"      topklm neurons {out} --search dog\n"
        f"      topklm read {out} 'One evening, Hanna'\n"
        f"      topklm generate {out} 'One evening, Hanna'\n"
        f"      topklm eval {out}\n"
        f"      topklm stories --n 1 --show-labels\n"
        f"      topklm train --data your.txt --out runs/yours\n"
        f"      topklm train --config {out} --dense --out {out}/twin     (its dense twin)"
    )


def draw_few(card: "Card", colour: bool, width: int | None) -> "Text":
    """Draw a card with few examples, so that three fit on a screen or two."""
    from ..reports.terminal import draw_card

    few = replace(card, bins=spread(card.bins))
    return draw_card(few, colour=colour, width=width, examples=1, top=LISTED)


def spread(bins: "tuple[Bin, ...]") -> "tuple[Bin, ...]":
    """Take a few bins of all, from the strongest to the weakest."""
    steps = max(1, min(BINS_SHOWN, len(bins)) - 1)
    return tuple(
        bins[place] for place in sorted({step * (len(bins) - 1) // steps for step in range(steps + 1)})
    )


def three_neurons(index: "FeatureIndex") -> list[str]:
    """Choose neurons to show by a rule, so that nobody picks the pretty ones.

    The rule: the live neurons of the last TopK layer that fire at least 64 times (in a short text, an
    eighth of the most), in the order of how narrow they are, that is, the share of their top token. Of
    these the one a tenth of the way from the narrowest, the middle one, and the one a tenth from the end.
    """
    last = index.layout.sites[-1]
    rows = index.features(where=f"site = {last} and firings > 0", sort="-top_token_share")
    enough = min(ENOUGH_FIRINGS, max((row["firings"] for row in rows), default=0) // 8)
    often = [row["feature"] for row in rows if row["firings"] >= enough and row["status"] == "live"]
    places = sorted({len(often) * tenth // 10 for tenth in TENTHS})
    return [often[place] for place in places if place < len(often)]
