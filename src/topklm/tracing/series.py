"""The units of one source as arrays: checkpoints by features."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import units

Array = np.ndarray[Any, Any]
COLUMNS = (
    *("firings", "density", "live", "token_entropy", "token_entropy_random", "enough_firings"),
    *(f"{to}_{name}" for to in ("final", "next") for name in ("cosine", "best", "best_cosine")),
    *("final_permuted_cosine", "next_permuted_cosine", "next_assigned_cosine", "final_assigned_cosine"),
)


@dataclass(frozen=True)
class Series:
    """All features of a source over its checkpoints, sites one after the other.

    Columns are arrays of shape (checkpoint, feature); numbers that are not there are NaN.
    """

    source: str
    steps: list[int]
    site: Array
    index: Array
    columns: dict[str, Array]
    f1: Array
    """Held-out F1 of each feature's best concept, 0 without one."""
    coverage: Array
    """Held-out F1 of the best feature of each concept over all sites, shape (checkpoint, concept)."""

    def __getitem__(self, name: str) -> Array:
        """Return a column."""
        return self.columns[name]

    @property
    def live(self) -> Array:
        """Whether each feature is live."""
        return self.columns["live"] > 0

    @property
    def sites(self) -> list[int]:
        """The sites, ascending."""
        return sorted({int(one) for one in self.site})

    def at(self, site: int | None) -> Array:
        """Mark the features of a site; of all where none is named."""
        return np.ones(len(self.site), bool) if site is None else self.site == site

    def matched(self, to: str, place: int) -> Array:
        """Mark the features whose best match in the next (or final) checkpoint has their own index."""
        return np.asarray(self.columns[f"{to}_best"][place] == self.index)


def read_series(directory: Path, source: str, steps: list[int]) -> Series:
    """Read all units of a source."""
    rows: dict[str, list[Array]] = {name: [] for name in COLUMNS}
    labels, best = [], []
    site = index = np.zeros(0, np.int64)
    for step in steps:
        table = units.read(directory, source, step)
        site, index = table["site"].to_numpy().astype(int), table["index"].to_numpy().astype(int)
        for name in COLUMNS:
            rows[name].append(table[name].to_numpy(zero_copy_only=False).astype(np.float64))
        tops = table["concepts"].to_pylist()
        labels.append(np.array([one[0]["f1"] if one else 0.0 for one in tops]))
        found, sites = units.read_concepts(directory, source, step), len(set(site.tolist()))
        chosen = found["chosen_f1"].to_numpy(zero_copy_only=False).astype(np.float64).reshape(sites, -1)
        f1 = found["f1"].to_numpy(zero_copy_only=False).astype(np.float64).reshape(sites, -1)
        chosen, f1 = np.nan_to_num(chosen, nan=-1.0), np.nan_to_num(f1)
        best.append(f1[chosen.argmax(0), np.arange(f1.shape[1])])
    return Series(
        source,
        steps,
        site,
        index,
        {name: np.stack(found) for name, found in rows.items()},
        np.stack(labels),
        np.stack(best),
    )
