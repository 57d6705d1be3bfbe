"""A tiny model's shape, tiny texts and settings that train in seconds, for all tests."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from topklm.training import TrainSettings

SHAPE = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 1,
}
"""A model of a few thousand weights, its heads narrower than its stream."""


ANIMALS = ("cat", "dog", "hen", "fox", "owl", "cow")
PLACES = ("barn", "wood", "house", "field")


def sentences(count: int) -> list[str]:
    """Small documents with some order in them, all different."""
    return [
        f"Day {number}. The {ANIMALS[number % 6]} went to the {PLACES[number % 4]}. There the "
        f"{ANIMALS[number % 6]} saw {number % 9} stones and the {ANIMALS[(number + 1) % 6]}."
        for number in range(count)
    ]


def tiny_settings(text_file: Path, **changes: object) -> TrainSettings:
    """Settings that train in a few seconds."""
    fields: dict[str, object] = {
        "data": [str(text_file)],
        "tokenizer": "bpe:320",
        "tokens": 40 * 256,
        "k": 8,
        "width": 32,
        "depth": 3,
        "n_nontopk": 1,
        "heads": 2,
        "head_dim": 8,
        "mlp": 48,
        "context": 32,
        "batch_tokens": 256,
        "lr": 1e-2,
        "evaluations": 2,
        "eval_tokens": 512,
        "full_checkpoints": 20,
        "trace_checkpoints": 4,
        "threads": 1,
        "precision": "fp32",
    }
    return TrainSettings(**{**fields, **changes})


class Truth(NamedTuple):
    """A whole text with its activations, as dense arrays."""

    tokens: np.ndarray[Any, Any]
    starts: np.ndarray[Any, Any]
    """Position of each document's first token."""
    values: dict[int, np.ndarray[Any, Any]]
    """Site -> float32, shape (token, neuron)."""
