"""What a reader's answers to a quiz are worth; scoring needs both the key and the answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..concepts.namer import DETECTED
from ..core.errors import InputError
from ..core.forms import Shape, read_form
from ..core.stats import Estimate, bootstrap_difference
from ..metrics.batch import Row, mean_row, row
from .quiz import KEY, OPTIONS

ANSWERS, SCORE = "topklm.quiz-answers/1", "topklm.quiz-score/1"
KEY_SHAPE: dict[str, Shape] = {
    "run": str,
    "sources": dict,
    "n_tokens": int,
    "questions": [{"kind": str, "source": str, "feature": str, "answer": [int]}],
}


def score_quiz(answers: Path, keys: Path) -> dict[str, Any]:
    """Score a reader's answers with the quiz's key, which lies in the directory `keys`.

    Intruder: share of right answers, chance 1/6. Name and card: mean of the shares of right options found
    and of wrong ones left alone, chance 0.5; named_by_reader: the card was given a name and that mean is at
    least 0.75. Beside each the difference of the two sources. Intervals: bootstrap over questions.
    Questions left unanswered are left out and counted. Raises InputError where a file does not fit.
    """
    given = read_form(answers, ANSWERS, {"answers": dict}, advice="it is saved by the quiz's page")
    quiz = str(given.get("quiz"))
    path = keys / f"key-{quiz}.json"
    if not quiz.isalnum() or not path.is_file():
        raise InputError(f"{keys} holds no key of the quiz {quiz}; name the RUN that the quiz is about")
    key = read_form(path, KEY, KEY_SHAPE)
    questions, answered = key["questions"], given["answers"]
    points: dict[str, dict[str, list[float]]] = {}
    for number, one in answered.items():
        question, chosen, text = _checked(number, one, questions, answers)
        for metric, value in _points(question, chosen, text).items():
            points.setdefault(metric, {}).setdefault(question["source"], []).append(value)
    return {
        "format": SCORE,
        "run": key["run"],
        "quiz": quiz,
        "reader": str(given.get("reader", "")),
        "sources": key["sources"],
        "n_questions": len(questions),
        "n_answered": len(answered),
        "rows": _rows(points, list(key["sources"]), key["n_tokens"]),
    }


def _checked(number: str, answer: Any, questions: list[Any], path: Path) -> tuple[Any, list[int], str]:
    try:
        question = questions[int(number)] if number == str(int(number)) and int(number) >= 0 else None
        chosen, text = [int(one) for one in answer["chosen"]], str(answer.get("text", ""))
    except (ValueError, IndexError, KeyError, TypeError, AttributeError):
        question = None
    if question is None or not set(chosen) <= set(range(OPTIONS)):
        raise InputError(f"{path}: the answer {number!r} does not fit the quiz; save the answers again")
    return question, chosen, text


def _points(question: Any, chosen: list[int], text: str) -> dict[str, float]:
    """Return what an answer is worth, by metric."""
    right = set(question["answer"])
    if question["kind"] == "intruder":
        return {"intruder_by_reader": float(set(chosen) == right)}
    wrong = set(range(OPTIONS)) - right
    value = (len(right & set(chosen)) / len(right) + len(wrong - set(chosen)) / len(wrong)) / 2
    if question["kind"] == "name":
        return {"name_by_reader": value}
    return {"card_by_reader": value, "named_by_reader": float(bool(text.strip()) and value >= DETECTED)}


def _rows(
    points: dict[str, dict[str, list[float]]], sources: Sequence[str], n_tokens: int
) -> list[dict[str, Any]]:
    found = []
    for metric, by_source in points.items():
        for source in sources:
            if source in by_source:
                found.append(
                    {"source": source, **_finite(mean_row(metric, by_source[source], n_tokens=n_tokens))}
                )
        if len(by_source) == 2:
            first, second = (by_source[source] for source in sources)
            gap: Estimate = bootstrap_difference(first, second)
            about = f"{sources[0]} minus {sources[1]}"
            made = row(metric, gap, n_tokens=n_tokens, n=len(first) + len(second), about=about)
            found.append({"source": "difference", **_finite(made)})
    return found


def _finite(found: Row) -> dict[str, Any]:
    return {name: None if value in (np.inf, -np.inf) else value for name, value in found._asdict().items()}
