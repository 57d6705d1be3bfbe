"""delphi's latent cache: what its `LatentDataset` reads.

    latents/HOOKPOINT/0_127.safetensors   features 0 to 127: `locations`, `activations`, `tokens`
    latents/HOOKPOINT/config.json

`locations` has a row (row of tokens, place in it, feature minus the file's first) for every firing,
`activations` its value in half precision, `tokens` the text in rows of one context. A hookpoint is
`layers.3` for the residual stream after block 3, as a module of the model is called.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from ..core.files import write_json

FEATURES_A_FILE = 256
SMALLEST_ACTIVATION = 1e-5
"""delphi's own threshold: what is smaller in size counts as no firing."""


class Firings(NamedTuple):
    """Firings in token order."""

    position: np.ndarray[Any, Any]
    """Place of the token in the whole text, int64."""
    feature: np.ndarray[Any, Any]
    value: np.ndarray[Any, Any]


def write_hookpoint(
    directory: Path,
    hookpoint: str,
    tokens: np.ndarray[Any, Any],
    firings: Callable[[int, int], Firings],
    *,
    context: int,
    width: int,
    config: dict[str, Any],
) -> int:
    """Write one site's cache below `directory`, and return how many firings it holds.

    tokens: the ids of the whole text, shape (tokens,); what does not fill a last row of `context` is left
    out, as delphi itself does. firings: gives those of the features from the first to the one before the
    second, so that one file's worth is in memory at a time.
    """
    place = directory / "latents" / hookpoint
    place.mkdir(parents=True)
    rows = tokens[: len(tokens) // context * context].reshape(-1, context).astype(np.int64)
    starts = list(range(0, width, FEATURES_A_FILE))
    total = 0
    for first, stop in zip(starts, [*starts[1:], width], strict=True):
        found = firings(first, stop)
        kept = (found.position < rows.size) & (np.abs(found.value) > SMALLEST_ACTIVATION)
        position, feature, value = (part[kept] for part in found)
        locations = np.stack([position // context, position % context, feature - first], axis=1)
        largest = max(len(rows), context, stop - first)
        save_file(
            {
                "locations": locations.astype(np.uint16 if largest <= 2**16 else np.uint32),
                "activations": value.astype(np.float16),
                "tokens": rows,
            },
            place / f"{first}_{stop - 1}.safetensors",
        )
        total += len(value)
    write_json(place / "config.json", {**config, "ctx_len": context, "cache_ctx_len": context})
    return total
