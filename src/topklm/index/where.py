"""Conditions on features, as in SQL's WHERE: read, checked against the columns, and written as safe SQL.

condition := all (or all)*          all  := one (and one)*
one       := not one | ( condition ) | test
test      := term (= != <> < <= > >=) term | term [not] like 'pattern' | term is [not] null
           | term [not] in (literal, ...) | term [not] between literal and literal
term      := column | literal       literal := number | 'text' | "text"
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..core.errors import InputError

PIECES = re.compile(
    r"\s*(?:(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<mark><=|>=|<>|!=|==|[=<>(),]))"
)
COMPARISONS = ("=", "==", "!=", "<>", "<", "<=", ">", ">=")
WORDS = ("and", "or", "not", "in", "like", "between", "is", "null")
DEEPEST = 100
LONGEST_WHOLE = 300
"""Digits of a number from which it is read as a float; Python reads no longer ones as whole."""


class Condition(NamedTuple):
    """A condition as SQL, and the values of its question marks."""

    sql: str
    values: list[Any]


def parse(text: str, columns: Mapping[str, str]) -> Condition:
    """Read a condition.

    columns: the columns there are, and of which kind each is: `number` or `text`.
    Raises InputError that says what is wrong and what is allowed.

    >>> parse("density > 0.01 and status = 'live'", {"density": "number", "status": "text"}).sql
    '("density" > ? AND "status" = ?)'
    """
    return _Reader(text, columns).whole()


class _Term(NamedTuple):
    sql: str
    kind: str
    values: list[Any]


class _Reader:
    def __init__(self, text: str, columns: Mapping[str, str]) -> None:
        self.text, self.columns = text, columns
        self.pieces = list(self._split())
        self.place = 0
        self.depth = 0

    def _split(self) -> Any:
        place = 0
        while self.text[place:].strip():
            match = PIECES.match(self.text, place)
            if match is None:
                raise self._wrong(f"{self.text[place:].strip()[:20]!r} cannot be read")
            place = match.end()
            kind = match.lastgroup
            assert kind is not None
            piece = match[kind]
            yield ("word" if kind == "name" and piece.lower() in WORDS else kind, piece)

    def _wrong(self, reason: str) -> InputError:
        return InputError(
            f"condition {self.text[:200]!r}: {reason}; write it like: density > 0.001 and status = 'live'"
        )

    def _is(self, *wanted: str) -> bool:
        """Look whether the next piece is one of these words or marks."""
        if self.place >= len(self.pieces):
            return False
        kind, piece = self.pieces[self.place]
        return kind in ("word", "mark") and piece.lower() in wanted

    def _take(self, *wanted: str) -> str | None:
        if not self._is(*wanted):
            return None
        self.place += 1
        return str(self.pieces[self.place - 1][1]).lower()

    def _need(self, wanted: str) -> None:
        if self._take(wanted) is None:
            found = self.pieces[self.place][1] if self.place < len(self.pieces) else "the end"
            raise self._wrong(f"{wanted!r} is missing before {found!r}")

    def whole(self) -> Condition:
        condition = self._any()
        if self.place < len(self.pieces):
            raise self._wrong(f"{self.pieces[self.place][1]!r} is not expected there")
        return condition

    def _joined(self, part: Any, word: str) -> Condition:
        conditions = [part()]
        while self._take(word):
            conditions.append(part())
        if len(conditions) == 1:
            return Condition(*conditions[0])
        sql = f" {word.upper()} ".join(one.sql for one in conditions)
        return Condition(f"({sql})", [value for one in conditions for value in one.values])

    def _any(self) -> Condition:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._wrong("it is nested too deeply")
        condition = self._joined(lambda: self._joined(self._one, "and"), "or")
        self.depth -= 1
        return condition

    def _one(self) -> Condition:
        negated = False
        while self._take("not"):
            negated = not negated
        if self._take("("):
            inside = self._any()
            self._need(")")
        else:
            inside = self._test()
        return Condition(f"(NOT {inside.sql})", inside.values) if negated else inside

    def _test(self) -> Condition:
        left = self._term()
        if self._take("is"):
            negation = " NOT" if self._take("not") else ""
            self._need("null")
            return Condition(f"{left.sql} IS{negation} NULL", left.values)
        if (comparison := self._take(*COMPARISONS)) is not None:
            right = self._term()
            self._fits(left, right)
            return Condition(
                f"{left.sql} {comparison.replace('==', '=')} {right.sql}", left.values + right.values
            )
        negation = "NOT " if self._take("not") else ""
        if self._take("like"):
            pattern = self._term()
            if left.kind != "text" or pattern.kind != "text":
                raise self._wrong("'like' compares texts")
            return Condition(f"{left.sql} {negation}ILIKE {pattern.sql}", left.values + pattern.values)
        if self._take("in"):
            return self._in(left, negation)
        if self._take("between"):
            low = self._term()
            self._need("and")
            high = self._term()
            for term in (low, high):
                self._fits(left, term)
            values = left.values + low.values + high.values
            return Condition(f"{left.sql} {negation}BETWEEN {low.sql} AND {high.sql}", values)
        raise self._wrong("a comparison is missing")

    def _in(self, left: _Term, negation: str) -> Condition:
        self._need("(")
        terms = [self._term()]
        while self._take(","):
            terms.append(self._term())
        self._need(")")
        for term in terms:
            self._fits(left, term)
        inside = ", ".join(term.sql for term in terms)
        values = [value for term in terms for value in term.values]
        return Condition(f"{left.sql} {negation}IN ({inside})", left.values + values)

    def _fits(self, left: _Term, right: _Term) -> None:
        if left.kind != right.kind:
            raise self._wrong(f"{left.sql} is a {left.kind}, which no {right.kind} equals")

    def _term(self) -> _Term:
        kind, piece = self.pieces[self.place] if self.place < len(self.pieces) else ("end", "the end")
        self.place += 1
        if kind == "number":
            whole = len(piece) < LONGEST_WHOLE and not re.search(r"[.eE]", piece)
            return _Term("?", "number", [int(piece) if whole else float(piece)])
        if kind == "text":
            return _Term("?", "text", [piece[1:-1].replace(piece[0] * 2, piece[0])])
        if kind == "name":
            if piece.lower() not in self.columns:
                raise self._wrong(f"there is no column {piece!r}; columns are {', '.join(self.columns)}")
            return _Term(f'"{piece.lower()}"', self.columns[piece.lower()], [])
        raise self._wrong(f"a column or a value is expected, not {piece!r}")
