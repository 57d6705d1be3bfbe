"""Configuration of a TopK language model: Llama's, and five fields."""

import dataclasses
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import LlamaConfig

from .topk import check_k, check_selection


@strict
class TopKLMConfig(LlamaConfig):
    """Configuration of `TopKLMForCausalLM`.

    It has LlamaConfig's fields, and these:

    topk_k: entries kept per token; one integer, or a list with one per TopK layer. Default: the
        hidden size, which keeps everything, so that a plain Llama checkpoint stays itself.
    n_nontopk: number of final layers without TopK. Default 2, or fewer in a very shallow model.
    topk_layers: the layers followed by TopK. Default: all but the last `n_nontopk`; once the
        configuration exists, always filled in. Where it is given, `n_nontopk` follows from it. An
        empty list is a dense model.
    topk_by: "value", "magnitude" or "positive"; see `topk`.
    topk_blend: share of the sparse state in a TopK layer's output, 0..1; below 1 only while
        annealing.

    Unlike in Llama, the hidden size need not be a multiple of the number of heads when `head_dim`
    is given. Raises ValueError where a field is wrong, with what is allowed.

        TopKLMConfig(hidden_size=256, num_hidden_layers=6, topk_k=16)       # TopK after layers 0..3
        TopKLMConfig(hidden_size=256, num_hidden_layers=6, topk_layers=[])  # its dense twin
    """

    model_type = "topklm"

    topk_k: int | list[int] | None = None
    n_nontopk: int | None = None
    topk_layers: list[int] | None = None
    topk_by: str = "value"
    topk_blend: float | int = 1.0

    def __post_init__(self, **kwargs: Any) -> None:
        if self.head_dim is None and self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} is no multiple of num_attention_heads="
                f"{self.num_attention_heads}; choose one that is, or give head_dim"
            )
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]
        if self.topk_k is None:
            self.topk_k = self.hidden_size
        depth = self.num_hidden_layers
        if self.topk_layers is None:
            n_dense = min(2, depth - 1) if self.n_nontopk is None else self.n_nontopk
            if not 0 <= n_dense < depth:
                raise ValueError(
                    f"n_nontopk={n_dense} leaves no TopK layer among {depth}; choose 0..{depth - 1}, "
                    "or topk_layers=[] for a dense model"
                )
            self.topk_layers = list(range(depth - n_dense))
        self.check_topk()

    def validate_architecture(self) -> None:
        """Check the sizes; the stream's width is free of the heads'."""
        heads, shared = self.num_attention_heads, self.num_key_value_heads
        if not shared or heads % shared:
            raise ValueError(f"num_attention_heads={heads} is no multiple of num_key_value_heads={shared}")
        if self.head_dim is None or self.head_dim < 2 or self.head_dim % 2:
            raise ValueError(f"head_dim={self.head_dim} must be even: rotary positions turn pairs")

    def check_topk(self) -> None:
        """Check the TopK fields against each other, and derive `n_nontopk`."""
        check_selection(self.topk_by)
        depth, layers, k = self.num_hidden_layers, self.topk_layers, self.topk_k
        assert layers is not None  # __post_init__ fills it in
        assert k is not None
        if layers != sorted(set(layers)) or any(not 0 <= layer < depth for layer in layers):
            raise ValueError(
                f"topk_layers={layers} must be ascending, without repeats, within 0..{depth - 1}"
            )
        self.n_nontopk = depth - 1 - max(layers, default=-1)
        for value in k if isinstance(k, list) else [k]:
            check_k(value, self.hidden_size)
        if isinstance(k, list) and len(k) != len(layers):
            raise ValueError(f"topk_k={k} has {len(k)} entries for {len(layers)} TopK layers")
        if not 0 <= self.topk_blend <= 1:
            raise ValueError(f"topk_blend={self.topk_blend} must lie in 0..1")

    def k_at(self, layer: int) -> int:
        """Return k of a TopK layer. Raises ValueError for a layer without TopK."""
        assert self.topk_layers is not None
        assert self.topk_k is not None
        if layer not in self.topk_layers:
            raise ValueError(f"layer {layer} has no TopK; TopK layers: {self.topk_layers}")
        if isinstance(self.topk_k, list):
            return self.topk_k[self.topk_layers.index(layer)]
        return self.topk_k

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Build from a dictionary; keyword arguments replace its entries before anything is checked.

        A new `n_nontopk` or depth decides the TopK layers anew, unless `topk_layers` is given too.
        """
        names = {field.name for field in dataclasses.fields(cls)} - {"dtype"}
        given = {name: kwargs.pop(name) for name in list(kwargs) if name in names}
        merged = dict(config_dict)
        if "n_nontopk" in given or "num_hidden_layers" in given:
            merged.pop("topk_layers", None)
        return super().from_dict({**merged, **given}, **kwargs)
