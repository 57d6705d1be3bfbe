"""Pretrained models as a start: find a checkpoint, say what is wrong with it, carry its weights over."""

import re
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, LlamaForCausalLM, set_seed

from ..core.errors import InputError, RunError, first_line
from ..core.files import PARTIAL, damage, read_json, seal
from ..core.hub import hub_answers, pretrained_place
from ..data.tokenizer import as_config, end_ids, vocabulary_size
from ..model import TopKLMConfig, TopKLMForCausalLM
from .run import WEIGHTS, Run, loading, quiet_transformers
from .settings import TrainSettings

STORED = "source"
"""The run's own copy of the original, while it trains: a run goes on wherever it lies."""
KEPT = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "hidden_act", "initializer_range", "rms_norm_eps", "pad_token_id",
    "bos_token_id", "eos_token_id", "tie_word_embeddings", "rope_parameters", "attention_bias", "mlp_bias",
    "attention_dropout",
)  # fmt: skip
"""What of an original's configuration its TopK model has too."""
SIZES = {
    "width": "hidden_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "head_dim": "head_dim",
    "mlp": "intermediate_size",
}
ROPES = ("default", "linear", "llama3")
"""Rotary positions that do not change with the longest text a model is configured for."""
DIFFERENCES = {
    "gpt2": "learned positions, layer norms with biases, an MLP without a gate",
    "gpt_neox": "attention and MLP side by side, layer norms with biases",
    "opt": "learned positions, layer norms with biases, an MLP without a gate",
    "bloom": "positions by linear biases, layer norms with biases",
    "falcon": "attention and MLP side by side",
    "mistral": "attention over a sliding window",
    "mixtral": "experts in place of the MLP",
    "qwen2": "biases in the attention's inputs alone",
    "qwen3": "norms on queries and keys",
    "gemma": "scaled embeddings, norms with another gain",
    "gemma2": "scaled embeddings, norms after as well as before each part",
    "gemma3": "scaled embeddings, norms after as well as before each part",
    "phi3": "fused projections",
    "olmo2": "norms after each part instead of before",
}


def pretrained_config(source: str) -> Any:
    """Read the configuration of a pretrained model, and check that its weights can be carried over.

    source: a directory, a GGUF file, or a name on the hub (with a GGUF file of it: OWNER/NAME/FILE.gguf).
    Returns a LlamaConfig, or the TopKLMConfig of a dense run. Raises InputError where there is no such
    checkpoint, a file of it is missing, its architecture is not Llama's, or it is quantized otherwise.
    """
    place, gguf = pretrained_place(source)
    directory = Path(place)
    if directory.exists():
        _check_files(source, directory, gguf.get("gguf_file"))
    elif not re.fullmatch(r"[\w.-]+/[\w.-]+", place) or place.startswith("."):
        raise InputError(
            f"there is no checkpoint {source}; give a directory, a GGUF file, or OWNER/NAME of the hub"
        )
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(place, **gguf, local_files_only=_offline(place))
    except Exception as error:  # transformers, gguf and the hub's client each raise their own
        raise InputError(_unreadable(source, place, error)) from None
    _check_architecture(source, config)
    return config


def _check_files(source: str, directory: Path, gguf: str | None) -> None:
    """Raise InputError where a local checkpoint lacks a file, or is of another architecture."""
    if directory.is_file():
        raise InputError(f"{source} is a file; give the checkpoint's directory, or a .gguf file")
    if gguf is not None:
        if not (directory / gguf).is_file():
            raise InputError(f"{source} does not exist")
        return
    if not (directory / "config.json").is_file():
        if (directory / "train.json").is_file():
            raise RunError(f"{source} is not finished; go on with: topklm train --resume --out {source}")
        found = sorted(path.name for path in directory.glob("*.gguf"))
        hint = f"; it has {found[0]}: add --gguf-file {found[0]}" if found else ""
        raise InputError(f"{source} is no checkpoint: it has no config.json{hint}")
    content = read_json(directory / "config.json")
    if not isinstance(content, dict):
        raise InputError(f"{directory / 'config.json'} is no JSON object")
    _check_kind(source, str(content.get("model_type")))
    if "quantization_config" in content:
        raise InputError(f"{source} is quantized; give the whole weights, or a GGUF file")
    index = directory / f"{WEIGHTS}.index.json"
    if index.is_file():
        shards = sorted(set(_weight_map(index).values()))
        missing = [name for name in shards if not (directory / name).is_file()]
        if missing:
            raise InputError(
                f"{source} lacks {len(missing)} of its {len(shards)} shards: {', '.join(missing[:3])}"
                + (", ..." if len(missing) > 3 else "")
            )
        return
    if not (directory / WEIGHTS).is_file():
        pickled = next(directory.glob("*.bin"), None)
        hint = (
            f"; {pickled.name} is a pickle, which is never loaded: save it as safetensors" if pickled else ""
        )
        raise InputError(f"{source} has no weights: neither {WEIGHTS} nor its shards are there{hint}")


def _weight_map(index: Path) -> dict[str, str]:
    """Read which shard has which weight. Raises InputError where the file does not say it."""
    content = read_json(index)
    found = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise InputError(f"{index} is damaged: it has no weight_map of names")
    return found


