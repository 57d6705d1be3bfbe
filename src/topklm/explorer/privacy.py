"""What the explorer says holds no path of the machine that it runs on."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ELSEWHERE = re.compile(r"(^|[\s,'\"(])(?:~|\.{1,2})?(?:/[^\s,/'\"]+)*/([^\s,/'\"]+)")
"""A path into some directory: all but its last part is nobody's business."""


def without_paths(message: str, run: Path, name: str) -> str:
    """Take paths out of a message: the run's directory is called by its name, others keep their last part."""
    for known in sorted({str(run.resolve()), str(run.absolute()), str(run)}, key=len, reverse=True):
        if "/" in known.strip("/"):  # a name alone is no path; "runs/a" is no part of "runs/ab"
            message = re.sub(rf"(?<![\w./-]){re.escape(known)}(?![\w-])", name, message)
    return ELSEWHERE.sub(r"\1\2", message)


def cleaned(content: Any, public: Callable[[str], str]) -> Any:
    """Apply `public` to every text in JSON content, but not to names of fields."""
    if isinstance(content, dict):
        return {name: cleaned(value, public) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [cleaned(value, public) for value in content]
    return public(content) if isinstance(content, str) else content
