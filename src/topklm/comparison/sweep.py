"""Sweeps: runs that differ in what is asked of them, trained one after another and measured alike."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console

from ..core.errors import InputError, TrainingError
from ..core.files import disk_full_is_said, existing, finite, locked, read_json, write_json, write_text
from ..core.stats import Estimate, is_live, paired_t
from ..data import Packed
from ..evaluation.flops import TRAINING, forward_flops
from ..evaluation.heldout import document_likelihoods, summary
from ..features import LayerNeurons, capture
from ..metrics import entropies
from ..metrics.batch import Batch
from ..model import SparseCodes
from ..reports.sweep import Line, loss_figure, markdown, variants_figure
from ..training import Loaded, Run, load, resume, train
from ..training.prepare import with_absolute_paths
from .result import as_row, write_table
from .sweep_plan import Planned, Sweep

FORMAT, MEASURED = "topklm.sweep/1", "topklm.sweep-run/1"
RESULT, TABLE, FILE = "sweep.json", "sweep.parquet", "sweep-rows.json"
Say = Callable[[str], None]


class SweepRow(NamedTuple):
    """One number of one run."""

    variant: str
    source: str
    """topk or dense."""
    site: int | None
    """The layer, where the number is one layer's."""
    metric: str
    value: float
    low: float
    high: float
    n_tokens: int
    seed: int

    @property
    def estimate(self) -> Estimate:
        """The number with its interval."""
        return Estimate(self.value, self.low, self.high)


@dataclass
class SweepResult:
    """All numbers of a sweep, and what failed."""

    rows: list[SweepRow] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Runs that could not be trained to their end, and why."""

    def variants(self) -> list[str]:
        """List the variants in the order of the sweep."""
        return list(dict.fromkeys(row.variant for row in self.rows))

    def by_seed(self, variant: str, metric: str, *, site: int | None = None) -> dict[int, Estimate]:
        """Return a variant's number for each seed."""
        return {
            row.seed: row.estimate
            for row in self.rows
            if (row.variant, row.metric, row.site) == (variant, metric, site)
        }

    def sites(self, variant: str) -> list[int]:
        """List the layers that a variant has numbers of."""
        return sorted({row.site for row in self.rows if row.variant == variant and row.site is not None})

    def difference(self, variant: str, other: str, metric: str) -> Estimate | None:
        """Return the mean difference over the seeds that both have, with a paired t-interval."""
        ours, theirs = self.by_seed(variant, metric), self.by_seed(other, metric)
        shared = [ours[seed].value - theirs[seed].value for seed in ours if seed in theirs]
        return paired_t(shared) if shared else None

    def as_json(self) -> dict[str, Any]:
        """Return the content of `sweep.json`; a number that is not finite is null."""
        rows = [finite(row._asdict()) for row in self.rows]
        return {"format": FORMAT, "failed": self.failed, "rows": rows}


def run_sweep(
    sweep: Sweep,
    out: Path | str,
    *,
    say: Say = lambda message: None,
    console: Console | None = None,
) -> SweepResult:
    """Train what is not trained yet, measure what is not measured yet, and write all numbers to `out`.

    Interrupted at any instant, the same call goes on. A run whose loss is no longer finite is named among
    the failed, and the others go on. Raises InputError where `out` holds another sweep's runs, and whatever
    `train` raises for bad settings, text or disk.
    """
    out = Path(out)
    planned = sweep.runs()
    for one in planned:
        refuse_other(out / one.place, one)
    done: dict[tuple[str, int], list[SweepRow]] = {}
    failed: dict[str, str] = {}
    with disk_full_is_said(existing(out)):
        out.mkdir(parents=True, exist_ok=True)
        with locked(out):
            with suppress(InputError):  # rows of before stay until theirs are there anew
                for row in read_sweep_result(out).rows:
                    done.setdefault((row.variant, row.seed), []).append(row)
            for number, one in enumerate(planned, 1):
                say(f"run {number} of {len(planned)}: {one.variant}, seed {one.settings.seed}")
                try:
                    run = trained(one, out / one.place, say=say, console=console)
                except TrainingError as error:
                    failed[str(one.place)] = str(error)
                    done.pop((one.variant, one.settings.seed), None)
                    say(f"{one.place}: {error}; going on with the next")
                else:
                    done[one.variant, one.settings.seed] = measured(one, run)
                write_sweep(out, _together(planned, done, failed))
    return _together(planned, done, failed)