def _check_kind(source: str, kind: str) -> None:
    if kind in ("llama", "topklm"):
        return
    why = f" ({DIFFERENCES[kind]})" if kind in DIFFERENCES else ""
    raise InputError(
        f"{source} is a {kind} model{why}; convert takes model type llama (Llama, SmolLM2, TinyLlama, ...) "
        "and our own dense runs, because a TopK model computes exactly what Llama's blocks do"
    )


def _check_architecture(source: str, config: Any) -> None:
    _check_kind(source, config.model_type)
    if getattr(config, "topk_layers", None):
        raise InputError(f"{source} has TopK layers already; convert takes dense models")
    rope = (config.rope_parameters or {}).get("rope_type", "default")
    if rope not in ROPES:
        raise InputError(f"{source} has rotary positions of type {rope}; taken are {', '.join(ROPES)}")


def _offline(place: str) -> bool:
    return Path(place).exists() or not hub_answers()


def _unreadable(source: str, place: str, error: Exception) -> str:
    if not Path(place).exists() and _offline(place):
        return (
            f"{source} is not on this disk, and the hub cannot be reached from here; fetch it once where "
            "there is a network, or give a directory"
        )
    return f"{source} cannot be read: {first_line(error)}"


def load_pretrained(source: str) -> TopKLMForCausalLM:
    """Load a pretrained Llama as the dense TopK model that computes the same, in fp32.

    Raises InputError as `pretrained_config` does, and where weights are missing or damaged.
    """
    config = pretrained_config(source)
    place, gguf = pretrained_place(source)
    how: dict[str, Any] = dict(gguf) or {"use_safetensors": True}  # no pickle
    kind: Any = TopKLMForCausalLM if config.model_type == "topklm" else LlamaForCausalLM
    try:
        with loading, quiet_transformers():
            model, found = kind.from_pretrained(
                place, **how, dtype=torch.float32, local_files_only=_offline(place), output_loading_info=True
            )
    except Exception as error:
        raise InputError(_unreadable(source, place, error)) from None
    if missing := sorted(found["missing_keys"]):
        raise InputError(f"{source} lacks {len(missing)} of its weights: {missing[0]}, ...")
    kept = {name: getattr(model.config, name) for name in (*KEPT, "max_position_embeddings")}
    ends = kept["eos_token_id"]  # one or several
    if kept["pad_token_id"] in (kept["bos_token_id"], *(ends if isinstance(ends, list) else [ends])):
        kept["pad_token_id"] = None  # torch gives a padding token's embedding no gradient
    return with_weights(TopKLMConfig(**kept, topk_layers=[]), model)


def with_weights(config: TopKLMConfig, model: Any) -> TopKLMForCausalLM:
    """Build a TopK model of a configuration with the weights of another, which all fit, none left over."""
    copy = TopKLMForCausalLM(config)
    copy.load_state_dict(model.state_dict())
    copy.train(mode=False)
    return copy


def with_topk(original: TopKLMForCausalLM, settings: TrainSettings) -> TopKLMForCausalLM:
    """Put TopK into a dense model as the settings say; with k equal to the width it computes the same.

    Raises InputError where the settings' sizes are not the model's.
    """
    check_sizes(settings, original.config)
    config = settings.model_config(**{name: getattr(original.config, name) for name in KEPT})
    return with_weights(config, original)


def check_sizes(settings: TrainSettings, config: Any) -> None:
    """Raise InputError where the settings ask for other sizes than the pretrained model has."""
    for ours, theirs in SIZES.items():
        asked, real = getattr(settings, ours), getattr(config, theirs)
        if asked != real:
            raise InputError(f"{ours}={asked} does not fit {settings.source}, where it is {real}")
    longest = config.max_position_embeddings
    if settings.context > longest:
        raise InputError(
            f"context={settings.context} is longer than {settings.source} reads; choose 8..{longest}"
        )


def stored_original(run: Run, *, attention: str = "sdpa") -> TopKLMForCausalLM:
    """Load the run's own copy of its source, made where there is none yet. Raises InputError as above."""
    directory = run.path / STORED
    if damage(directory, required=[WEIGHTS]) is not None:
        written = run.path / f"{PARTIAL}{STORED}"
        load_pretrained(run.settings.source).save_pretrained(written)
        seal(written, directory)
    with loading, quiet_transformers():
        original = TopKLMForCausalLM.from_pretrained(
            directory, dtype=torch.float32, attn_implementation=attention, use_safetensors=True
        )
    original.requires_grad_(requires_grad=False).train(mode=False)
    return original


def started_from_source(run: Run, tokenizer: Any, *, attention: str) -> TopKLMForCausalLM:
    """Make a run's model from its source. Raises InputError where source, tokenizer and sizes do not fit."""
    original = stored_original(run, attention=attention)
    size, rows = vocabulary_size(tokenizer), original.config.vocab_size
    if size > rows:
        raise InputError(
            f"the tokenizer {run.settings.tokenizer} has {size} tokens, {run.settings.source} knows {rows}; "
            "give its own with --tokenizer"
        )
    model = with_topk(original, run.settings)
    model.config.eos_token_id = as_config(end_ids(model.config.eos_token_id, tokenizer))
    model.generation_config.eos_token_id = model.config.eos_token_id
    model.set_attn_implementation(attention)
    set_seed(run.settings.seed)
    return model
