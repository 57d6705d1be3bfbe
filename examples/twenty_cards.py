"""Write the cards of twenty neurons, chosen by a rule, as one document.

python examples/twenty_cards.py RUN cards.html      (or cards.md)

The rule: the live neurons of each TopK layer, in the order of density, are cut into as many equal
stretches as the layer has cards, and one is drawn from each stretch with a seeded generator. So the cards
are spread evenly over layers and over how often neurons fire, and nobody picks the pretty ones.
"""

import random
import sys
import textwrap
from pathlib import Path

from topklm import FeatureIndex
from topklm.core.files import write_text
from topklm.reports.page import page
from topklm.reports.terminal import draw_card
from topklm.training.shipped import run_directory

CARDS = 20
SEED = 0
WIDTH = 104


def choose(index: FeatureIndex, count: int, seed: int) -> list[str]:
    """Draw `count` live neurons by the rule, layer after layer, the most frequent first."""
    generator = random.Random(seed)
    sites = index.layout.sites
    chosen = []
    for place, site in enumerate(sites):
        live = [
            row["feature"]
            for row in index.features(sort="-density", where=f"site = {site} and status = 'live'")
        ]
        wanted = min(count // len(sites) + (place < count % len(sites)), len(live))
        for part in range(wanted):
            chosen.append(
                generator.choice(live[part * len(live) // wanted : (part + 1) * len(live) // wanted])
            )
    return chosen


def main(run: str, path: str, count: int = CARDS, seed: int = SEED) -> None:
    """Choose, and write the document: Markdown or HTML by its ending."""
    index = FeatureIndex.open(run_directory(run) / "index")
    names = choose(index, count, seed)
    title = f"{len(names)} neurons"
    note = (
        "Chosen by rule: the live neurons of each TopK layer, in the order of density, are cut into as many "
        f"equal stretches as the layer has cards, and one is drawn from each, with seed {seed}. "
        f"{index.n_tokens:,} tokens, model {index.revision[:12]}. No controls stand beside them: they show "
        "what neurons look like and prove nothing."
    )
    cards = [index.card(name) for name in names]
    if Path(path).suffix == ".html":
        text = page(cards, title=title, note=note)
    else:
        parts = [f"# {title}", textwrap.fill(note, WIDTH)]
        for card in cards:
            drawn = draw_card(card, colour=False, width=WIDTH, examples=1, top=8).plain
            parts += [f"## {card.feature}", "\n".join(f"    {line}".rstrip() for line in drawn.split("\n"))]
        text = "\n\n".join(parts) + "\n"
    write_text(Path(path), text)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
