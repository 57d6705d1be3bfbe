"""The end of building: join the parts of an index into its tables, and say what they are."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from rich.console import Console

from .. import __version__
from ..core.files import flush, sha256_file, whole_file
from ..core.progress import counted
from ..data.tokenizer import token_bytes
from ..features import FeatureSource, SteerableSource, token_effects
from ..features.effects import CONTEXT_TOKENS, probe_contexts
from . import merge
from .assemble import Site, change_table, feature_table, no_changes
from .distributions import Counts, Histogram, add_up, bars, bins, quantiles
from .firings import slabs
from .format import CHANGES, QUANTILES, SIMILAR, TABLES, Layout
from .relatives import activations, nearest, same_index
from .sorting import write_by_feature
from .text import Text

RELATED_TOKENS = 2**16
RELATED_FIRINGS = 2**23
"""Similarities are computed from at most about as many tokens and firings, of documents chosen by hash."""
FEATURES_GROUP = 256
EXAMPLES_GROUP = 2048
"""Rows of a row group: few, since a card reads one feature's."""


def finish(
    source: FeatureSource,
    text: Text,
    directories: list[Path],
    work: Path,
    *,
    part_tokens: int,
    sample: float,
    effects: bool,
    console: Console | None,
) -> dict[str, Any]:
    """Write all tables into `work/final`, from whole parts in the order of the text; return what they are.

    What it does not finish it does again on the next call, except for the promoted tokens of whole sites.
    """
    final = work / "final"
    shutil.rmtree(final, ignore_errors=True)
    final.mkdir()
    parts = merge.Parts(directories, work)
    layout = Layout.of(source)
    kept = text.kept(sample)
    counts = {
        site: add_up(parts.tables("counts"), start, width)
        for site, start, width in zip(layout.sites, layout.starts[:-1], layout.widths, strict=True)
    }
    firings = sum(int(one.firings.sum()) for one in counts.values())
    with counted(console, "joining", unit="steps", total=4 + len(layout.sites)) as report:
        most = min(RELATED_TOKENS, RELATED_FIRINGS * len(text.packed.tokens) // max(firings, 1))
        marked = merge.tokens_for_similarity(text, kept, most)
        n_kept, related = merge.write_firings(
            parts, final / "firings.parquet", layout, marked, part_tokens=part_tokens
        )
        report(1)
        by_feature = final / "firings_by_feature.parquet"
        tokens = len(text.packed.tokens)
        write_by_feature(directories, by_feature, slabs(layout), part_tokens=part_tokens, tokens=tokens)
        report(2)
        merge.write_token_mass(parts, final / "token_mass.parquet", layout)
        report(3)
        vocabulary = token_bytes(source.tokenizer)
        merge.write_text(final, text, kept, vocabulary, set(source.tokenizer.all_special_ids))
        report(4)
        sites = _write_sites(parts, source, text, final, counts, related, vocabulary, effects, report)
    parts.database.close()
    sampled = {"share": sample, "documents": int(kept.sum()), "firings": n_kept}
    return {
        "topklm": __version__,
        "kind": source.kind.KIND,
        "depth": source.depth,
        "sites": sites,
        "n_tokens": len(text.packed.tokens),
        "n_documents": len(text.hashes),
        "corpus": {"spec": text.spec, "sha256": text.sha256, "content": text.packed.content},
        "firings": firings,
        "sample": {**sampled, "tokens_for_similarity": related.tokens},
        "quantiles": list(QUANTILES),
        "tables": {name: _described(final / f"{name}.parquet") for name in TABLES},
    }


def _described(path: Path) -> dict[str, Any]:
    flush(path)
    with pq.ParquetFile(path) as file:
        rows = file.metadata.num_rows
    return {"rows": rows, "bytes": path.stat().st_size, "sha256": sha256_file(path)}


def _write_sites(
    parts: merge.Parts,
    source: FeatureSource,
    text: Text,
    final: Path,
    counts: dict[int, Counts],
    related: merge.Related,
    vocabulary: list[bytes],
    effects: bool,
    report: Any,
) -> list[dict[str, Any]]:
    """Write features.parquet and examples.parquet, site after site; return each site's numbers."""
    layout = Layout.of(source)
    matrices = {site: activations(related, site, source.width(site)) for site in layout.sites}
    across = same_index(matrices) if source.kind.SHARED_INDEX else {}
    described = []
    writers = _Writers(final)
    for place, (layer, start, width) in enumerate(
        zip(layout.sites, layout.starts[:-1], layout.widths, strict=True)
    ):
        rows = merge.histogram(parts, start, width)
        found = Histogram(*(rows[name].to_numpy() for name in ("feature", "bucket", "firings")))
        numbers = quantiles(found, counts[layer])
        cut = bins(found, counts[layer])
        site = Site(
            layer=layer,
            kind=source.kind,
            tokens=len(text.packed.tokens),
            counts=counts[layer],
            quantiles=numbers,
            bins=cut,
            bars=bars(found, counts[layer]),
            top_tokens=merge.top_tokens(parts, final / "token_mass.parquet", layer),
            changes=_changes(source, layer, counts[layer], numbers, text, final.parent, effects),
            nearest=nearest(matrices[layer], SIMILAR),
            others={other: cosine for (one, other), cosine in across.items() if one == layer},
        )
        features = feature_table(site, vocabulary)
        writers.add("features", features, rows=FEATURES_GROUP)
        writers.add("examples", _examples(parts, site, start, text), rows=EXAMPLES_GROUP)
        status = features["status"].to_pylist()
        states = {state: status.count(state) for state in ("live", "rare", "dead")}
        described.append({"site": layer, "width": width, **states})
        report(5 + place)
    writers.close()
    return described


class _Writers:
    """The tables of one directory, written piece by piece."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files: dict[str, pq.ParquetWriter] = {}

    def add(self, name: str, table: pa.Table, *, rows: int) -> None:
        """Write a piece, in row groups of so many rows."""
        if name not in self.files:
            path = self.directory / f"{name}.parquet"
            self.files[name] = pq.ParquetWriter(path, table.schema, compression="zstd")
        self.files[name].write_table(table, row_group_size=rows)

    def close(self) -> None:
        """Finish the files."""
        for file in self.files.values():
            file.close()


def _examples(parts: merge.Parts, site: Site, start: int, text: Text) -> pa.Table:
    """Choose a site's examples, and say which document each is from."""
    chosen = ("feature", "bin", "low_bucket", "high_bucket")
    where = pa.table({name: getattr(site.bins, name) for name in chosen})
    table = merge.examples(parts, where, start, len(site.counts.firings))
    position = table["position"].to_numpy()
    document = np.searchsorted(text.packed.documents[:, 0], position, side="right") - 1
    columns = {
        "site": np.full(len(position), site.layer, np.uint16),
        "index": table["feature"].to_numpy().astype(np.uint32),
        "bin": table["bin"].to_numpy().astype(np.uint8),
        "position": position,
        "document": document.astype(np.uint32),
    }
    return pa.table(
        {**columns, **{name: table[name] for name in ("value", "start", "stop", "positions", "values")}}
    )


def _changes(
    source: FeatureSource,
    layer: int,
    counts: Counts,
    numbers: Any,
    text: Text,
    work: Path,
    effects: bool,
) -> pa.Table:
    """Measure the tokens that a site's features promote and suppress, or read what was measured before."""
    if not effects or not isinstance(source, SteerableSource):
        return no_changes()
    path = work / f"effects-{layer}.parquet"
    if not path.is_file():
        fires = np.flatnonzero(counts.firings)
        medians = numbers[QUANTILES.index(0.5), fires]
        contexts = probe_contexts(
            torch.from_numpy(np.asarray(text.packed.tokens, np.int64)),
            length=min(CONTEXT_TOKENS, source.context),
        )
        effects_found = list(
            token_effects(source, layer, fires.tolist(), medians.tolist(), contexts, count=CHANGES)
        )
        with whole_file(path) as partial:
            pq.write_table(change_table(fires.tolist(), effects_found), partial)
    return pq.read_table(path)
