"""Write the cards of TopK neurons beside those of SAE latents for the same concepts, chosen by a rule.

python examples/neurons_beside_latents.py RUN cards.md ["Whose texts these are."]

It needs an index of the neurons and of each SAE, and the concepts measured in all of them:

    topklm index RUN; topklm index RUN --source sae_1x
    topklm metrics RUN --source topk --source sae_1x

The rule: of the concepts that a feature of any of these sources tells with a held-out F1 of 0.5 or more, in
the order of that F1, six equal stretches are made and one concept is drawn from each with a seeded generator.
For each concept every source shows the feature that tells it best. So no source chooses, and nobody picks the
pretty ones.
"""

import random
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from topklm import FeatureIndex, InputError
from topklm.core.files import write_text
from topklm.reports.terminal import draw_card

CONCEPTS = 6
LABELLED = 0.5
SEED = 0
WIDTH = 104


class Best(NamedTuple):
    """The feature of a source that tells a concept best, by held-out F1."""

    feature: str
    f1: float


def open_indexes(run: Path) -> list[FeatureIndex]:
    """Open the run's own index, and those of its SAEs. Raises InputError where one is missing."""
    paths = sorted(path for path in run.glob("index-sae_*") if (path / "index.json").is_file())
    if not (run / "index" / "index.json").is_file() or not paths:
        raise InputError(f"{run} needs an index of its neurons and one of an SAE; see the top of this script")
    return [FeatureIndex.open(path) for path in (run / "index", *paths)]


def best_features(index: FeatureIndex) -> dict[str, Best]:
    """Find the best feature for each concept. Raises InputError where none were measured."""
    rows: list[dict[str, Any]] = index.ask(
        "SELECT concept, site, index, f1 FROM concepts WHERE f1 IS NOT NULL AND NOT isnan(f1) "
        "ORDER BY f1, site DESC, index DESC"
    ).to_pylist()
    if not rows:
        raise InputError(
            f"{index.path} knows no concepts yet; measure them with: topklm metrics RUN --source ..."
        )
    return {row["concept"]: Best(str(index.kind(row["site"], row["index"])), row["f1"]) for row in rows}


def choose(tables: list[dict[str, Best]], count: int, seed: int) -> list[str]:
    """Draw concepts by the rule, the one that is told best first."""
    shared = set.intersection(*(set(table) for table in tables))
    height = {concept: max(table[concept].f1 for table in tables) for concept in shared}
    told = sorted((one for one in shared if height[one] >= LABELLED), key=lambda one: (-height[one], one))
    generator = random.Random(seed)
    wanted = min(count, len(told))
    return [
        generator.choice(told[part * len(told) // wanted : (part + 1) * len(told) // wanted])
        for part in range(wanted)
    ]


def main(run: str, path: str, texts: str = "", count: int = CONCEPTS, seed: int = SEED) -> None:
    """Choose, and write the Markdown document. texts: a sentence on them, put below the rule."""
    indexes = open_indexes(Path(run))
    tables = [best_features(index) for index in indexes]
    chosen = choose(tables, count, seed)
    shared = len(set.intersection(*(set(table) for table in tables)))
    sizes = ", ".join(f"{index.source} has {index.layout.features:,}" for index in indexes)
    note = (
        f"Chosen by rule: of the {shared} concepts that were measured in all sources, those that some "
        f"feature tells with a held-out F1 of {LABELLED} or more, in the order of that F1, were cut into "
        f"{len(chosen)} equal stretches, and one was drawn from each with seed {seed}. Each source shows the "
        f"feature that tells the concept best. {indexes[0].n_tokens:,} tokens. A best of more features is a "
        f"best of more draws: {sizes}."
    )
    parts = ["# Neurons beside latents", *(textwrap.fill(one, WIDTH) for one in (note, texts) if one)]
    for concept in chosen:
        parts.append(f"## {concept}")
        for index, table in zip(indexes, tables, strict=True):
            best = table[concept]
            drawn = draw_card(index.card(best.feature), colour=False, width=WIDTH, examples=1, top=8).plain
            parts.append(f"### {index.source}: {best.feature}, held-out F1 {best.f1:.2f}")
            parts.append("\n".join(f"    {line}".rstrip() for line in drawn.split("\n")))
    write_text(Path(path), "\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:4])
