"""JSON files of a named format: read, and refused where they lack what their readers need."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from .errors import InputError
from .files import read_json

Shape: TypeAlias = "type | tuple[type, ...] | Mapping[str, Shape] | list[Shape]"
"""What a value must be: of a type (`object`: anything), an object with at least these fields, or a list."""

NUMBER = (int, float)


def read_form(
    path: Path,
    form: str,
    shape: Mapping[str, Shape] | None = None,
    *,
    advice: str = "",
    error: type[InputError] = InputError,
) -> dict[str, Any]:
    """Read a JSON object whose field `format` is `form`, with at least the fields of `shape`.

        read_form(path, "topklm.edits/1", {"edits": [dict], "by": {"name": str}})

    advice: what to do where the file is of another format. Raises `error` that names the file and the field.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != form:
        raise error(f"{path} is not of the format {form}" + (f"; {advice}" if advice else ""))
    if (problem := misfit(content, shape or {})) is not None:
        raise error(f"{path} is damaged: {problem}")
    return content


def misfit(value: Any, shape: Shape, where: str = "") -> str | None:
    """Say where a JSON value is not of a shape, or return None."""
    if isinstance(shape, type | tuple):
        kinds = shape if isinstance(shape, tuple) else (shape,)
        # JSON's true and false are no numbers, though Python counts them among the integers
        fits = isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds or object in kinds)
        names = " or ".join(kind.__name__ for kind in kinds)
        return None if fits else f"{where or 'it'} is missing or no {names}"
    kind: type[Any] = list if isinstance(shape, list) else dict
    if not isinstance(value, kind):
        return f"{where or 'it'} is missing or no {'list' if kind is list else 'object'}"
    if isinstance(shape, list):
        inside = ((one, shape[0], f"{where}[{place}]") for place, one in enumerate(value))
    else:
        inside = ((value.get(name), one, f"{where}.{name}".lstrip(".")) for name, one in shape.items())
    return next((problem for one in inside if (problem := misfit(*one)) is not None), None)