def _together(
    planned: Sequence[Planned], done: dict[tuple[str, int], list[SweepRow]], failed: dict[str, str]
) -> SweepResult:
    """Put rows in the order of the sweep."""
    rows = [row for one in planned for row in done.get((one.variant, one.settings.seed), [])]
    return SweepResult(rows, dict(failed))


def lines(result: SweepResult) -> list[Line]:
    """Summarize each variant as a line of a table: every seed, and means over seeds."""
    variants = result.variants()
    if not variants:
        return []
    first = variants[0]

    def mean(variant: str, metric: str, site: int | None = None) -> float:
        return float(np.mean([one.value for one in result.by_seed(variant, metric, site=site).values()]))

    return [
        Line(
            variant=one,
            losses={seed: found.value for seed, found in result.by_seed(one, "loss").items()},
            difference=None if one == first else result.difference(one, first, "loss"),
            bits_per_byte=mean(one, "bits_per_byte"),
            live=[mean(one, "live", site) for site in result.sites(one)],
            entropy=[mean(one, "token_entropy/random", site) for site in result.sites(one)],
            parameters=mean(one, "parameters"),
            flops_per_token=mean(one, "flops_per_token"),
            training_flops=mean(one, "training_flops"),
            seconds=mean(one, "training_seconds"),
        )
        for one in variants
    ]


def write_report(out: Path, found: Sequence[Line], *, failed: Mapping[str, str]) -> list[Path]:
    """Write the table as Markdown and the figures as PNG and SVG; return the files."""
    written = [out / "sweep.md"]
    write_text(written[0], markdown(found, failed=failed))
    figures = {"loss": loss_figure, "variants": variants_figure}
    for name, draw in figures.items():
        for ending in ("png", "svg"):
            written.append(out / f"{name}.{ending}")
            draw(found, written[-1])
    return written


def write_sweep(out: Path, result: SweepResult) -> None:
    """Write the rows as Parquet and, last, as JSON."""
    columns = {name: [getattr(row, name) for row in result.rows] for name in SweepRow._fields}
    write_table(out / TABLE, columns, {"format": FORMAT})
    write_json(out / RESULT, result.as_json())


