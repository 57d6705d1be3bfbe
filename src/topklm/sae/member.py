"""One SAE in training: SAELens's own class and `SAETrainer`, stepped by us, continued bit for bit."""

import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.hashing import hashed
from .lens import load_sae, quiet, saelens
from .schedule import EARLIEST, FLAT, Schedule, last_tenth
from .settings import SAESettings

DEAD_AFTER = 131_072
"""Tokens without a firing after which SAELens's auxiliary loss takes a latent for dead."""


class Point(NamedTuple):
    """A point of a learning curve, measured on held-out tokens."""

    tokens: int
    explained_variance: float
    dead: float
    """Share of latents that have not fired on any of the held-out tokens."""


class Member:
    """One SAE of a site, a width and a seed, with its trainer and its learning curve."""

    def __init__(
        self,
        settings: SAESettings,
        *,
        site: int,
        width: int,
        seed: int,
        stream: int,
        begin: Path | None = None,
    ) -> None:
        self.settings, self.site, self.width, self.seed, self.begin = settings, site, width, seed, begin
        self.sae = new_sae(settings, stream, width=width, seed=seed, site=site)
        self.trainer = _trainer(settings, self.sae)
        self.schedule = Schedule(settings.tokens, settings.lr)
        self.curve: list[Point] = []
        self.seconds = 0.0

    @property
    def set_name(self) -> str:
        """The name of the SAEs of its width and seed, at all sites."""
        return self.settings.name_of(self.width, self.seed)

    @property
    def key(self) -> str:
        """A name for its files, unique among what is trained together."""
        return f"{self.set_name}-L{self.site}"

    @property
    def tokens(self) -> int:
        """Tokens that it was trained on."""
        return int(self.trainer.n_training_samples)

    @property
    def ended(self) -> bool:
        """Whether its training came to its end."""
        return self.tokens >= self.schedule.end

    @property
    def left(self) -> int:
        """Tokens until then, in whole batches."""
        batch = self.settings.batch_tokens
        return max(0, -(-(self.schedule.end - self.tokens) // batch) * batch)

    @property
    def gain(self) -> float | None:
        """What the last tenth of its curve gained; None where the curve is too short."""
        return last_tenth([(one.tokens, one.explained_variance) for one in self.curve])

    @property
    def flat(self) -> bool:
        """Whether that is less than 1 % of the variance."""
        return self.gain is not None and self.gain < FLAT

    @property
    def flops(self) -> int:
        """Floating-point operations of its steps: encoder and decoder, forward and backward (2 + 4 each
        weight and token), without the auxiliary loss."""
        return 12 * int(self.sae.cfg.d_in * self.sae.cfg.d_sae) * self.tokens

    def start(self, hidden: Tensor) -> None:
        """Set what depends on the data from the first chunk: the scale, and the decoder's bias at the mean.

        The scale brings the mean norm to the square root of the width, as SAELens's own runner does. An SAE
        that begins as another takes its weights over instead.
        """
        scale = math.sqrt(hidden.shape[1]) / float(hidden.norm(dim=1).mean())
        self.trainer.activation_scaler.scaling_factor = scale
        if self.begin is None:
            self.sae.b_dec.data.copy_(hidden.mean(dim=0) * scale)
        else:
            take_over(self.sae, self.begin, scale)

    def train(self, hidden: Tensor, order: Tensor) -> None:
        """Take one step per batch of a chunk's streams, in the order given."""
        started = time.perf_counter()
        for rows in order.split(self.settings.batch_tokens):
            self.trainer.maybe_reset_sparsity()
            self.trainer.optimizer.param_groups[0]["lr"] = self.schedule.rate(self.tokens)
            self.trainer.step(hidden[rows])
            self.trainer.n_training_steps += 1
        self.seconds += time.perf_counter() - started

    @torch.no_grad()
    def measure(self, held_out: Tensor) -> None:
        """Add a point to the curve, and begin to end where it is flat.

        held_out: residual streams, shape (tokens, width).
        """
        held_out = held_out.to(self.sae.device)
        fired = torch.zeros(self.sae.cfg.d_sae, dtype=torch.bool, device=held_out.device)
        mean, error, spread = held_out.mean(dim=0), 0.0, 0.0
        for rows in held_out.split(self.settings.batch_tokens):
            codes = self.sae.encode(self.trainer.activation_scaler.scale(rows))
            told = self.trainer.activation_scaler.unscale(self.sae.decode(codes))
            fired |= (codes != 0).any(dim=0)
            error += float((rows - told).square().sum())
            spread += float((rows - mean).square().sum())
        variance = 1 - error / spread
        self.curve.append(Point(self.tokens, variance, float((~fired).float().mean())))
        if self.flat and self.tokens >= EARLIEST * self.schedule.budget:
            self.schedule.cool(self.tokens)

    def save(self, directory: Path) -> None:
        """Write all that training goes on from."""
        self.sae.save_model(directory)
        self.trainer.save_trainer_state(directory)

    def restore(self, directory: Path, state: dict[str, Any]) -> None:
        """Go on from what `save` and `state` gave."""
        self.sae.load_weights_from_checkpoint(directory)
        self.trainer.load_trainer_state(directory)
        self.curve = [Point(*one) for one in state["curve"]]
        self.seconds = state["seconds"]
        self.schedule.cooled_from = state["cooled_from"]

    def state(self) -> dict[str, Any]:
        """Return what `save` does not write."""
        return {
            "curve": [list(one) for one in self.curve],
            "seconds": self.seconds,
            "cooled_from": self.schedule.cooled_from,
        }

    def finish(self, directory: Path, metadata: dict[str, Any]) -> None:
        """Fold the scale into the weights, and write the SAE as SAELens loads it."""
        scale = self.trainer.activation_scaler.scaling_factor
        self.sae.fold_activation_norm_scaling_factor(scale)
        self.trainer.set_final_sae_metadata()
        for name, value in metadata.items():
            setattr(self.sae.cfg.metadata, name, value)
        with quiet():
            self.sae.save_inference_model(directory)


@torch.no_grad()
def take_over(sae: Any, begin: Path, scale: float) -> None:
    """Give a TopK SAE in training the weights of a finished one, with the new scale in place of its own.

    Raises InputError where that is damaged or of another shape.
    """
    old = load_sae(begin).state_dict()
    old["W_enc"] = old["W_enc"] / scale
    old["W_dec"] = old["W_dec"] * scale
    old["b_dec"] = old["b_dec"] * scale
    norm = old["W_dec"].norm(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
    old["W_enc"], old["b_enc"] = old["W_enc"] * norm, old["b_enc"] * norm
    old["W_dec"] = old["W_dec"] / norm[:, None]
    shapes = {name: tuple(one.shape) for name, one in sae.state_dict().items()}
    if shapes != {name: tuple(one.shape) for name, one in old.items()}:
        raise InputError(f"the SAE in {begin} has another shape or architecture; it cannot be gone on from")
    sae.load_state_dict(old)


def new_sae(settings: SAESettings, stream: int, *, width: int, seed: int, site: int) -> Any:
    """Make an SAE of SAELens with fresh weights; the global random state stays as it is.

    The seed is mixed with the site, so that latents of equal index at two sites begin unlike each other.
    """
    lens = saelens()
    fields: dict[str, Any] = {"d_in": stream, "d_sae": width * stream}
    fields["normalize_activations"] = "expected_average_only_in"
    kinds = {"topk": "TopK", "batchtopk": "BatchTopK", "jumprelu": "JumpReLU", "standard": "Standard"}
    if settings.architecture in ("topk", "batchtopk"):
        fields["k"] = settings.k
    elif settings.architecture == "jumprelu":
        fields |= {"jumprelu_sparsity_loss_mode": "quadratic", "target_l0": float(settings.k)}
        fields |= {"l0_coefficient": settings.sparsity, "l0_warm_up_steps": _steps(settings) // 4}
    else:
        fields |= {"l1_coefficient": settings.sparsity, "l1_warm_up_steps": _steps(settings) // 4}
    kind = kinds[settings.architecture]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(hashed([site], seed)[0]) % 2**63)
        config = getattr(lens, f"{kind}TrainingSAEConfig")(**fields)
        return getattr(lens, f"{kind}TrainingSAE")(config)


def _steps(settings: SAESettings) -> int:
    return settings.tokens // settings.batch_tokens


def _trainer(settings: SAESettings, sae: Any) -> Any:
    config = saelens("config").SAETrainerConfig(
        total_training_samples=settings.tokens,
        train_batch_size_samples=settings.batch_tokens,
        lr=settings.lr,
        lr_end=settings.lr,  # our own schedule sets the rate before each step
        dead_feature_window=max(1, DEAD_AFTER // settings.batch_tokens),
    )
    return saelens("training.sae_trainer").SAETrainer(cfg=config, sae=sae, data_provider=iter(()))
