"""SAEs that were trained here, on disk: what lies where, and how a run's are opened.

RUN/sae/sae_8x/sae.json                         what they are (format topklm.sae/1)
RUN/sae/sae_8x/blocks.3.hook_resid_post/        one SAE as SAELens saves it: cfg.json, sae_weights.safetensors
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import InputError, RunError
from ..core.files import PARTIAL, damage, seal, write_json
from ..core.forms import Shape, read_form
from ..data.tokenizer import fingerprint
from ..training import Loaded, Run
from ..training.twin import open_twin
from .latents import SAELatents
from .member import Member
from .settings import SAESettings

FORMAT = "topklm.sae/1"
ABOUT = "sae.json"
FOLDER = "sae"
SHAPE: dict[str, Shape] = {
    "model": str,
    "revision": str,
    "tokenizer_sha256": str,
    "context": int,
    "width": int,
    "seed": int,
    "settings": {"architecture": str},
    "saes": dict,
}


class Origin(NamedTuple):
    """The model whose streams were read, and the text."""

    model: str
    """By what transformers and TransformerLens load it: a path or a name."""
    revision: str
    """SHA-256 of its weights."""
    tokenizer_sha256: str
    text_sha256: str
    """Of the token ids that the SAEs were trained on."""
    begun_as: str = ""
    """SHA-256 of the manifest of the SAEs that these began as; empty: from fresh weights."""


def hook_name(site: int) -> str:
    """Return TransformerLens's name of the stream after a block, which is also its SAE's directory."""
    return f"blocks.{site}.hook_resid_post"


def read_set(directory: Path) -> dict[str, Any]:
    """Read what SAEs in a directory are. Raises InputError where it is damaged or of another format."""
    if (problem := damage(directory, required=[ABOUT])) is not None:
        raise InputError(f"the SAEs in {directory} cannot be used: {problem}; delete it and train them anew")
    return read_form(directory / ABOUT, FORMAT, SHAPE)


def finished(directory: Path, settings: SAESettings, origin: Origin, *, context: int) -> bool:
    """Tell whether SAEs made with these settings, on blocks of so many tokens, are there.

    Raises InputError where others are.
    """
    if not directory.exists():
        return False
    about = read_set(directory)
    asked = {**settings.as_json(), **origin._asdict(), "context": context}
    shared = ("widths", "seeds", "model")  # the directory's name says the first two; a run may be moved
    for name, value in asked.items():
        was = about["settings"].get(name, about.get(name, ""))
        if name not in shared and was != value:
            raise InputError(
                f"{directory} holds SAEs made with {name}={shown(was)}, not {shown(value)}; ask for the "
                "same, or delete it"
            )
    return True


def shown(value: Any) -> str:
    """Write a setting for a message; hashes short."""
    return value[:12] if isinstance(value, str) and len(value) == 64 else str(value)


def write_set(directory: Path, members: Sequence[Member], about: dict[str, Any]) -> None:
    """Write the SAEs of one width and seed with what is known of them, whole or not at all."""
    partial = directory.with_name(PARTIAL + directory.name)
    saes = {}
    for member in members:
        name = hook_name(member.site)
        metadata = {
            "model_name": about["model"],
            "model_revision": about["revision"],
            "hook_name": name,
            "hf_hook_name": f"model.layers.{member.site}",
            "context_size": about["context"],
            "prepend_bos": True,
        }
        member.finish(partial / name, metadata)
        saes[str(member.site)] = {
            "directory": name,
            "tokens": member.tokens,
            "steps": member.tokens // member.settings.batch_tokens,
            "seconds": member.seconds,
            "flops": member.flops,
            "curve": [one._asdict() for one in member.curve],
            "last_tenth": member.gain,
            "flat": member.flat,
        }
    first = members[0]
    versions = {name: version(name) for name in ("sae-lens", "torch", "transformers")}
    own = {"name": directory.name, "width": first.width, "seed": first.seed, "saes": saes}
    write_json(partial / ABOUT, {**about, **own, "versions": versions})
    seal(partial, directory)


def model_of(loaded: Loaded, twin: Path | str | None = None) -> Loaded:
    """Return the dense model whose SAEs belong to a run: a dense run's own, else that of its twin.

    Raises RunError where there is none, or it is no twin of the run.
    """
    return loaded if loaded.run.settings.dense else open_twin(loaded.run, twin)


def names_of(run: Run) -> list[str]:
    """List the SAEs trained for a run, by name."""
    found = [path.parent.name for path in (run.path / FOLDER).glob(f"*/{ABOUT}")]
    return sorted(name for name in found if not name.startswith(PARTIAL))


def source_of_run(
    loaded: Loaded, name: str, *, twin: Path | str | None = None, step: int | None = None
) -> SAELatents:
    """Open a run's SAEs by name, such as `sae_8x`, as a feature source.

    Raises InputError where there are none, they are damaged, or belong to other weights; RunError where
    the twin they were trained on is missing or none.
    """
    run = loaded.run
    directory = run.path / FOLDER / name
    if not (directory / ABOUT).is_file():
        names = names_of(run)
        there = f"it has {', '.join(names)}" if names else "it has none"
        raise InputError(
            f"{run.path} has no SAEs {name!r}, {there}; train them with: topklm sae train {run.path} "
            "--width 8x"
        )
    if step is not None:
        raise InputError(f"the SAEs {name} belong to the final weights; they cannot be read at step {step}")
    about = read_set(directory)
    model, tokenizer, dense = model_of(loaded, twin)
    if about["revision"] != dense.revision:
        raise RunError(
            f"the SAEs in {directory} were trained on weights {shown(about['revision'])}, but {dense.path} "
            f"has {shown(dense.revision)}; train them anew, or name the twin they belong to"
        )
    if about["tokenizer_sha256"] != fingerprint(tokenizer):
        raise RunError(f"the SAEs in {directory} were trained with another tokenizer than {dense.path} has")
    return SAELatents.load(model, tokenizer, directory, name=name, revision=dense.revision)
