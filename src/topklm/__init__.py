"""TopK language models: train, measure, read, steer and trace them.

The public surface; everything else may change. A name is imported when first used.

    import topklm

    run = topklm.train(topklm.preset("tiny", data=["books.parquet"]), "runs/books")
    model, tokenizer, run = topklm.load("runs/books")
    codes = model.codes(tokenizer("Once upon a time", return_tensors="pt").input_ids)
"""

from typing import TYPE_CHECKING

from .core.lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .comparison import compare, measure
    from .concepts.labels import ConceptLabels
    from .core.errors import (
        CorpusError,
        DiskFullError,
        InputError,
        Interrupted,
        RunError,
        TopKLMError,
        TrainingError,
    )
    from .core.site import Neuron
    from .core.stats import Estimate
    from .data.corpus import load_corpus
    from .data.packing import Packed, pack
    from .data.tokenizer import encode_prompt
    from .evaluation.heldout import HeldOut, held_out
    from .index import FeatureIndex, build_index
    from .metrics.scores import concept_scores
    from .metrics.similarity import similarity
    from .metrics.tokens import token_entropy, token_mass
    from .model import SparseCodes, TopK, TopKLMConfig, TopKLMForCausalLM, TopKLMModel, topk
    from .steering import Edit, effect, steer
    from .tracing import Trace, trace
    from .training.loop import resume, train
    from .training.presets import preset
    from .training.run import Run, load
    from .training.settings import TrainSettings

__all__ = [
    "ConceptLabels",
    "CorpusError",
    "DiskFullError",
    "Edit",
    "Estimate",
    "FeatureIndex",
    "HeldOut",
    "InputError",
    "Interrupted",
    "Neuron",
    "Packed",
    "Run",
    "RunError",
    "SparseCodes",
    "TopK",
    "TopKLMConfig",
    "TopKLMError",
    "TopKLMForCausalLM",
    "TopKLMModel",
    "Trace",
    "TrainSettings",
    "TrainingError",
    "build_index",
    "compare",
    "concept_scores",
    "effect",
    "encode_prompt",
    "held_out",
    "load",
    "load_corpus",
    "measure",
    "pack",
    "preset",
    "resume",
    "similarity",
    "steer",
    "token_entropy",
    "token_mass",
    "topk",
    "trace",
    "train",
]

_MODULES = {
    "comparison": ("compare", "measure"),
    "concepts.labels": ("ConceptLabels",),
    "core.errors": (
        "CorpusError",
        "DiskFullError",
        "InputError",
        "Interrupted",
        "RunError",
        "TopKLMError",
        "TrainingError",
    ),
    "core.site": ("Neuron",),
    "core.stats": ("Estimate",),
    "data.corpus": ("load_corpus",),
    "data.packing": ("Packed", "pack"),
    "data.tokenizer": ("encode_prompt",),
    "evaluation.heldout": ("HeldOut", "held_out"),
    "index": ("FeatureIndex", "build_index"),
    "metrics.scores": ("concept_scores",),
    "metrics.similarity": ("similarity",),
    "metrics.tokens": ("token_entropy", "token_mass"),
    "model": ("SparseCodes", "TopK", "TopKLMConfig", "TopKLMForCausalLM", "TopKLMModel", "topk"),
    "steering": ("Edit", "effect", "steer"),
    "tracing": ("Trace", "trace"),
    "training.loop": ("resume", "train"),
    "training.presets": ("preset",),
    "training.run": ("Run", "load"),
    "training.settings": ("TrainSettings",),
}

__getattr__, __dir__ = lazy_names(
    __name__, {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names}
)
