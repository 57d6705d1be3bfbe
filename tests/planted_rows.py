"""Rows of a comparison as they might be, with a part changed for each test."""

from topklm.comparison.headlines import HEADLINES
from topklm.comparison.result import ResultRow

SOURCES = ("topk", "dense", "posthoc", "random", "shuffled", "sae_1x", "sae_8x")
GOOD = {
    "topk": 0.6,
    "sae_1x": 0.6,
    "sae_8x": 0.6,
    "posthoc": 0.4,
    "dense": 0.4,
    "shuffled": 0.4,
    "random": 0.1,
}


def row(
    source: str,
    metric: str,
    value: float,
    *,
    about: str = "",
    site: int | None = None,
    spread: float = 0.01,
    n: int = 60,
    seed: int = 0,
) -> ResultRow:
    """A row whose interval is as wide as said."""
    return ResultRow(
        source, site, metric, about, value, value - spread, value + spread, n=n, n_tokens=1000, seed=seed
    )


def all_rows(seed: int = 0) -> list[ResultRow]:
    """A comparison in which every claim holds."""
    rows = [row("topk", "entries_per_token_max", 8, site=site, spread=0, seed=seed) for site in (0, 1)]
    rows += [row("topk", "k", 8, site=site, spread=0, seed=seed) for site in (0, 1)]
    rows += [row("topk", "exported_code_differs", 0, site=site, spread=0, seed=seed) for site in (0, 1)]
    for source in SOURCES:
        rows.append(row(source, "live_features", 1.0, site=0, seed=seed))
        for one in HEADLINES:
            value = GOOD[source] if one.better >= 0 else 1 - GOOD[source]
            for site in (0, 1):
                about = one.about or ""
                rows.append(row(source, one.metric, value, about=about, site=site, seed=seed))
    for source, seconds in (("topk", 100.0), ("sae_1x", 250.0)):
        for metric in ("features_seconds", "features_flops", "reading_flops_per_million"):
            rows.append(row(source, metric, seconds, spread=0, seed=seed))
    rows.append(row("topk", "loss_rise", 0.005, about="dense", spread=0.002, seed=seed))
    rows.append(row("topk", "task_accuracy_beside/dense", 0.0, about="stories", seed=seed))
    steered = {"topk": 0.7, "sae_1x": 0.6, "posthoc": 0.4, "random_neurons": 0.05}
    rows += [row(name, "steering_success_rate", value, seed=seed) for name, value in steered.items()]
    rows += [row("topk", "steering_success_rate", 0.7, site=site, n=30, seed=seed) for site in (0, 1)]
    rows.append(row("topk", "steering_texts", 200, spread=0, seed=seed))
    kept = {"topk": 0.99, "dense": 0.9, "posthoc": 0.9, "permuted": 0.002, "sae_1x": 0.01, "sae_1x_warm": 0.8}
    rows += [row(name, "identity_match", value, spread=0.002, seed=seed) for name, value in kept.items()]
    rows.append(row("sae_1x", "identity_match/assigned_match", 0.7, spread=0.002, seed=seed))
    layers = {"topk": 0.98, "posthoc": 0.8, "initialisation": 0.9}
    rows += [
        row(name, "layers_identity_match", value, about=pair, spread=0.002, seed=seed)
        for name, value in layers.items()
        for pair in ("L0 L1", "L0 L2", "L1 L2")
    ]
    matched = {"topk": 0.5, "random": 0.2, "posthoc": 0.3, "sae_1x": 0.3}
    rows += [
        row(name, "seeds_best_match_cosine", value, site=0, about="seed 1", seed=seed)
        for name, value in matched.items()
    ]
    return rows


def changed(
    rows: list[ResultRow], source: str, metric: str, *, drop: bool = False, **fields: float
) -> list[ResultRow]:
    """Replace fields of some rows, or leave the rows out. value=: the interval moves along."""
    found = []
    for one in rows:
        if one.source != source or one.metric != metric:
            found.append(one)
        elif not drop:
            by = fields.get("value", one.value) - one.value
            found.append(one._replace(**{"low": one.low + by, "high": one.high + by, **fields}))
    return found
