"""SAEs for the terminal: how their training ended, and how good they are."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from .terminal import table


def draw_trained(sets: Sequence[Mapping[str, Any]]) -> Text:
    """Say of each SAE how its training ended. sets: what `sae.json` of each set holds."""
    lines = []
    for about in sets:
        for site, one in about["saes"].items():
            end = one["curve"][-1]
            flat = "flat" if one["flat"] else "not flat"
            lines.append(
                f"{about['name']} layer {site}: {one['tokens']:,} tokens, {one['seconds']:.1f} s, explained "
                f"variance {end['explained_variance']:.3f} ({flat}), {end['dead']:.1%} dead"
            )
    return Text("\n".join(lines))


def draw_quality(found: Sequence[Any]) -> Text:
    """Draw the quality of all sources as a table, and say what it was measured on."""
    head = (
        "source",
        "layer",
        "features",
        "explained variance",
        "CE score",
        "loss",
        "model's",
        "L0",
        "dead",
        "rare",
    )
    rows = []
    for one in found:
        measured = one.measured
        numbers = [
            f"{part.value:.3f} [{part.low:.3f}, {part.high:.3f}]"
            for part in (measured.explained_variance, measured.ce_score)
        ]
        numbers += [
            f"{measured.loss.value:.3f}",
            f"{measured.model_loss.value:.3f}",
            f"{measured.l0.value:.1f}",
            f"{measured.dead:.1%}",
            f"{measured.rare:.1%}",
        ]
        rows.append((one.source, str(measured.site), f"{one.width:,}", *numbers))
    first = found[0].measured
    about = f"{first.n_tokens:,} held-out tokens, {first.n_documents:,} documents"
    return Text("\n").join([table(head, rows), Text(f"{about}; intervals: 95 % over documents")])
