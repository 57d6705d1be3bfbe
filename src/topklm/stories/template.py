"""Compile the little language that the sentences are written in. Content lives in content/.

    {H} {F} {T} ...   a slot, filled from the story's variables (see variables.py)
    {go} {go1} {go+}  a verb in the story's tense: for he/she/it, for the hero, for they
    {a T}             a slot with its article
    (here|there)      one of several, all equally likely
    [ very]           there or not there, equally likely
    <promise=...>     everything inside stands for a concept

A sentence is compiled once for every tense and narrator, to nested tuples, so that writing it is a
loop over (kind, value, extra). Words that carry a lexical concept or a sense are labelled here.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .inflect import conjugate

LITERAL, SLOT, CAPITAL_SLOT, ARTICLE_SLOT, CHOICE, MARK = range(6)

# (kind, value, extra): what value and extra are depends on the kind, hence Any.
#   LITERAL       text, its labels relative to its start
#   *_SLOT        name of the slot, None
#   CHOICE        tuple of compiled options, log2 of their number
#   MARK          compiled inside, name of the concept
Node = tuple[int, Any, Any]
Nodes = tuple[Node, ...]
Label = tuple[int, int, str]
Labeller = Callable[[str, tuple[str, ...]], tuple[Label, ...]]

_TOKENS = re.compile(r"\{[^{}]*\}|<[a-z:-]+=|[()|\[\]>]|[^{}<>()|\[\]]+")
_NEW_SENTENCE = re.compile(r"(?:[.!?] |\.\" |(?:^| )\")$")


class Grammar(NamedTuple):
    """What a sentence is compiled for."""

    tense: str
    """past or present"""
    first_person: bool
    """Whether the hero tells the story."""


class _Parser:
    """Recursive descent over the tokens of one sentence."""

    def __init__(self, source: str, grammar: Grammar, label: Labeller, slots: frozenset[str]):
        self.source = source
        self.tokens = _TOKENS.findall(source)
        self.at = 0
        self.grammar = grammar
        self.label = label
        self.slots = slots
        self.marks: list[str] = []  # concepts that are open at this point
        if "".join(self.tokens) != source:
            raise ValueError(f"cannot read the sentence {source!r}")

    def sequence(self, closing: str, before: str = "") -> Nodes:
        """Read up to a closing token; `before` is the text just before, to see a sentence begin."""
        nodes: list[Node] = []
        text = ""  # literal text not yet put into a node
        while self.at < len(self.tokens) and self.tokens[self.at] not in closing:
            token = self.tokens[self.at]
            self.at += 1
            kind = token[0]
            if kind == "{":
                literal = self._verb(token[1:-1])
                if literal is not None:
                    text += literal
                    continue
            elif kind in ")|]>":
                raise ValueError(f"unexpected {token!r} in the sentence {self.source!r}")
            elif kind not in "<([":
                text += token
                continue
            if text:
                nodes.append((LITERAL, text, self.label(text, tuple(self.marks))))
                before, text = text, ""
            nodes.append(self._compound(token, before))
            before = ""
        if text:
            nodes.append((LITERAL, text, self.label(text, tuple(self.marks))))
        return tuple(nodes)

    def _compound(self, token: str, before: str) -> Node:
        if token[0] == "{":
            name = token[1:-1]
            if name.startswith("a "):
                return ARTICLE_SLOT, name[2:], None
            return (CAPITAL_SLOT if _NEW_SENTENCE.search(before) else SLOT), name, None
        if token[0] == "<":
            self.marks.append(token[1:-1])
            inside = self.sequence(">", before)
            self._expect(">")
            self.marks.pop()
            return MARK, inside, token[1:-1]
        options = [self.sequence("|)]", before)]
        while self.tokens[self.at : self.at + 1] == ["|"]:
            self.at += 1
            options.append(self.sequence("|)]", before))
        optional = token.startswith("[")
        self._expect("]" if optional else ")")
        if optional:
            options.append(())
        return CHOICE, tuple(options), math.log2(len(options))

    def _expect(self, token: str) -> None:
        if self.tokens[self.at : self.at + 1] != [token]:
            raise ValueError(f"missing {token!r} in the sentence {self.source!r}")
        self.at += 1

    def _verb(self, name: str) -> str | None:
        """Return the form of a verb, or None for a slot."""
        if name.removeprefix("a ") in self.slots:
            return None
        subject = {"1": "I" if self.grammar.first_person else "it", "+": "they"}.get(name[-1], "it")
        try:
            return conjugate(name.rstrip("1+"), tense=self.grammar.tense, subject=subject)
        except ValueError as error:
            raise ValueError(f"{error} (in {self.source!r})") from None


def compile_sentence(source: str, grammar: Grammar, *, label: Labeller, slots: frozenset[str]) -> Nodes:
    """Compile one sentence; `label` gives the labels of a literal text inside of open concepts.

    `slots` are the names of variables.

    Raises ValueError if brackets do not match or a name is neither a slot nor a verb.
    """
    parser = _Parser(source, grammar, label, slots)
    return parser.sequence("")
