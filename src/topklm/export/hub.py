"""The Hugging Face hub: a run as a model repository, one revision per tracing checkpoint.

`main` holds what transformers loads, the run's settings and losses, and a model card. The branch `step-93`
holds the weights of step 93, so that others trace the model without this machine:

    AutoModelForCausalLM.from_pretrained("user/name", revision="step-93", trust_remote_code=True)
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import InputError, RunError, TopKLMError
from ..core.files import damage, read_json, without_paths
from ..training.run import WEIGHTS, Run
from .model_card import model_card

PART = r"\w(?:[\w.-]{0,94}\w)?"
NAME = re.compile(f"{PART}/{PART}", re.ASCII)
CODE = "*.py"
LOADED = ("config.json", "generation_config.json", WEIGHTS)
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
MAIN = "main"
STEP = re.compile(r"step-\d+")


class Pushed(NamedTuple):
    """What became of a push."""

    url: str
    revisions: dict[str, str]
    """Each revision, and whether it was `sent` or the same weights were `there` already."""


def push(
    run: Run | Path | str,
    name: str,
    *,
    private: bool = False,
    checkpoints: bool = True,
    licence: str | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> Pushed:
    """Send a run to the hub as the model `name` (user/name), its tracing checkpoints as branches step-N.

    `main` comes last: where it is new, everything is there. Interrupted, the same call goes on, since weights
    that are there already are not sent again. No path of this machine is sent: a path in the settings becomes
    its last part. The token is the hub's own (`hf auth login`, or HF_TOKEN).

    licence: of the weights, by the hub's identifiers (apache-2.0, cc-by-4.0). Raises InputError for a wrong
    name, RunError for an unfinished run or a damaged checkpoint, TopKLMError where the hub refuses or is out
    of reach.
    """
    from huggingface_hub import HfApi

    run = run if isinstance(run, Run) else Run(run)
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name of a model on the hub; write user/name")
    if not run.finished:
        raise RunError(f"{run.path} is not finished; go on with: topklm train --resume --out {run.path}")
    steps = dict(run.checkpoints("trace")) if checkpoints else {}
    for step, directory in steps.items():
        if (problem := damage(directory, required=[WEIGHTS])) is not None:
            raise RunError(f"checkpoint {step} of {run.path} cannot be sent: {problem}")
    done = {}
    with answered(name):
        api = HfApi(library_name="topklm")
        url = str(api.create_repo(name, private=private or None, exist_ok=True))
        for step, directory in steps.items():
            branch = f"step-{step}"
            api.create_branch(name, branch=branch, exist_ok=True)
            done[branch] = send(
                api, name, branch, run.traced_weights(step), list(checkpoint_files(run, directory))
            )
            say(f"{branch}: {done[branch]}")
        branches = [one.name for one in api.list_repo_refs(name).branches] if checkpoints else []
        if left := sorted(one for one in branches if STEP.fullmatch(one) and one not in done):
            say(f"{', '.join(left)}: of another training, still there; delete what is not this run's")
        card = model_card(run, name, licence=licence, steps=list(steps))
        files = [*run_files(run), ("README.md", card.encode())]
        done[MAIN] = send(api, name, MAIN, "", files)
        say(f"{MAIN}: {done[MAIN]}")
    return Pushed(url, done)


File = tuple[str, Path | bytes]


def send(api: Any, name: str, revision: str, sha256: str, files: list[File]) -> str:
    """Commit files to a revision, unless it holds weights of this hash already."""
    from huggingface_hub import CommitOperationAdd

    if sha256 and sha256 == weights_there(api, name, revision):
        return "there"
    operations = [
        CommitOperationAdd(path, str(content) if isinstance(content, Path) else content)
        for path, content in files
    ]
    api.create_commit(
        name, operations, revision=revision, commit_message=f"topklm: the weights of {revision}"
    )
    return "sent"


def weights_there(api: Any, name: str, revision: str) -> str | None:
    """Return the SHA-256 of the weights that a revision holds, None where it holds none."""
    found = api.get_paths_info(name, [WEIGHTS], revision=revision)
    return next((str(one.lfs.sha256) for one in found if one.lfs is not None), None)


def checkpoint_files(run: Run, directory: Path) -> Iterator[File]:
    """List what a tracing checkpoint needs to be loaded: weights, code, and the run's tokenizer."""
    yield from present(directory, LOADED)
    yield from ((one.name, one) for one in sorted(directory.glob(CODE)))
    yield from present(run.path, TOKENIZER)


def run_files(run: Run) -> Iterator[File]:
    """List what a run is for others: what loads it, how it was made, how its losses went."""
    yield from checkpoint_files(run, run.path)
    about = without_paths(read_json(run.path / "train.json"))
    yield "train.json", (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode()
    yield from present(run.path, ["metrics.jsonl"])


def present(directory: Path, names: Any) -> Iterator[File]:
    """List the files of these names that are there."""
    yield from ((name, directory / name) for name in names if (directory / name).is_file())


@contextmanager
def answered(name: str) -> Iterator[None]:
    """Turn what the hub, or its absence, answers into one line."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except LocalTokenNotFoundError:
        raise InputError("the hub wants a token: 'hf auth login' stores one, HF_TOKEN names one") from None
    except HFValidationError as error:
        raise InputError(
            f"{name!r} is no name of a model on the hub: {' '.join(str(error).split())}"
        ) from None
    except OfflineModeIsEnabled:
        raise InputError("HF_HUB_OFFLINE is set, so the hub cannot be reached; unset it to push") from None
    except (HfHubHTTPError, RuntimeError) as failed:
        refusal = failed.__cause__ if type(failed) is RuntimeError else failed  # of an upload in a thread
        if not isinstance(refusal, HfHubHTTPError):
            raise
        said = " ".join((refusal.server_message or str(refusal)).split())
        code = refusal.response.status_code if refusal.response is not None else "no"
        token = "; is there a token that may write (HF_TOKEN, hf auth login)?" if code in (401, 403) else ""
        raise TopKLMError(f"the hub answered {code} for {name}: {said}{token}") from None
    except Exception as error:
        if not isinstance(error, ConnectionError) and "TransportError" not in names_of(error):
            raise
        raise TopKLMError(f"the hub cannot be reached: {error or type(error).__name__}") from None


def names_of(error: Exception) -> set[str]:
    """Return the names of an error's classes: which HTTP library the hub's client uses is its own affair."""
    return {kind.__name__ for kind in type(error).__mro__}
