"""TopK layers as SAEs that SAELens loads: one identity SAE a layer, whose code is the hidden state.

    DIR/blocks.3.hook_resid_post/cfg.json, sae_weights.safetensors

Encoder and decoder are the identity, the biases zero. On the state that the block hands on, which has at
most k entries, `abstopk` (the k largest in size, signs kept) gives the state itself; where entries are
never negative (`topk_by` "positive"), `topk` does too. SAELens's `topk` sets negative entries to zero, so
for the other models it would lose some. Nothing here needs SAELens. Checked with SAELens 6.54.12.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ..core.errors import InputError
from ..core.files import write_json
from ..training import Run, load
from .tools import new_directory

SAELENS_VERSION = "6.54.12"
"""The version whose format is written; SAELens converts configurations that name none."""


def export_saelens(run: Run | Path | str, out: Path | str, *, name: str | None = None) -> list[Path]:
    """Write each TopK layer of a run as an SAE in SAELens's format to a new directory, whole or not at all.

    name: what the model is called in the SAEs' metadata; by default its absolute path, by which
    transformers and TransformerLens load it. Returns the SAEs' directories. Raises InputError for a dense
    run or an existing directory, RunError where the run cannot be loaded.

        export_saelens("runs/books", "books-saes")
        sae_lens.SAE.load_from_disk("books-saes/blocks.3.hook_resid_post")
    """
    loaded = load(run.path if isinstance(run, Run) else run)
    config = loaded.model.config
    if not config.topk_layers:
        raise InputError(
            f"{loaded.run.path} is a dense run: it has no TopK layer that is an SAE's code; train SAEs of it "
            f"with: topklm sae train {loaded.run.path}"
        )
    about = {
        "model_name": name or str(loaded.run.path.absolute()),
        "model_revision": loaded.run.revision,
        "context_size": config.max_position_embeddings,
    }
    with new_directory(Path(out)) as directory:
        for layer in config.topk_layers:
            write_identity(directory / hook_name(layer), config, layer, about)
    return [Path(out) / hook_name(layer) for layer in config.topk_layers]


def hook_name(layer: int) -> str:
    """Return TransformerLens's name for the residual stream after a block."""
    return f"blocks.{layer}.hook_resid_post"


def write_identity(directory: Path, config: Any, layer: int, about: dict[str, Any]) -> None:
    """Write the identity SAE of one layer. config: the TopK model's. about: more for its metadata."""
    directory.mkdir(parents=True)
    width = config.hidden_size
    metadata = {
        "sae_lens_version": SAELENS_VERSION,
        "sae_lens_training_version": None,
        "model_class_name": "AutoModelForCausalLM",
        "hook_name": hook_name(layer),
        "hf_hook_name": f"model.layers.{layer}",
        "hook_head_index": None,
        "prepend_bos": True,
        **about,
    }
    write_json(
        directory / "cfg.json",
        {
            "architecture": "topk" if config.topk_by == "positive" else "abstopk",
            "d_in": width,
            "d_sae": width,
            "k": config.k_at(layer),
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": True,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "rescale_acts_by_decoder_norm": False,
            "metadata": metadata,
        },
    )
    eye, zero = torch.eye(width), torch.zeros(width)
    weights = {"W_enc": eye, "W_dec": eye.clone(), "b_enc": zero, "b_dec": zero.clone()}
    save_file(weights, directory / "sae_weights.safetensors")
