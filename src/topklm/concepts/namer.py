"""Names from a language model behind an OpenAI-compatible endpoint, scored by detection on held-out examples.

The endpoint is optional, and nothing depends on it: where it is down or answers nonsense, the reason is said
and the feature goes without a name from it.
"""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from typing import Any, NamedTuple

import numpy as np
import torch

from ..core.errors import InputError, TopKLMError
from ..metrics.batch import halves
from ..metrics.contexts import windows
from ..metrics.firings import Firings
from .naming import NO_NAME, Name

LONGEST = 80
"""Characters of a name; longer answers are no name."""
LARGEST = 1_000_000
FAILURES = 3
"""After so many failures in a row, the endpoint is left alone."""
SHOWN, ASKED = 8, 10
DETECTED = 0.75
"""A name is good where its detection is at least halfway from chance to certainty."""

NAME_TASK = (
    "Below are pieces of text in which one word or word part is marked <<like this>>. Something in a "
    "neural network fires on the marked places. Say in at most eight words what they have in common. "
    "Answer with that phrase alone."
)
DETECT_TASK = (
    "Here is a description of what something in a neural network fires on: {name}\nBelow are numbered "
    "pieces of text, each with one place marked <<like this>>. On which does it fire at the marked place? "
    "Answer with a JSON list of numbers alone, such as [1, 4]; [] if none."
)


class NamerError(TopKLMError):
    """The endpoint gave no usable answer."""


class Shown(NamedTuple):
    """Examples of one feature: some to name it by, some from other documents to judge the name by."""

    examples: list[str]
    held_out: list[str]
    fires: list[bool]
    """Whether the feature fires at the marked place of each held-out one."""


