"""The TopK language model: what differs from Llama, and nothing else.

Here: the TopK function and module, the configuration, the model classes, the sparse codes.
Not here: training (`training/`), reading neurons (`features/`). These files travel with every saved
checkpoint, so they import each other and transformers, never another part of topklm.
Start with `topk.py`, then `modeling_topklm.py`.
"""

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from .codes import SparseCodes
from .configuration_topklm import TopKLMConfig
from .modeling_topklm import TopKLMForCausalLM, TopKLMModel, TopKLMPreTrainedModel
from .topk import TopK, topk

AutoConfig.register("topklm", TopKLMConfig)
AutoModel.register(TopKLMConfig, TopKLMModel)
AutoModelForCausalLM.register(TopKLMConfig, TopKLMForCausalLM)
# A saved checkpoint then carries these files, for `trust_remote_code` where topklm is missing.
TopKLMConfig.register_for_auto_class()  # type: ignore[no-untyped-call]
TopKLMModel.register_for_auto_class("AutoModel")  # type: ignore[no-untyped-call]
TopKLMForCausalLM.register_for_auto_class("AutoModelForCausalLM")  # type: ignore[no-untyped-call]

__all__ = [
    "SparseCodes",
    "TopK",
    "TopKLMConfig",
    "TopKLMForCausalLM",
    "TopKLMModel",
    "TopKLMPreTrainedModel",
    "topk",
]
