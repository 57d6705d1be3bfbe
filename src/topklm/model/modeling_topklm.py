"""The TopK language model: Llama with TopK on the residual stream after chosen blocks."""

from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.models.llama.modeling_llama import (
    LlamaDecoderLayer,
    LlamaForCausalLM,
    LlamaModel,
    LlamaPreTrainedModel,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
)

from .codes import SparseCodes
from .configuration_topklm import TopKLMConfig
from .loss import chunked_cross_entropy
from .topk import TopK


class TopKLMDecoderLayer(LlamaDecoderLayer):
    """A Llama block whose output, after the MLP's addition, keeps only its k largest entries."""

    def __init__(self, config: TopKLMConfig, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        self.topk = TopK(config.k_at(layer_idx), by=config.topk_by, blend=config.topk_blend)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Run Llama's block, then TopK."""
        return self.topk(super().forward(*args, **kwargs))  # type: ignore[no-any-return]


class TopKLMPreTrainedModel(LlamaPreTrainedModel):
    """What both model classes share."""

    config: TopKLMConfig
    config_class = TopKLMConfig
    _no_split_modules = ["LlamaDecoderLayer", "TopKLMDecoderLayer"]  # noqa: RUF012


class TopKLMModel(TopKLMPreTrainedModel, LlamaModel):
    """The decoder without its output layer.

    It adds no parameter to Llama: a Llama checkpoint loads into it as it is. `output_hidden_states`
    shows the sparse states.
    """

    def __init__(self, config: TopKLMConfig) -> None:
        # Not LlamaModel's: its blocks would be drawn, initialised, and then replaced.
        LlamaPreTrainedModel.__init__(self, config)
        config.check_topk()  # fields may have been set since the configuration was made
        self.padding_idx = config.pad_token_id
        self.vocab_size = config.vocab_size
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, self.padding_idx)
        sparse = config.topk_layers or []
        self.layers = nn.ModuleList(
            (TopKLMDecoderLayer if layer in sparse else LlamaDecoderLayer)(config, layer)
            for layer in range(config.num_hidden_layers)
        )
        self.norm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = LlamaRotaryEmbedding(config=config)
        self.gradient_checkpointing = False
        self.post_init()  # type: ignore[no-untyped-call]

    def topk_modules(self) -> dict[int, TopK]:
        """Return the TopK module of every TopK layer, by layer."""
        return {
            layer: block.topk
            for layer, block in enumerate(self.layers)
            if isinstance(block, TopKLMDecoderLayer)
        }

    def set_topk(self, *, k: int | list[int] | None = None, blend: float | None = None) -> None:
        """Change k or the blend of all TopK layers, in the modules and in the configuration.

        Raises ValueError, and changes nothing, where a value is out of range or there is no such
        layer.
        """
        if not self.config.topk_layers:
            raise ValueError("a dense model has no TopK layer to set")
        changed = TopKLMConfig.from_dict(
            self.config.to_dict(),
            topk_k=self.config.topk_k if k is None else k,
            topk_blend=self.config.topk_blend if blend is None else blend,
        )
        self.config.topk_k, self.config.topk_blend = changed.topk_k, changed.topk_blend
        for layer, module in self.topk_modules().items():
            module.k, module.blend = self.config.k_at(layer), float(self.config.topk_blend)

    @torch.no_grad()
    def codes(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> dict[int, SparseCodes]:
        """Return every TopK layer's codes, from one forward pass.

        input_ids: shape (batch, token). The result maps a layer to codes of batch * token rows, in
        reading order, padding included. They are the non-zero entries of the residual stream after
        that layer's TopK, before any norm; each layer's dense state is dropped at once.
        """
        found: dict[int, SparseCodes] = {}

        def keep(layer: int, module: nn.Module, inputs: Any, output: Tensor) -> None:
            found[layer] = SparseCodes.from_dense(output)

        with ExitStack() as hooks:
            for layer, module in self.topk_modules().items():
                handle = module.register_forward_hook(partial(keep, layer))
                hooks.callback(handle.remove)
            self(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
        return found


class TopKLMForCausalLM(TopKLMPreTrainedModel, LlamaForCausalLM):
    """The TopK language model with its output layer: loss, `generate`, `save_pretrained`.

        model = TopKLMForCausalLM(TopKLMConfig(hidden_size=256, num_hidden_layers=6, topk_k=16))
        model.codes(input_ids)[3]     # the codes after block 3: at most 16 entries a token

    A plain Llama directory loads too: `from_pretrained(path, topk_k=32, n_nontopk=2)`.
    """

    def __init__(self, config: TopKLMConfig) -> None:
        LlamaPreTrainedModel.__init__(self, config)
        self.model = TopKLMModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(  # every argument by name: transformers reads the signature
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        loss_only: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Run Llama's own forward pass; with `loss_only`, give the loss without ever holding all logits.

        Compiled, it is the whole pass all the same: the compiler fuses the loss by itself. A cache goes
        on as it comes: transformers calls it `cache` from 5.24 on, `past_key_values` before.
        """
        inputs = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "position_ids": position_ids,
            "inputs_embeds": inputs_embeds,
            "use_cache": use_cache,
        }
        if not loss_only or torch.compiler.is_compiling():
            return super().forward(**inputs, labels=labels, logits_to_keep=logits_to_keep, **kwargs)
        if labels is None:
            raise ValueError("loss_only needs labels")
        items = kwargs.pop("num_items_in_batch", None)
        states = self.model(**inputs, **kwargs).last_hidden_state
        loss = chunked_cross_entropy(states, self.lm_head.weight, labels, items=items)
        return CausalLMOutputWithPast(loss=loss)

    def set_topk(self, *, k: int | list[int] | None = None, blend: float | None = None) -> None:
        """Change k or the blend of all TopK layers; see `TopKLMModel.set_topk`."""
        self.model.set_topk(k=k, blend=blend)

    def codes(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> dict[int, SparseCodes]:
        """Return every TopK layer's codes, from one forward pass; see `TopKLMModel.codes`."""
        codes: dict[int, SparseCodes] = self.model.codes(input_ids, attention_mask)
        return codes
