"""Pretrained models by name: where they lie, and whether the hub can be reached, asked once and briefly."""

import importlib.util
import os
import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import InputError

REACH_SECONDS = 3.0
"""How long the hub may take to answer before it counts as out of reach."""


def hub_answers() -> bool:
    """Tell within three seconds whether the hub can be reached; False where HF_HUB_OFFLINE is set."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or os.environ.get("HF_DATASETS_OFFLINE", "").upper() in ("1", "TRUE", "YES"):
        return False
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    proxy = getproxies().get(address.scheme)
    if proxy and not proxy_bypass(address.hostname or ""):
        return True  # only a request would tell, and it fails soon enough
    try:
        with socket.create_connection((address.hostname or "", port), timeout=REACH_SECONDS):
            return True
    except OSError:
        return False


def pretrained_place(spec: str) -> tuple[str, dict[str, str]]:
    """Split what names a pretrained model into transformers' own words: a directory or name, and keywords.

    `DIRECTORY/FILE.gguf` (or `OWNER/NAME/FILE.gguf` on the hub) is a GGUF file. Raises InputError for one
    where the package that reads them is not installed.
    """
    if not spec.endswith(".gguf"):
        return spec, {}
    if importlib.util.find_spec("gguf") is None:
        raise InputError(f"{spec} is a GGUF file, which needs gguf; pip install 'topklm[convert]'")
    directory, _, name = spec.rpartition("/")
    return directory or ".", {"gguf_file": name}
