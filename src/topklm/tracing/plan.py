"""The plan of a trace: which model, which text, which concepts; an interrupted trace goes on with it."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from ..core.errors import InputError
from ..core.files import sha256_file, write_json
from ..core.forms import NUMBER, Shape, read_form
from ..index.text import text_changed
from ..training import Run
from ..training.run import load_run_tokenizer
from .probe import Probe, find_probe
from .stored import ABOUT, PLAN, PLAN_FORMAT

SHAPE: dict[str, Shape] = {
    "revision": str,
    "request": {"data": object, "tokens": int, "lexicon": object},
    "corpus": {"sha256": str},
    "n_tokens": int,
    "n_documents": int,
    "concepts": [{"concept": str, "kind": str, "family": str, "oracle_f1": NUMBER, "tokens": NUMBER}],
}
"""What the plan on disk must say."""

TOKENS = 50_000
"""Tokens of the probe text where nothing is said."""
Say = Callable[[str], None]


class Plan:
    """What decides a trace; `content` is what plan.json holds."""

    content: dict[str, Any]
    request: dict[str, Any]

    def __init__(
        self,
        run: Run,
        directory: Path,
        *,
        say: Say = lambda message: None,
        console: Console | None = None,
    ) -> None:
        self.run, self.directory, self.say, self.console = run, directory, say, console

    @classmethod
    def of_finished(
        cls,
        run: Run,
        directory: Path,
        *,
        say: Say = lambda message: None,
        console: Console | None = None,
    ) -> "Plan":
        """Open the plan of a finished trace. Raises InputError where there is none."""
        if not (directory / ABOUT).is_file():
            raise InputError(f"there is no trace in {directory}; make one with: topklm trace {run.path}")
        plan = cls(run, directory, say=say, console=console)
        plan.take({})
        return plan

    @property
    def n_tokens(self) -> int:
        """Tokens of the probe text."""
        return int(self.content["n_tokens"])

    def take(self, request: dict[str, Any]) -> None:
        """Go on with the plan that is there, or make one. Raises InputError where another trace is."""
        path = self.directory / PLAN
        if not path.is_file():
            if request["tokens"] is not None and request["tokens"] < 1:
                raise InputError(f"tokens={request['tokens']} is not allowed; choose 1 or more")
            self.request = {**request, "tokens": request["tokens"] or TOKENS}
            self.content = self._new()
            write_json(path, self.content)
            return
        self.content = read_form(path, PLAN_FORMAT, SHAPE, advice="choose another directory")
        if self.content["revision"] != self.run.revision:
            raise InputError(
                f"{self.directory} holds a trace of another model, revision {self.content['revision'][:12]}; "
                "choose another directory with --out, or delete it"
            )
        self.request = self.content["request"]
        for name, value in request.items():
            if value is not None and value != self.request[name]:
                raise InputError(
                    f"{self.directory} holds a trace with {name}={self.request[name]!r}, not {value!r}; ask "
                    "for the same, choose another directory with --out, or delete it"
                )
        then = self.content["corpus"].get("content")
        if request and text_changed(self.run, self.request["data"], then):
            raise InputError(
                f"the text has changed since {self.directory} was begun; choose another directory with "
                "--out, or delete it"
            )
        now = _hash_of(self.request["lexicon"])
        if now is not None and now != self.content.get("lexicon_sha256", now):
            raise InputError(
                f"{self.request['lexicon']} has changed since {self.directory} was begun; choose another "
                "directory with --out, or delete it"
            )

    @cached_property
    def probe(self) -> Probe:
        """Find and label the text; only work that is still to be done needs it."""
        request = self.request
        self.say("labelling the probe text")
        found = find_probe(
            self.run,
            load_run_tokenizer(self.run),
            self.directory / "text",
            data=request["data"],
            tokens=request["tokens"],
            lexicon=request["lexicon"],
            console=self.console,
        )
        if found.n_tokens < request["tokens"]:
            self.say(f"the text has only {found.n_tokens:,} tokens, not {request['tokens']:,}: all are read")
        return found

    def checked_probe(self) -> Probe:
        """Return the text. Raises InputError where it is not the one of the plan."""
        if self.probe.sha256 != self.content["corpus"]["sha256"]:
            raise InputError(
                f"{self.directory} holds a trace on another text than the same request gives now; choose "
                "another directory with --out, or delete it"
            )
        return self.probe

    def _new(self) -> dict[str, Any]:
        probe, oracle = self.probe, self.probe.oracle
        names = probe.labels.names
        return {
            "format": PLAN_FORMAT,
            "revision": self.run.revision,
            "request": self.request,
            "lexicon_sha256": _hash_of(self.request["lexicon"]),
            "corpus": {"spec": probe.spec, "sha256": probe.sha256, "content": probe.packed.content},
            "n_tokens": probe.n_tokens,
            "n_documents": len(probe.packed.documents),
            "concepts": [
                {"concept": name, "kind": kind, "family": family, "oracle_f1": f1, "tokens": count}
                for name, kind, family, f1, count in zip(
                    names,
                    probe.labels.kinds,
                    oracle.families,
                    oracle.f1.nan_to_num(0.0).tolist(),
                    oracle.positives.tolist(),
                    strict=True,
                )
            ],
        }


def _hash_of(lexicon: str | None) -> str | None:
    """Hash a lexicon's file; None where none is named, or it is gone."""
    return sha256_file(Path(lexicon)) if lexicon is not None and Path(lexicon).is_file() else None
