"""`topklm quickstart`: the whole idea in a few minutes: train, write, look at neurons."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import InputError
from .output import AsJson, put, put_json, say
from .train import resume_run, start_run

if TYPE_CHECKING:
    from ..training import Loaded

NEURONS_SHOWN = 8
TEXTS_SHOWN = 2
TEXT_TOKENS = 100
TOKENS_SHOWN = 6
READ_TOKENS = 16_384
ENOUGH_FIRINGS = 64
COMMON_SHARE = 0.05


def quickstart(
    out: Annotated[Path, typer.Option(help="Where the run goes.")] = Path("runs/quickstart"),
    as_json: AsJson = False,
) -> None:
    """Train a small TopK model, let it write, and show what some of its neurons stand for."""
    from ..evaluation.generation import write
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
    layer = max(layers)
    rows = neuron_rows(loaded, layer)
    if as_json:
        neurons = [{"neuron": name, "tokens": dict(tokens)} for name, tokens in rows]
        content = {"format": "topklm.quickstart/1", "run": str(out), "revision": loaded.run.revision}
        put_json({**content, "seeds": [loaded.run.settings.seed], "texts": texts, "neurons": neurons})
        return
    put("\nWhat it writes:\n")
    for text in texts:
        put(textwrap.indent(textwrap.fill(text, 96), "  ") + "\n")
    put(f"Some neurons of layer {layer}, the tokens on which they fire, and each token's share:\n")
    for name, tokens in rows:
        put(f"  {name:<9} {'  '.join(f'{token!r} {share:.0%}' for token, share in tokens)}")
    put(
        f"\nNext: topklm info {out}\n"
        f"      topklm generate {out} 'One evening, Hanna'\n"
        f"      topklm eval {out}\n"
        f"      topklm stories --n 1 --show-labels\n"
        f"      topklm train --data your.txt --out runs/yours\n"
        f"      topklm train --config {out} --dense --out {out}/twin     (its dense twin)"
    )
    say(f"done: {out}")


def neuron_rows(loaded: "Loaded", layer: int) -> list[tuple[str, list[tuple[str, float]]]]:
    """Choose neurons by a rule, and list their tokens.

    The rule: of the neurons that fire at least 64 times in the text read (in a short one, an eighth
    of the most), and above all on a token outside the commonest 5 % of types, those whose activation
    is spread over the fewest token types, each with another top token. Where no neuron prefers such a
    token, any will do.
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
    entropy[firings < min(ENOUGH_FIRINGS, int(firings.max()) // 8)] = torch.nan
    by_use = torch.bincount(ids.flatten(), minlength=len(tokenizer)).argsort(descending=True)
    common = set(by_use[: int(COMMON_SHARE * len(by_use))].tolist())
    ordered = entropy.argsort()[: int((~entropy.isnan()).sum())].tolist()
    best = {feature: top_tokens(mass, feature, TOKENS_SHOWN) for feature in ordered}
    telling = [feature for feature in ordered if best[feature][0][0] not in common] or ordered
    first_of = {best[feature][0][0]: feature for feature in reversed(telling)}  # the narrowest for each
    chosen = [feature for feature in telling if first_of[best[feature][0][0]] == feature]
    return [
        (str(Neuron(layer, feature)), [(tokenizer.decode([token]), share) for token, share in best[feature]])
        for feature in chosen[:NEURONS_SHOWN]
    ]