def read_sweep_result(out: Path | str) -> SweepResult:
    """Read what a sweep wrote. Raises InputError where there is none."""
    path = Path(out) / RESULT
    content = read_json(path) if path.is_file() else None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{out} holds no sweep; 'topklm sweep FILE --out DIR' makes one")
    try:
        return SweepResult([SweepRow(**as_row(row)) for row in content["rows"]], content["failed"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error}") from None


def refuse_other(place: Path, planned: Planned) -> None:
    """Raise InputError where a run of other settings lies in a run's place."""
    if not (place / "train.json").is_file():
        return
    there, wanted = Run(place).settings, with_absolute_paths(planned.settings)
    if there != wanted:
        differs = [name for name, value in wanted.as_json().items() if there.as_json()[name] != value]
        raise InputError(
            f"{place} holds a run with another {', '.join(differs)}; choose another --out, or another name"
        )


def trained(planned: Planned, place: Path, *, say: Say, console: Console | None) -> Run:
    """Return a run that is finished, training or resuming it where it is not."""
    if not (place / "train.json").is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        return train(planned.settings, place, say=say, console=console)
    run = Run(place)
    return run if run.finished else resume(place, say=say, console=console)


def measured(planned: Planned, run: Run) -> list[SweepRow]:
    """Measure a finished run on its validation part; what was measured before is read."""
    path = run.path / FILE
    found = read_json(path) if path.is_file() else None
    if isinstance(found, dict) and found.get("format") == MEASURED and found.get("revision") == run.revision:
        rows = [SweepRow(**as_row(row)) for row in found["rows"]]
        return [row._replace(variant=planned.variant) for row in rows]
    loaded = load(run.path)
    packed = Packed.open(run.path / "data", "validation")
    rows = list(numbers(planned, loaded, packed))
    content = [row._asdict() for row in rows]
    write_json(path, {"format": MEASURED, "revision": run.revision, "rows": content})
    return rows


def numbers(planned: Planned, loaded: Loaded, packed: Packed) -> Iterator[SweepRow]:
    """Yield the numbers of a run: loss, cost and, for a TopK model, live neurons and token entropy."""
    settings = planned.settings
    source = "dense" if settings.dense else "topk"

    def row(metric: str, estimate: Estimate, *, site: int | None = None, n_tokens: int) -> SweepRow:
        return SweepRow(planned.variant, source, site, metric, *estimate, n_tokens, settings.seed)

    context = loaded.model.config.max_position_embeddings
    result = summary(document_likelihoods(loaded.model, packed, context=context))
    yield row("loss", result.loss, n_tokens=result.n_tokens)
    yield row("bits_per_byte", result.bits_per_byte, n_tokens=result.n_tokens)
    for metric, value in costs(loaded).items():
        yield row(metric, Estimate.exact(value), n_tokens=settings.steps * settings.batch_tokens)
    if settings.dense:
        return
    for site, codes in of_sites(loaded, packed):
        yield row("live", Estimate.exact(live_share(codes)), site=site, n_tokens=len(packed.tokens))
        for one in entropies.measure(codes):
            if one.metric.startswith("token_entropy/") and one.metric.count("/") == 1:
                estimate = Estimate(one.value, one.low, one.high)
                yield row(one.metric, estimate, site=site, n_tokens=one.n_tokens)


def costs(loaded: Loaded) -> dict[str, float]:
    """Return what a run cost: parameters, operations and seconds."""
    config, run = loaded.model.config, loaded.run
    flops = forward_flops(config)
    seconds = max((row.get("seconds", 0.0) for row in run.metrics()), default=0.0)
    tokens = run.settings.steps * run.settings.batch_tokens
    return {
        "parameters": float(sum(one.numel() for one in loaded.model.parameters())),
        "flops_per_token": flops,
        "training_flops": TRAINING * flops * tokens,
        "training_seconds": float(seconds),
        "tokens_per_second": tokens / seconds if seconds else math.nan,
    }


def of_sites(loaded: Loaded, packed: Packed) -> Iterator[tuple[int, list[Batch]]]:
    """Read the codes of a text once, and yield them layer by layer."""
    source = LayerNeurons(loaded.model, loaded.tokenizer)
    batches = list(capture(source, packed))
    for site in source.sites:
        yield site, [as_batch(one.codes[site], one) for one in batches]


def as_batch(codes: SparseCodes, batch: Any) -> Batch:
    """Give one site's codes the form that metrics read."""
    documents = torch.from_numpy(batch.documents)
    return Batch(codes.to("cpu"), batch.token_ids, documents, None, int(batch.positions[0]))


def live_share(batches: Iterable[Batch]) -> float:
    """Return the share of a layer's neurons that fire on more than 1 token in 10,000."""
    counts, tokens = np.zeros(0, np.int64), 0
    for batch in batches:
        found = np.bincount(batch.codes.indices.numpy(), minlength=batch.codes.width)
        counts = found if not tokens else counts + found
        tokens += len(batch.codes)
    return float(is_live(counts, tokens).mean())
