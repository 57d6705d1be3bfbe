"""Stages that make what is compared: the dense twin, its SAEs, the indexes."""

from dataclasses import replace
from typing import Any

from ...core.errors import DiskFullError, InputError
from ...index import FeatureIndex, build_index
from ...index.text import text_changed
from ...sae.checkpoints import checkpoint_saes_are_there, train_checkpoint_saes
from ...sae.lens import saelens
from ...sae.quality import saes_quality
from ...sae.runs import train_run_saes
from ...sae.store import FOLDER, names_of, read_set
from ...training import resume, train
from ...training.twin import topk_sites
from ..budget import DEFAULTS
from .work import Found, LeftOut, Work, as_estimate, check_twin

REPLACED = {"loss": "replaced_loss"}
"""What `topklm sae eval` calls loss is that with the stream replaced."""
OF_THE_MODEL = ("model_loss", "zero_loss")


def twin(work: Work) -> Found:
    """Train the dense twin, or go on with it, or take the one that is there."""
    path = work.twin_path
    if not (path / "train.json").is_file():
        settings = replace(work.run.settings, dense=True)
        dense = train(settings, path, say=work.say, console=work.console)
    else:
        dense = resume(path, say=work.say, console=work.console)
    check_twin(work.run, dense)
    work.__dict__.pop("twin", None)
    return Found(notes={"path": str(path), "revision": dense.revision})


def saes(work: Work) -> Found:
    """Train SAEs of the twin: 1x at all TopK layers, wide ones at the last, and measure how good they are.

    What the run has already is taken as it is, unless the budget asks for other tokens.
    """
    work.need_twin()
    try:
        saelens()
    except InputError as error:
        raise LeftOut(str(error)) from None
    budget, sites = work.budget, topk_sites(work.run)
    seeds = tuple(range(budget.sae_seeds))
    _train(work, 1, sites, seeds)
    if budget.wide_sites and budget.wide > 1:
        _train(work, budget.wide, sites[-budget.wide_sites :], (0,))
    left_out = {}
    try:
        _train_checkpoints(work)
    except DiskFullError:
        raise
    except InputError as error:
        left_out["SAEs of checkpoints"] = str(error)
    names = names_of(work.run)
    quality = saes_quality(work.loaded, names=names, twin=work.twin_path, say=work.say)
    rows = [
        work.row(
            one.source,
            REPLACED.get(row["metric"], row["metric"]),
            as_estimate(row),
            site=row["site"],
            n_tokens=row["n_tokens"],
        )
        for one in quality
        for row in one.rows()
        if row["metric"] not in OF_THE_MODEL
    ]
    return Found(rows, {"saes": {name: _about(work, name) for name in names}}, left_out)


def _train(work: Work, width: int, sites: tuple[int, ...], seeds: tuple[int, ...]) -> None:
    """Train those of one width that are missing; what is there already is kept."""
    budget = work.budget
    names = [f"sae_{width}x" + (f"_seed{seed}" if seed else "") for seed in seeds]
    there = set(names_of(work.run))
    if budget.sae_tokens is None:
        seeds = tuple(seed for seed, name in zip(seeds, names, strict=True) if name not in there)
    if not seeds:
        work.say(f"{', '.join(names)}: taken as they are")
        return
    tokens = budget.sae_tokens or _tokens_of(work, names, there) or DEFAULTS["sae_tokens"]
    train_run_saes(
        work.run,
        widths=(width,),
        sites=sites,
        seeds=seeds,
        twin=work.twin_path,
        tokens=tokens,
        say=work.say,
        console=work.console,
    )


def _tokens_of(work: Work, names: list[str], there: set[str]) -> int | None:
    """Return the budget of SAEs that differ in their seed alone, so that a further seed gets the same."""
    for name in names:
        if name in there:
            return int(read_set(work.run.path / FOLDER / name)["settings"]["tokens"])
    return None


def _train_checkpoints(work: Work) -> None:
    """Train SAEs of the twin's last checkpoints, those that are missing."""
    count = work.budget.sae_checkpoints
    if not count:
        return
    if checkpoint_saes_are_there(work.run, "sae_1x", count=count, twin=work.twin_path):
        work.say("SAEs of checkpoints: taken as they are")
        return
    train_checkpoint_saes(
        work.run,
        count=count,
        twin=work.twin_path,
        tokens=work.budget.sae_tokens or DEFAULTS["sae_tokens"],
        say=work.say,
        console=work.console,
    )


def _about(work: Work, name: str) -> dict[str, Any]:
    """Say what an SAE's training was: its budget, what it took, whether its curves ended flat."""
    about = read_set(work.run.path / FOLDER / name)
    trained = about["saes"].values()
    return {
        "budget": about["settings"]["tokens"],
        "k": about["settings"]["k"],
        "sites": list(map(int, about["saes"])),
        "tokens": [one["tokens"] for one in trained],
        "flat": all(one["flat"] for one in trained),
        "seconds": sum(one["seconds"] for one in trained) + about["reading"]["seconds"],
        "threads": about["threads"],
    }


def index(work: Work) -> Found:
    """Index the run's own neurons, on held-out text, where no index of these weights is there."""
    path = work.run.path / "index"
    there = None
    if (path / "index.json").is_file() and work.budget.index_tokens is None:
        found = FeatureIndex.open(path, revision=work.run.revision)
        corpus, asked = found.about["corpus"], found.about.get("request", {}).get("data")
        changed = text_changed(work.run, asked, corpus.get("content"))
        named = set(work.budget.data or ()) <= set(corpus["spec"])
        if named and not changed:  # of the text that is asked for
            there = found
            work.say(f"{path}: taken as it is")
    built = there or build_index(
        work.run,
        data=None if work.data is None else list(work.data),
        tokens=work.budget.index_tokens or DEFAULTS["index_tokens"],
        say=work.say,
        console=work.console,
    )
    about = built.about
    return Found(notes={"path": str(path), "n_tokens": about["n_tokens"], "spec": about["corpus"]["spec"]})
