"""The blind quiz: made here of two sources, answered on a page that knows nothing of this explorer."""

import re
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from ..depends import Explored
from ..links import Links
from ..workspace import Workspace

router = APIRouter()
POLICY = (
    "sandbox allow-scripts allow-forms allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page has a script and a style of its own; shut in, it can ask nothing of the explorer."""


@router.post("/quiz")
def make(
    workspace: Explored,
    first: Annotated[str, Form(max_length=80)] = "topk",
    second: Annotated[str, Form(max_length=80)] = "random",
) -> Response:
    """Make a quiz about two sources and lead to it."""
    from ...comparison.quiz import make_quiz

    for source in (first, second):
        workspace.index(source)
    page, _ = make_quiz(workspace.run.path, (first, second))
    return RedirectResponse(Links()("quiz", page.stem.removeprefix("quiz-")), 303)


@router.get("/quiz/{number}")
def page(workspace: Explored, number: str) -> HTMLResponse:
    """Answer with a quiz that was made. Its key, which says what is right, is never served."""
    if number not in quizzes(workspace):
        raise workspace.missing("There is no such quiz.", "topklm quiz")
    text = (workspace.run.path / "quiz" / f"quiz-{number}.html").read_text(encoding="utf-8")
    return HTMLResponse(text, headers={"content-security-policy": POLICY})


def quizzes(workspace: Workspace) -> list[str]:
    """Number the quizzes that were made, the newest first."""
    paths = [
        path
        for path in (workspace.run.path / "quiz").glob("quiz-*.html")
        if re.fullmatch(r"quiz-[0-9a-f]{16}", path.stem)
    ]
    paths.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.stem.removeprefix("quiz-") for path in paths]
