"""The quiz as a page that stands alone: no request, one script of its own, answers saved as a JSON file."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from markupsafe import Markup

from .page import environment, style


class Passage(NamedTuple):
    """A stretch of text with one token marked."""

    before: str
    marked: str
    after: str


class Question(NamedTuple):
    """One question. It says nothing of where it comes from."""

    kind: str
    """`intruder`: which option does not belong; `name`: which options fit a name; `card`: look at passages,
    name what they have in common, say which options fit."""
    options: tuple[Passage, ...]
    shown: tuple[Passage, ...] = ()
    """Of a `card`: the passages to look at."""
    name: str = ""
    """Of a `name`: what is named."""


def quiz_page(questions: Sequence[Question], *, quiz: str) -> str:
    """Write the page. quiz: its number, which the answers carry, so that they find their key."""
    script = files(__package__).joinpath("templates", "quiz.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = environment().get_template("quiz.html")
    return template.render(
        title="What do these have in common?",
        questions=questions,
        quiz=quiz,
        style=style(),
        script=Markup(script),  # noqa: S704  # our own file
        digest=digest,
    )


def new_number() -> str:
    """Return a number for a quiz; two never agree."""
    return secrets.token_hex(8)
