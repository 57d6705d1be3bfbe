"""C1: is a hidden state the code of a TopK SAE? Entries counted, and the exported layer read by SAELens."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...core.errors import InputError
from ...data import Packed
from ...export.saelens import export_saelens
from ...features import capture
from ...features.hooks import read_sites
from ...index import source_of
from ...sae.lens import load_sae, saelens
from .work import Found, Work

TOKENS = 16_384
"""Tokens that are looked at."""


def codes(work: Work) -> Found:
    """Count the entries of every token's code, and compare codes with the layer exported as an SAE."""
    source = source_of(work.loaded, "topk")
    packed = work.text.packed
    packed = Packed(packed.tokens[:TOKENS], packed.documents, packed.about)
    n_tokens = len(packed.tokens)
    largest = dict.fromkeys(source.sites, 0)
    for batch in capture(source, packed):
        for site, found in batch.codes.items():
            largest[site] = max(largest[site], int(found.counts.max()))
    config = work.loaded.model.config
    rows = []
    for site, most in largest.items():
        rows.append(work.row("topk", "entries_per_token_max", most, site=site, n_tokens=n_tokens))
        rows.append(work.row("topk", "k", config.k_at(site), site=site, n_tokens=n_tokens))
        if work.twin is not None:
            rows.append(
                work.row("dense", "entries_per_token_max", source.width(site), site=site, n_tokens=n_tokens)
            )
    left_out = {}
    try:
        saelens()
    except InputError as error:
        left_out["exported code"] = str(error)
    else:
        differing = exported_differences(work, packed)
        for site, share in differing.items():
            rows.append(work.row("topk", "exported_code_differs", share, site=site, n_tokens=n_tokens))
    return Found(rows, {"n_tokens": n_tokens}, left_out)


def exported_differences(work: Work, packed: Packed) -> dict[int, float]:
    """Return for each TopK layer the share of tokens whose code SAELens reads otherwise."""
    model: Any = work.loaded.model
    context = model.config.max_position_embeddings
    rows = len(packed.tokens) // context or 1
    ids = torch.from_numpy(packed.tokens[: rows * context].astype(np.int64)).view(rows, -1)
    differing = dict.fromkeys(model.config.topk_layers, 0)
    with tempfile.TemporaryDirectory() as scratch:
        saes = dict(
            zip(
                model.config.topk_layers,
                map(load_sae, export_saelens(work.run, Path(scratch) / "saes")),
                strict=True,
            )
        )
        for part in ids.split(8):

            def differ(site: int, hidden: torch.Tensor) -> int:
                flat = hidden.flatten(0, 1)
                return int((saes[site].encode(flat) != flat).any(dim=1).sum())

            for site, count in read_sites(model, part, None, saes, differ).items():
                differing[site] += count
    return {site: count / ids.numel() for site, count in differing.items()}
