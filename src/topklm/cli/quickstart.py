"""`topklm quickstart`: the whole idea in a few minutes: train, write, look at neurons."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import put, say
from .train import resume_run, start_run

if TYPE_CHECKING:
    from ..training import Loaded

NEURONS_SHOWN = 8
TOKENS_SHOWN = 6
READ_TOKENS = 16_384
ENOUGH_FIRINGS = 64


def quickstart(
    out: Annotated[Path, typer.Option(help="Where the run goes.")] = Path("runs/quickstart"),
) -> None:
    """Train a small TopK model, let it write, and show what some of its neurons stand for."""
    from ..evaluation.generation import write
    from ..training import load

    if (out / "train.json").is_file():
        resume_run(out)
    else:
        start_run(out, {}, preset="tiny", config=None)
    loaded = load(out)
    put("\nWhat it writes:\n")
    for seed in range(2):
        text = write(loaded.model, loaded.tokenizer, "", max_new_tokens=80, seed=seed)
        put("  " + "\n  ".join(text.strip().splitlines()) + "\n")
    layer = max(loaded.model.model.topk_modules())
    put(f"Some neurons of layer {layer}, and the tokens on which they fire most (share of activation):\n")
    for name, tokens in neuron_rows(loaded, layer):
        put(f"  {name:<9} {tokens}")
    put(
        f"\nNext: topklm info {out}\n"
        f"      topklm generate {out} 'One evening, Hanna'\n"
        f"      topklm eval {out}\n"
        f"      topklm stories --n 1 --show-labels\n"
        f"      topklm train --data your.txt --out runs/yours\n"
        f"      topklm train --config {out} --dense --out {out}/twin     (its dense twin)"
    )
    say(f"done: {out}")


def neuron_rows(loaded: "Loaded", layer: int) -> list[tuple[str, str]]:
    """Choose neurons by a rule, and list their tokens.

    The rule: of the neurons that fire at least 64 times in the text read (or as often as any
    does), those whose activation is spread over the fewest token types, each with another top
    token.
    """
    import torch

    from ..core.site import Neuron
    from ..data import Packed
    from ..metrics.tokens import token_entropy, token_mass, top_tokens
    from ..model import SparseCodes

    model, tokenizer, run = loaded
    context = model.config.max_position_embeddings
    ids = torch.from_numpy(Packed.open(run.path / "data", "validation").tokens[:READ_TOKENS].astype("int64"))
    ids = ids[: len(ids) // context * context].view(-1, context)
    codes = SparseCodes.cat([model.codes(rows)[layer] for rows in ids.split(32)])
    mass = token_mass(codes, ids.flatten(), vocabulary=len(tokenizer))
    entropy = token_entropy(mass)
    firings = torch.bincount(codes.indices.long(), minlength=codes.width)
    entropy[firings < min(ENOUGH_FIRINGS, int(firings.max()))] = torch.nan
    rows: list[tuple[str, str]] = []
    seen: set[int] = set()
    for feature in entropy.argsort().tolist():
        if entropy[feature].isnan() or len(rows) == NEURONS_SHOWN:
            break
        best = top_tokens(mass, feature, TOKENS_SHOWN)
        if best[0][0] not in seen:
            seen.add(best[0][0])
            rows.append((str(Neuron(layer, feature)), "  ".join(_shown(tokenizer, *one) for one in best)))
    return rows


def _shown(tokenizer: Any, token: int, share: float) -> str:
    return f"{tokenizer.decode([token])!r} {share:.0%}"
