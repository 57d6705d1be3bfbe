"""Concepts by name. It imports nothing heavy: whoever only reads results uses it."""

from collections.abc import Sequence

from ..core.errors import InputError


def resolve_name(names: Sequence[str], asked: str) -> str:
    """Find a concept by its name or by what follows its colon: `sea` for `topic:sea`.

    Raises InputError where there is none, or several: it names those with such a word, or such a spelling.
    """
    if asked in names:
        return asked
    ends = [name for name in names if name.partition(":")[2] == asked]
    if len(ends) == 1:
        return ends[0]
    import difflib

    from .lexicon import english

    told = {span.concept for span in english().spans(asked)}
    meant = ends or [name for name in names if name in told]
    near = meant or difflib.get_close_matches(asked, names, 4, 0.4) or list(names[:4])
    raise InputError(f"there is no concept {asked!r}; did you mean {', '.join(near)}?")
