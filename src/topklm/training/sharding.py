"""Weights and optimizer split over the processes (FSDP2), and whole again where they are written or read."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from ..core.processes import is_main, place
from ..model import TopKLMForCausalLM
from .run import WEIGHTS


def shard(model: TopKLMForCausalLM, *, device: str, weights: Path | None) -> None:
    """Split a model's parameters over the job's processes, block by block, in place.

    weights: a full checkpoint whose weights the model takes first. From here on every process has to take
    part in every forward pass, and in it by calling the model itself: a call of `model.model` alone would
    meet parameters that are still split.
    """
    if weights is not None:
        model.load_state_dict(load_file(weights / WEIGHTS), strict=False)  # a tied matrix is stored once
        model.tie_weights()
    mesh = init_device_mesh(device, (place().size,))
    for block in model.model.layers:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)


def is_sharded(model: nn.Module) -> bool:
    """Tell whether `shard` was here."""
    return isinstance(model, FSDPModule)


def split_again(model: nn.Module) -> None:
    """Split what a forward pass without a backward pass left whole; an optimizer needs the split ones."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def whole(content: Any) -> Any:
    """Return nested dicts, lists and tensors with every split tensor whole, on the CPU.

    All processes have to call it with the same content; only the main one gets the tensors that were split,
    the others get empty ones in their place.
    """
    if isinstance(content, dict):
        return {name: whole(value) for name, value in content.items()}
    if isinstance(content, list):
        return [whole(value) for value in content]
    if not isinstance(content, DTensor):
        return content
    full: Tensor = content.full_tensor()
    return full.cpu() if is_main() else full.new_empty(0)


def full(parameter: Tensor) -> Tensor:
    """Return a parameter whole, in every process; all have to ask."""
    return parameter.full_tensor() if isinstance(parameter, DTensor) else parameter


def whole_weights(model: Any) -> dict[str, Tensor]:
    """Return a model's state with every tensor whole, one that is used twice but once; see `whole`."""
    split_again(model)
    weights = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        del weights["lm_head.weight"]  # the embedding's, which is there already
    gathered: dict[str, Tensor] = whole(weights)
    return gathered


def split_optimizer_state(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Split the moments of an optimizer's whole state as its parameters are split."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    split = {}
    for number, moments in state["state"].items():
        parameter = parameters[number]
        split[number] = {
            name: distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.ndim
            else value
            for name, value in moments.items()
        }
    return {**state, "state": split}
