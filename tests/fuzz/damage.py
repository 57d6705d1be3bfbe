"""Damage done to a file: to its bytes, or to what its JSON says."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2**31, 2**63, 10**30, 1e308, 0.5, float("nan"), float("inf")]),
    st.sampled_from(["", "x", "0", "L0/N0", "../..", "/etc/passwd", "\x00", "\ud83d", "é" * 300]),
    st.sampled_from([[], {}, [[]], [None], {"": None}, {"format": None}]),
)
WHOLE = (b"", b"\x00", b"null", b"[]", b"{}", b'"', b"\xff\xfe", b"[" * 5000, b'{"format": "topklm.run/1"}')


@st.composite
def bytes_damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Cut the content off, flip some bytes, put something in, or replace all of it."""
    how = draw(st.sampled_from(["cut", "flip", "insert", "replace"]))
    if how == "replace" or not content:
        return draw(st.sampled_from(WHOLE))
    place = draw(st.integers(0, len(content) - 1))
    if how == "cut":
        return content[:place]
    some = draw(st.binary(min_size=1, max_size=8))
    return content[:place] + some + content[place + (len(some) if how == "flip" else 0) :]


@st.composite
def json_damaged(draw: st.DrawFn, content: Any) -> Any:
    """Walk down to some value and replace it, or delete it."""
    if not isinstance(content, dict | list) or not content or draw(st.integers(0, 5)) == 0:
        return draw(ODD)
    keys: list[Any] = sorted(content) if isinstance(content, dict) else list(range(len(content)))
    key = draw(st.sampled_from(keys))
    copy = content.copy()
    if draw(st.integers(0, 4)) == 0:
        del copy[key]
    else:
        copy[key] = draw(json_damaged(content[key]))
    return copy


def damage(draw: Any, path: Path) -> str:
    """Damage a file as drawn, and say how."""
    content = path.read_bytes()
    if path.suffix in (".json", ".jsonl") and draw(st.booleans()):
        lines = content.decode().splitlines() if path.suffix == ".jsonl" else [content.decode()]
        if lines:
            number = draw(st.integers(0, len(lines) - 1))
            changed = json.dumps(draw(json_damaged(json.loads(lines[number]))))
            lines[number] = changed
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            return f"{path.name}: line {number} is {changed[:2000]}"
    if draw(st.integers(0, 9)) == 0:
        path.unlink()
        return f"{path.name}: deleted"
    changed_bytes = draw(bytes_damaged(content))
    path.write_bytes(changed_bytes)
    return f"{path.name}: {len(content)} bytes became {len(changed_bytes)}"
