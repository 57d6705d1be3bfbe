"""Feature sources: neurons, controls, later latents, all read in the same way.

Here: what a source is, the sources that need only a model and a tokenizer, one pass over a text.
Not here: runs (`training/`), SAEs (`sae/`), what is stored of a source (`index/`).
Start with `source.py`, then `neurons.py` and `capture.py`.
"""

from .capture import Batch, capture
from .controls import DenseNeurons, PosthocNeurons, ShuffledTokens, dense_thresholds, random_neurons
from .directions import Directions
from .effects import TokenEffects, token_effects
from .neurons import LayerNeurons
from .source import FeatureSource, SteerableSource, locate

__all__ = [
    "Batch",
    "DenseNeurons",
    "Directions",
    "FeatureSource",
    "LayerNeurons",
    "PosthocNeurons",
    "ShuffledTokens",
    "SteerableSource",
    "TokenEffects",
    "capture",
    "dense_thresholds",
    "locate",
    "random_neurons",
    "token_effects",
]
