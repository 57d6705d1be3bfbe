"""How good SAEs are, site by site, beside what stands for the same stream without training."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import InputError
from ..core.stats import Estimate
from ..data import Packed
from ..features import LayerNeurons, PosthocNeurons
from ..features.replacing import Replaced, replaced
from ..training import Loaded, Run, load
from ..training.twin import topk_sites
from .store import FOLDER, model_of, names_of, read_set, source_of_run

TOKENS = 65_536
ESTIMATES = ("explained_variance", "ce_score", "loss", "model_loss", "zero_loss", "l0")
SHARES = ("dead", "rare")


class Quality(NamedTuple):
    """One source's features at one site."""

    source: str
    """`sae_8x`, ...; `posthoc`: TopK of the same stream when reading; `topk`: the run's own neurons."""
    width: int
    """Features of the site."""
    seed: int
    measured: Replaced
    training: dict[str, Any] | None
    """What sae.json says of the SAE's training: seconds, flops, flat, last_tenth; None for the others."""

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a metric, as all results have them."""
        one = self.measured
        found = {name: getattr(one, name) for name in ESTIMATES}
        found |= {name: Estimate.exact(getattr(one, name)) for name in SHARES}
        if self.training is not None:
            for name in ("seconds", "flops"):
                found[f"train_{name}"] = Estimate.exact(float(self.training[name]))
        return [
            {
                "source": self.source,
                "site": one.site,
                "metric": metric,
                **estimate.as_json(),
                "n_tokens": one.n_tokens,
                "seed": self.seed,
            }
            for metric, estimate in found.items()
        ]


def saes_quality(
    run: Loaded | Run | Path | str,
    *,
    names: Sequence[str] | None = None,
    twin: Path | str | None = None,
    packed: Packed | None = None,
    tokens: int = TOKENS,
    say: Callable[[str], None] = lambda message: None,
) -> list[Quality]:
    """Measure a run's SAEs on held-out text, with post-hoc TopK of the same stream and the TopK neurons.

    names: some of the run's SAEs; all by default. packed: the text, by default the validation part.
    Raises InputError where there is no SAE, or one is damaged or of another model.
    """
    loaded = run if isinstance(run, Loaded) else load(run.path if isinstance(run, Run) else run)
    there = names_of(loaded.run)
    chosen = list(dict.fromkeys(there if names is None else names))
    if not chosen:
        raise InputError(
            f"{loaded.run.path} has no SAEs; train them with: topklm sae train {loaded.run.path}"
        )
    dense = model_of(loaded, twin)
    text = Packed.open(dense.run.path / "data", "validation") if packed is None else packed
    settings = loaded.run.settings
    found: list[Quality] = []
    sites: set[int] = set()
    for name in chosen:
        say(f"measuring {name}")
        source = source_of_run(loaded, name, twin=twin)
        about = read_set(loaded.run.path / FOLDER / name)
        sites.update(source.sites)
        for one in replaced(source, text, tokens=tokens):
            training = about["saes"][str(one.site)]
            found.append(Quality(name, source.width(one.site), about["seed"], one, training))
    say("measuring posthoc")
    posthoc = PosthocNeurons(
        dense.model, dense.tokenizer, sites=sorted(sites), k=settings.k, by=settings.topk_by
    )
    for one in replaced(posthoc, text, tokens=tokens):
        found.append(Quality("posthoc", posthoc.width(one.site), settings.seed, one, None))
    if not settings.dense and topk_sites(loaded.run):
        say("measuring topk")
        neurons = LayerNeurons(loaded.model, loaded.tokenizer, k=settings.k, revision=loaded.run.revision)
        for one in replaced(neurons, text, tokens=tokens):
            found.append(Quality("topk", neurons.width(one.site), settings.seed, one, None))
    return found
