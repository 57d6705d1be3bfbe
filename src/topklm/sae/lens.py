"""SAELens, imported late (it takes seconds), and SAEs from its directories, checked before they are used."""

import hashlib
import importlib
import importlib.util
import json
import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..core.errors import InputError
from ..core.files import read_json

WEIGHTS, CONFIG = "sae_weights.safetensors", "cfg.json"
RESIDUAL = re.compile(
    r"blocks\.(\d+)\.(hook_resid_post|hook_out|hook_resid_pre|hook_in)|[a-z_.]*?(?:layers|h)\.(\d+)"
)
"""TransformerLens's names for a residual stream, or a block's own name as a module."""


def has_saelens() -> bool:
    """Tell whether SAELens is installed, without importing it."""
    return importlib.util.find_spec("sae_lens") is not None


def saelens(part: str = "") -> Any:
    """Import SAELens, or a module of it. Raises InputError where it is not installed."""
    # wandb, which SAELens imports, would report errors of its own to its makers
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        with quiet():
            return importlib.import_module(f"sae_lens.{part}" if part else "sae_lens")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "sae_lens":
            raise InputError(
                "SAELens is not installed; it is the extra 'sae': pip install 'topklm[sae]'"
            ) from None
        raise InputError(f"SAELens cannot be imported: {error}; pip install 'topklm[sae]'") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep SAELens's and TransformerLens's warnings and log lines to themselves."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def sae_directories(path: Path) -> list[Path]:
    """Find the SAEs in a directory: itself, or the directories in it, in order of their names.

    Raises InputError where there is none.
    """
    if not path.is_dir():
        raise InputError(f"there is no SAE directory {path}")
    if (path / CONFIG).is_file() or (path / WEIGHTS).is_file():
        return [path]
    found = sorted(one.parent for one in path.glob(f"*/{CONFIG}"))
    if not found:
        raise InputError(f"{path} holds no SAE: SAELens's have {CONFIG} and {WEIGHTS}")
    return found


def load_sae(path: Path) -> Any:
    """Load an SAE that SAELens saved, ready to be read. Raises InputError where it is not whole."""
    for name in (CONFIG, WEIGHTS):
        if not (path / name).is_file():
            raise InputError(f"the SAE in {path} is not whole: {name} is missing")
    if not isinstance(read_json(path / CONFIG), dict):
        raise InputError(f"{path / CONFIG} is no SAE's configuration: it is no JSON object")
    lens = saelens()
    try:
        with quiet():
            sae = lens.SAE.load_from_disk(path, device="cpu")
    except Exception as error:  # safetensors, torch and SAELens each raise their own
        line = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"the SAE in {path} cannot be read: {line}") from error
    if not all(bool(tensor.isfinite().all()) for tensor in sae.state_dict().values()):
        raise InputError(f"the SAE in {path} is damaged: it has weights that are not finite")
    return sae.eval().requires_grad_(False)


def site_of(sae: Any) -> int:
    """Return the layer whose output an SAE was trained on.

    `hook_resid_pre` of a block is what the block before hands on. Raises InputError where the SAE reads
    anything but a residual stream, or writes another place than it reads.
    """
    metadata = sae.cfg.metadata
    name = metadata.hook_name
    if metadata.hook_name_out not in (None, name) or "transcoder" in sae.cfg.architecture():
        raise InputError(f"the SAE of {name} is a transcoder: it writes another place than it reads")
    match = RESIDUAL.fullmatch(str(name))
    if match is None or sae.cfg.reshape_activations != "none":
        raise InputError(
            f"the SAE reads {name!r}, which is no residual stream after a block, such as "
            "'blocks.3.hook_resid_post'"
        )
    if match[3] is not None:
        return int(match[3])
    site = int(match[1]) - (match[2] in ("hook_resid_pre", "hook_in"))
    if site < 0:
        raise InputError(f"the SAE reads {name!r}: the embeddings, before the first block")
    return site


def sae_revision(sae: Any) -> str:
    """Return a SHA-256 of all that decides an SAE's codes: its weights and how it activates."""
    config = {
        name: value
        for name, value in sae.cfg.to_dict().items()
        if name not in ("metadata", "device") and not isinstance(value, dict)
    }
    seen = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name, tensor in sorted(sae.state_dict().items()):
        seen.update(name.encode())
        seen.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return seen.hexdigest()
