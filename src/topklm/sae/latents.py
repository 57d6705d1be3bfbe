"""SAE latents as a feature source: any SAELens SAEs, of any causal language model of transformers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.site import Feature, Latent
from ..features.hooks import depth_of, read_sites
from ..features.source import digest, model_revision
from ..model import SparseCodes
from .lens import load_sae, sae_directories, sae_revision, site_of

AT_ONCE = 2**24
"""Activations of latents held at once, as a number."""
NEEDS_STREAM = ("layer_norm", "constant_norm_rescale")
"""Normalisations whose undoing needs the stream itself."""


class SAELatents:
    """The latents of SAEs, at most one SAE a site, read off a causal language model's residual stream.

        SAELatents.load(model, tokenizer, "runs/books/sae/sae_8x")      # one directory a site
        SAELatents(model, tokenizer, {3: sae_lens.SAE.load_from_disk(path)})

    saes: layer -> SAE of SAELens, of any architecture. model: any causal language model of transformers.
    name: in results; by default `sae_8x` where all SAEs have 8 times as many latents as the stream is
    wide, else `sae`. revision: a name of the model that is known already; by default a hash of its weights.
    Raises InputError where an SAE does not fit the model.
    """

    kind: type[Feature] = Latent

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        saes: Mapping[int, Any],
        *,
        name: str | None = None,
        revision: str | None = None,
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.depth = depth_of(model)
        if not saes:
            raise InputError("there is no SAE to read; give at least one")
        for site, sae in saes.items():
            self._check(site, sae)
        self.saes = {
            site: sae.to(model.device).eval().requires_grad_(False) for site, sae in sorted(saes.items())
        }
        self.sites = tuple(self.saes)
        self.name = self._usual_name() if name is None else name
        parts = {site: sae_revision(sae) for site, sae in self.saes.items()}
        self.revision = digest("sae", revision or model_revision(model), parts)

    @classmethod
    def load(
        cls,
        model: Any,
        tokenizer: Any,
        *paths: Path | str,
        name: str | None = None,
        revision: str | None = None,
    ) -> "SAELatents":
        """Load SAEs that SAELens saved; their sites are read off their own configurations.

        paths: directories of one SAE each, or of directories of such. Raises InputError where one is
        damaged, reads no residual stream, or two read the same.
        """
        saes: dict[int, Any] = {}
        for directory in [found for path in paths for found in sae_directories(Path(path))]:
            sae = load_sae(directory)
            site = site_of(sae)
            if site in saes:
                raise InputError(f"two SAEs read layer {site}, the second in {directory}; give one a site")
            saes[site] = sae
        return cls(model, tokenizer, saes, name=name, revision=revision)

    def _check(self, site: int, sae: Any) -> None:
        """Raise InputError where an SAE does not fit the model."""
        width = self.stream
        if not 0 <= site < self.depth:
            raise InputError(
                f"there is an SAE of layer {site}, but the model has {self.depth} layers, 0 to "
                f"{self.depth - 1}: it was trained on another model"
            )
        if sae.cfg.d_in != width:
            raise InputError(
                f"the SAE of layer {site} reads {sae.cfg.d_in} entries, but the model's stream is {width} "
                "wide: it was trained on another model"
            )
        if sae.cfg.normalize_activations in ("expected_average_only_in", "covariance_whitening"):
            raise InputError(
                f"the SAE of layer {site} is an unfinished checkpoint: its scale "
                f"({sae.cfg.normalize_activations}) is not folded into its weights; take the finished one"
            )

    def _usual_name(self) -> str:
        times = {sae.cfg.d_sae / self.stream for sae in self.saes.values()}
        return f"sae_{times.pop():g}x" if len(times) == 1 else "sae"

    @property
    def stream(self) -> int:
        """The width of the model's residual stream."""
        return int(self.model.config.get_text_config().hidden_size)

    @property
    def dtype(self) -> str:
        """The number format of the SAEs' weights; the model's own may be another."""
        return str(next(iter(self.saes.values())).dtype).removeprefix("torch.")

    @property
    def context(self) -> int:
        """The most tokens that the model reads at once."""
        return int(self.model.config.get_text_config().max_position_embeddings)

    def width(self, site: int) -> int:
        """Count the latents at a site."""
        return int(self.saes[site].cfg.d_sae)

    def codes(self, token_ids: Tensor, attention_mask: Tensor | None = None) -> dict[int, SparseCodes]:
        """Return each site's codes, one row per token, from one forward pass."""
        return read_sites(self.model, token_ids, attention_mask, self.sites, self.encode)

    @torch.no_grad()
    def encode(self, site: int, hidden: Tensor) -> SparseCodes:
        """Return the codes of residual streams, shape (..., width of the stream)."""
        rows = hidden.flatten(0, -2)
        step = max(1, AT_ONCE // self.width(site))
        parts = [SparseCodes.from_dense(self.saes[site].encode(some)) for some in rows.split(step)]
        return parts[0] if len(parts) == 1 else SparseCodes.cat(parts)

    @torch.no_grad()
    def decode(self, site: int, codes: SparseCodes) -> Tensor:
        """Return the residual streams that codes stand for, shape (rows, width of the stream).

        Raises InputError for an SAE that normalises each token: its codes alone stand for no stream.
        """
        sae = self.saes[site]
        if sae.cfg.normalize_activations in NEEDS_STREAM:
            raise InputError(
                f"the SAE of layer {site} normalises each token ({sae.cfg.normalize_activations}), so its "
                "latents can be read but not written back; index it with effects=False (--no-effects)"
            )
        step = max(1, AT_ONCE // self.width(site))
        starts = range(0, max(len(codes), 1), step)
        return torch.cat([sae.decode(codes[start : start + step].to_dense()) for start in starts])

    def __repr__(self) -> str:
        """Show what it is."""
        return f"SAELatents(name={self.name!r}, sites={self.sites}, revision={self.revision[:8]})"
