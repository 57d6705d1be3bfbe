"""TransformerLens's bridge to TopK models: their weights stay transformers', with TransformerLens's hooks.

`blocks.3.hook_resid_post` is the code after block 3; `blocks.3.topk.hook_in` the state before its TopK.
"""

from typing import Any

from transformer_lens.factories import architecture_adapter_factory
from transformer_lens.model_bridge.generalized_components.base import GeneralizedComponent
from transformer_lens.model_bridge.sources import transformers as source
from transformer_lens.model_bridge.supported_architectures.llama import LlamaArchitectureAdapter

from ..model import TopKLMForCausalLM  # importing it lets transformers load the runs, too

ARCHITECTURE = TopKLMForCausalLM.__name__


class TopKLMArchitectureAdapter(LlamaArchitectureAdapter):  # type: ignore[misc]  # seen as Any
    """Llama's adapter, with the TopK after a block as a component of its own."""

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        blocks = self.component_mapping["blocks"]
        blocks.submodules["topk"] = GeneralizedComponent(name="topk", optional=True)


def register() -> None:
    """Let TransformerLens's bridge, and SAELens's, boot TopK models.

    from topklm.export import transformerlens
    transformerlens.register()
    bridge = TransformerBridge.boot_transformers("runs/books")
    """
    architecture_adapter_factory.ArchitectureAdapterFactory.register_adapter(
        ARCHITECTURE, TopKLMArchitectureAdapter
    )
    # booting asks this table, not the factory, which architectures there are (TransformerLens 3.9)
    source.SUPPORTED_ARCHITECTURES[ARCHITECTURE] = TopKLMArchitectureAdapter