class Namer:
    """A client of `URL/chat/completions`.

    Raises InputError where the URL is none. model: the name the endpoint knows its model by.
    """

    def __init__(self, url: str, *, model: str = "default", api_key: str = "", timeout: float = 30.0) -> None:
        if not re.match(r"https?://[^/\s]+", url):
            raise InputError(f"{url!r} is no endpoint; give a URL such as http://localhost:8080/v1")
        self.url = url.rstrip("/") + "/chat/completions"
        self.model, self.api_key, self.timeout = model, api_key, timeout

    def name(self, examples: Sequence[str]) -> str:
        """Ask for a name. Raises NamerError where there is no usable answer."""
        answer = self.ask(f"{NAME_TASK}\n\n" + "\n".join(examples))
        name = answer.strip().strip("\"'`").strip()
        if not name or "\n" in name or len(name) > LONGEST:
            raise NamerError(f"an answer that is no name: {answer[:60]!r}")
        return name

    def detect(self, name: str, examples: Sequence[str]) -> list[bool]:
        """Ask which examples fit a name. Raises NamerError where there is no usable answer."""
        numbered = "\n".join(f"{number}. {text}" for number, text in enumerate(examples, start=1))
        answer = self.ask(DETECT_TASK.format(name=name) + "\n\n" + numbered)
        found = re.search(r"\[[\d\s,]*\]", answer)
        listed = re.findall(r"\d+", found.group()) if found else ["0"]
        numbers = {int(digits[:9]) for digits in listed}
        if not numbers <= set(range(1, len(examples) + 1)):
            raise NamerError(f"an answer that is no list of examples: {answer[:60]!r}")
        return [number in numbers for number in range(1, len(examples) + 1)]

    def ask(self, prompt: str) -> str:
        """Send one message and return the answer's text. Raises NamerError."""
        content = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
        }
        headers = {"Content-Type": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        request = urllib.request.Request(  # noqa: S310  # the scheme is checked above
            self.url, json.dumps(content).encode(), headers, method="POST"
        )
        try:
            answer = json.loads(self._read(request))["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            raise NamerError(f"the endpoint answers {error.code} {error.reason}") from None
        except (OSError, HTTPException, ValueError, LookupError, TypeError, RecursionError) as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            raise NamerError(f"no answer that can be read: {reason}") from None
        if not isinstance(answer, str):
            raise NamerError("an answer without text")
        return answer

    def _read(self, request: urllib.request.Request) -> bytes:
        """Read an answer; neither a slow nor an endless one holds us up."""
        deadline = time.monotonic() + self.timeout
        body = b""
        with urllib.request.urlopen(request, timeout=self.timeout) as response:  # noqa: S310
            while part := response.read1(65_536):
                body += part
                if len(body) > LARGEST:
                    raise ValueError("the answer does not end")
                if time.monotonic() > deadline:
                    raise TimeoutError("the answer takes too long")
        return body


def ask_names(
    namer: Namer,
    shown: Mapping[int, Shown],
    *,
    say: Callable[[str], None] = lambda message: None,
    called: Callable[[int], str] = lambda feature: f"feature {feature}",
) -> list[Name]:
    """Name features by an endpoint, each scored by detection: balanced accuracy on held-out examples.

    The same endpoint is told the name alone and asked which held-out examples it fits (2410.13928).
    Chance is 0.5; a name below 0.75 is no good one. Failures are said and passed over; after three in
    a row the endpoint is left alone.
    """
    found = []
    failures = 0
    for feature, one in shown.items():
        if failures == FAILURES:
            say(
                f"the endpoint failed {FAILURES} times in a row and is left alone; "
                "the other features keep their automatic names"
            )
            break
        try:
            text = namer.name(one.examples)
            claims = np.array(namer.detect(text, one.held_out))
        except NamerError as error:
            say(f"{called(feature)} gets no name from the endpoint: {error}")
            failures += 1
            continue
        failures = 0
        fires = np.array(one.fires)
        score = float((claims[fires].mean() + (~claims[~fires]).mean()) / 2)
        good = score >= DETECTED
        found.append(
            Name(feature, text if good else NO_NAME, "endpoint" if good else "none", score, len(fires))
        )
    return found


def examples_of(
    firings: Firings,
    token_ids: Any,
    documents: Any,
    decode: Callable[[Sequence[int]], str],
    *,
    seed: int = 0,
) -> dict[int, Shown]:
    """Gather examples of each feature for `ask_names`, the marked token between << and >>.

    firings: kept firings (`FiringSample`), whose positions point into `token_ids` and `documents`, those of
    the whole text. Shown examples come from one half of the documents, held-out ones from the other:
    five firings and five places drawn at random that are none of the kept firings, in mixed order.
    Features with fewer are left out.
    """
    generator = np.random.default_rng(seed)
    half = halves(firings.documents, seed=seed)
    owners, positions = firings.features.numpy(), firings.positions.numpy()
    places = generator.integers(0, len(token_ids), size=50 * ASKED)
    numbers = torch.tensor([int(documents[place]) for place in places])
    others = places[halves(numbers, seed=seed) == 1]
    found = {}
    for feature in np.unique(owners).tolist():
        mine = owners == feature
        first, second = positions[mine & (half == 0)][:SHOWN], positions[mine & (half == 1)]
        silent = others[~np.isin(others, positions[mine])]
        if len(first) < SHOWN or len(second) < ASKED // 2 or len(silent) < ASKED // 2:
            continue
        asked = [*second[: ASKED // 2], *generator.choice(silent, ASKED // 2, replace=False)]
        order = generator.permutation(ASKED)
        found[feature] = Shown(
            [_marked(token_ids, documents, int(place), decode) for place in first],
            [_marked(token_ids, documents, int(asked[at]), decode) for at in order],
            [bool(at < ASKED // 2) for at in order],
        )
    return found


def _marked(token_ids: Any, documents: Any, position: int, decode: Callable[[Sequence[int]], str]) -> str:
    (before,) = windows(token_ids, documents, [position], after=0)
    (after,) = windows(token_ids, documents, [position], before=0, after=8)
    text = f"{decode(before[:-1])}<<{decode(before[-1:])}>>{decode(after[1:])}"
    return " ".join(text.split())
