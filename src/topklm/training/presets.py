"""Presets: four sizes, each a function, so that its reasons can stand beside it."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from ..core.errors import InputError
from .settings import TrainSettings


def tiny() -> TrainSettings:
    """Minutes on a laptop's CPU: a wide stream (512 neurons a layer) with narrow blocks.

    A large embedding that learns fast keeps every neuron alive and halves the tokens needed; small
    steps and k annealed from the whole width help further (`docs/log.md`, 2026-11-23).
    """
    return TrainSettings(preset="tiny")


def small() -> TrainSettings:
    """Two hours on one core: sentences from real text, 512 neurons a layer, 5.9M parameters.

    As small as it is so that its weights can be shipped (11.8 MB in bf16); `tiny`'s embedding, learning rate
    and annealing (`docs/decisions/0069-small.md`).
    """
    return TrainSettings(
        preset="small",
        tokenizer="bpe:4096",
        tokens=11_000_000,
        depth=6,
        n_nontopk=2,
        mlp=240,
        context=256,
        batch_tokens=1024,
        warmup_share=0.1,
    )


def base() -> TrainSettings:
    """A day on one GPU: 0.2B parameters."""
    return TrainSettings(
        preset="base",
        data=["HuggingFaceFW/fineweb-edu:sample-10BT"],
        tokenizer="bpe:32768",
        tokens=2_500_000_000,
        k=128,
        width=1024,
        depth=12,
        n_nontopk=2,
        heads=12,
        head_dim=64,
        mlp=3072,
        context=1024,
        batch_tokens=524_288,
        device_tokens=16_384,
        lr=6e-4,
        embedding_lr=0.0,
        embedding_scale=1.0,
        anneal="none",
        eval_tokens=1_048_576,
        warmup_share=0.02,
    )


def large() -> TrainSettings:
    """Many GPUs: 24 layers, as in the paper, on FineWeb-Edu."""
    return TrainSettings(
        preset="large",
        data=["HuggingFaceFW/fineweb-edu:sample-100BT"],
        tokenizer="bpe:49152",
        tokens=25_000_000_000,
        k=128,
        width=2048,
        depth=24,
        n_nontopk=2,
        heads=16,
        head_dim=128,
        mlp=5632,
        context=2048,
        batch_tokens=1_048_576,
        device_tokens=8_192,
        lr=4e-4,
        embedding_lr=0.0,
        embedding_scale=1.0,
        anneal="none",
        eval_tokens=4_194_304,
        warmup_share=0.01,
    )


PRESETS: dict[str, Callable[[], TrainSettings]] = {
    "tiny": tiny,
    "small": small,
    "base": base,
    "large": large,
}


def preset(name: str, **changes: Any) -> TrainSettings:
    """Return a preset's settings with some fields changed. Raises InputError for an unknown name.

    preset("tiny", data=["books.parquet"], k=16)
    """
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}")
    known = {one.name for one in fields(TrainSettings)}
    if unknown := set(changes) - known:
        raise InputError(f"unknown setting {min(unknown)!r}; settings are {', '.join(sorted(known))}")
    return replace(PRESETS[name](), **changes)
