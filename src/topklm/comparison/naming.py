"""Names from an endpoint for some of a run's own neurons, kept beside the metrics."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..concepts import Name
from ..concepts.namer import Namer, ask_names, examples_of
from ..core.files import read_json, write_json
from ..core.hashing import hashed
from ..core.progress import counted
from ..core.stats import LIVE
from ..features import FeatureSource
from ..metrics.batch import Row, mean_row
from ..metrics.firings import FiringSample
from .reading import Reading
from .text import MeasuredText

FORMAT = "topklm.names/1"
FILE = "names.json"


def ask(
    source: FeatureSource,
    text: MeasuredText,
    namer: Namer,
    *,
    count: int,
    say: Callable[[str], None],
    console: Console | None = None,
) -> dict[str, Any]:
    """Have an endpoint name `count` live features of a source, drawn evenly from all; judge the names.

    Returns the content of `names.json`: `names` by feature (text and detection score, in which chance is
    0.5; only good ones) and `rows` by site. Features without a usable answer are left as they are.
    """
    with counted(console, "gathering examples", unit="tokens", total=len(text.packed.tokens)) as report:
        reading = Reading(source, text, report=report)
        samples = {site: FiringSample(source.width(site)) for site in source.sites}
        for stretch in reading:
            for site, sample in samples.items():
                sample.update(stretch.batches[site])
    chosen = draw({site: sample.totals for site, sample in samples.items()}, text, count)
    names: dict[str, list[Any]] = {}
    rows: dict[str, list[Row]] = {}
    going = True
    for site, features in chosen.items():
        kept = samples[site].result()
        shown = examples_of(kept, text.packed.tokens, text.document_of, text.decode)
        asked = {feature: shown[feature] for feature in features if feature in shown}

        def called(feature: int, site: int = site) -> str:
            return str(source.kind(site, feature))

        answers = ask_names(namer, asked, say=say, called=called) if going else []
        going = going and (bool(answers) or not asked)
        for name in answers:
            if name.kind != "none":
                names[called(name.feature)] = [name.text, name.score]
        rows[str(site)] = name_rows(answers, n_tokens=len(text.packed.tokens))
    return {
        "format": FORMAT,
        "revision": source.revision,
        "corpus": text.sha256,
        "model": namer.model,
        "names": names,
        "rows": {site: [row._asdict() for row in found] for site, found in rows.items()},
    }


def name_rows(answers: list[Name], *, n_tokens: int) -> list[Row]:
    """Sum up: how well the endpoint's names tell, and how many are good."""
    if not answers:
        return []
    good = [name.kind != "none" for name in answers]
    scores = [name.score for name in answers]
    return [
        mean_row("endpoint_detection", scores, n_tokens=n_tokens, about="names of an endpoint"),
        mean_row("endpoint_named", good, n_tokens=n_tokens, about="names of an endpoint"),
    ]


def draw(firings: dict[int, np.ndarray[Any, Any]], text: MeasuredText, count: int) -> dict[int, list[int]]:
    """Draw live features of all sites by a hash of their number, always the same ones."""
    floor = LIVE * len(text.packed.tokens)
    live = [
        (site, feature)
        for site, fired in firings.items()
        for feature in np.flatnonzero(fired > floor).tolist()
    ]
    keys = hashed(np.array([site * 2**32 + feature for site, feature in live], np.int64))
    order = np.argsort(keys, kind="stable")[:count]
    found: dict[int, list[int]] = {site: [] for site in firings}
    for place in sorted(order.tolist()):
        found[live[place][0]].append(live[place][1])
    return found


def keep(directory: Path, content: dict[str, Any]) -> None:
    """Write `names.json`; an endpoint that gave nothing leaves what was there."""
    if any(content["rows"].values()):
        write_json(directory / FILE, content)


def kept(directory: Path, *, revision: str, corpus: str) -> dict[str, Any]:
    """Return what an endpoint named before, for these weights on this text; else nothing."""
    path = directory / FILE
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return {}
    return content if (content["revision"], content["corpus"]) == (revision, corpus) else {}
