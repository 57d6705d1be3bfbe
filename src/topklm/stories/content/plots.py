"""The six plots: the order of their steps. The sentences: plots_things.py and plots_deeds.py.

A step names a pool of sentences. In its name `{trait}` and `{lie}` stand for variables of the
story. `holder` says who has the central thing from the next step on (hero, friend, other or
nobody), `lost` whether it is missing.
"""

from typing import NamedTuple


class Step(NamedTuple):
    """One sentence (or small group of sentences) of a plot."""

    pool: str
    holder: str = ""
    """Who holds the thing from here on; empty: no change."""
    lost: bool | None = None
    """Whether the thing is lost from here on; None: no change."""


def _steps(text: str) -> tuple[Step, ...]:
    """Read "pool pool@holder pool!lost pool!found" into steps."""
    steps = []
    for word in text.split():
        name, _, lost = word.partition("!")
        pool, _, holder = name.partition("@")
        steps.append(Step(pool, holder, {"": None, "lost": True, "found": False}[lost]))
    return tuple(steps)


def _plot(before: str, good: str, bad: str) -> dict[str, tuple[Step, ...]]:
    return {"good": _steps(f"{before} {good}"), "bad": _steps(f"{before} {bad}")}


# A story that is already longer than this (in characters) leaves the step out.
SKIP_BEYOND = {
    "season": 210,
    "scene": 440,
    "talk": 540,
    "lost/help": 820,
    "loan/saved": 750,
    "return": 900,
    "coda": 950,
}

# Beyond each of these lengths only the shorter half of the sentences is left: 250 words are enough.
BRIEF_BEYOND = (960, 1_030, 1_080)

# The steps after the opening and before the turn of luck, for good and for bad traits.
PLOTS = {
    "loan": _plot(
        "loan/want@friend loan/lend@hero loan/promise meet trouble decide/{trait}",
        good="loan/saved loan/kept@friend",
        bad="loan/ruined@nobody!lost loan/broken",
    ),
    "lost": _plot(
        "lost/have@hero talk lost/gone@nobody!lost lost/search lost/deny-{lie} lost/help seek/{trait}",
        good="lost/found-{lie}@hero!found",
        bad="lost/never-{lie}",
    ),
    "errand": {
        "good": _steps(
            "errand/ask@hero errand/warn leave errand/heeded trouble decide/{trait} "
            "errand/delivered@nobody return"
        ),
        "bad": _steps(
            "errand/ask@hero errand/warn leave errand/ignored trouble decide/{trait} "
            "errand/failed@nobody return"
        ),
    },
    "contest": _plot(
        "contest/wish contest/boast talk contest/practice trouble decide/{trait}",
        good="contest/won",
        bad="contest/beaten",
    ),
    "favour": {
        "good": _steps("leave scene favour/need favour/help trouble decide/{trait} favour/repaid return"),
        "bad": _steps("leave scene favour/need favour/refuse trouble decide/{trait} favour/unpaid return"),
    },
    "secret": _plot(
        "secret/told@friend secret/promise talk scene secret/asked hold/{trait}",
        good="secret/kept secret/gift@other",
        bad="secret/spilt secret/spoilt",
    ),
}
