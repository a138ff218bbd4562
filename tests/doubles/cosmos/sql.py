"""A strict parser for the part of Cosmos DB's SQL that Slipway uses. Everything else is a 400.

SELECT * (or the projection a query plan makes) FROM c [WHERE condition] [ORDER BY c.path [ASC|DESC]], with AND, OR,
NOT, comparisons, IN, STARTSWITH, ARRAY_CONTAINS, IS_DEFINED, parameters and literals.
Source: "Azure Cosmos DB for NoSQL query language" (comparisons between types are undefined, so never true).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.doubles.cosmos.errors import bad_request
from tests.doubles.cosmos.values import COMPARISONS, UNDEFINED, array_contains, compare, starts_with, value_at

Row = dict[str, Any]
Expression = Callable[[Row], Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<string>"[^"\\]*"|'[^'\\]*')|(?P<parameter>@\w+)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<sign><=|>=|!=|<>|[=<>().,*\[\]{}:]))"""
)
RESERVED = re.compile(
    "ALL|AND|ARRAY|AS|ASC|BETWEEN|BY|CASE|DESC|DISTINCT|ELSE|END|ESCAPE|EXISTS|FALSE|FOR|FROM|GROUP|HAVING|IN|INNER|"
    "INSERT|INTO|IS|JOIN|LEFT|LIKE|LIMIT|NOT|NULL|OFFSET|ON|OR|ORDER|OUTER|OVER|RIGHT|SELECT|SET|THEN|TOP|TRUE|UDF|"
    "UNDEFINED|UPDATE|VALUE|WHEN|WHERE|WITH",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query."""

    alias: str
    matches: Expression  # True for the rows that the query selects
    where: str  # the condition's text, "true" when there is none
    order_by: tuple[str, ...] | None  # the path that rows are ordered by
    descending: bool
    is_rewritten: bool  # whether it has the projection of a query plan


def parse(text: str, parameters: dict[str, Any]) -> Query:
    """The query. Raises CosmosError 400 for anything but the subset above."""
    return _Parser(text, parameters).query()


def parse_condition(text: str) -> Expression:
    """The condition of a conditional patch, "FROM c WHERE condition"."""
    parser = _Parser(text, {})
    alias = parser.source()
    parser.word("WHERE")
    matches = parser.either(alias)
    parser.end()
    return matches


class _Parser:
    def __init__(self, text: str, parameters: dict[str, Any]) -> None:
        self._text = text
        self._parameters = parameters
        self._tokens = list(_tokens(text))
        self._at = 0

    def query(self) -> Query:
        self.word("SELECT")
        rewritten_path = None if self._accept("*") else self._rewritten_projection()
        alias = self.source()
        start = self._position()
        matches: Expression = lambda row: True  # noqa: E731
        if self._accept_word("WHERE"):
            start = self._position()
            matches = self.either(alias)
        where = self._text[start : self._position()].strip() or "true"
        order_by, descending = self._order(alias)
        self.end()
        if rewritten_path is not None and rewritten_path != order_by:
            raise bad_request("the projection of a query plan must have the path that is ordered by")
        return Query(alias, matches, where, order_by, descending, rewritten_path is not None)

    def source(self) -> str:
        self.word("FROM")
        return self._name()

    def either(self, alias: str) -> Expression:
        parts = [self._both(alias)]
        while self._accept_word("OR"):
            parts.append(self._both(alias))
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) is True for part in parts)

    def word(self, word: str) -> None:
        if not self._accept_word(word):
            raise self._wrong(f"{word} is expected")

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._wrong("the query should end")

    def _both(self, alias: str) -> Expression:
        parts = [self._term(alias)]
        while self._accept_word("AND"):
            parts.append(self._term(alias))
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) is True for part in parts)

    def _term(self, alias: str) -> Expression:
        if self._accept_word("NOT"):
            inner = self._term(alias)
            return lambda row: {True: False, False: True}.get(inner(row), UNDEFINED)
        if self._accept("("):
            inner = self.either(alias)
            self._expect(")")
            return inner
        call: Callable[[Any, Any], Any] | None = starts_with if self._accept_word("STARTSWITH") else None
        call = array_contains if self._accept_word("ARRAY_CONTAINS") else call
        if call is not None:
            first, second = self._arguments(alias, 2)
            return lambda row: call(first(row), second(row))
        if self._accept_word("IS_DEFINED"):
            (argument,) = self._arguments(alias, 1)
            return lambda row: argument(row) is not UNDEFINED
        if self._peek() == ("word", "true"):
            self._at += 1
            return lambda row: True
        return self._comparison(alias)

    def _comparison(self, alias: str) -> Expression:
        left = self._operand(alias)
        if self._accept_word("IN"):
            choices = self._arguments(alias, None)
            return lambda row: any(compare("=", left(row), choice(row)) is True for choice in choices)
        kind, sign = self._next()
        if kind != "sign" or sign not in COMPARISONS:
            raise self._wrong("a comparison is expected")
        right = self._operand(alias)
        return lambda row: compare(sign, left(row), right(row))

    def _operand(self, alias: str) -> Expression:
        kind, text = self._next()
        if kind == "parameter":
            if text not in self._parameters:
                raise bad_request(f"the parameter {text} has no value")
            value = self._parameters[text]
            return lambda row: value
        if kind in ("number", "string"):
            constant = text[1:-1] if kind == "string" else float(text)
            return lambda row: constant
        if kind == "word" and text in ("true", "false", "null"):
            literal = {"true": True, "false": False, "null": None}[text]
            return lambda row: literal
        self._at -= 1
        path = self._path(alias)
        return lambda row: value_at(row, path)

    def _path(self, alias: str) -> tuple[str, ...]:
        if self._name() != alias:
            raise self._wrong(f"only {alias} can be asked for")
        names = []
        while self._accept("."):
            names.append(self._name())
        if not names:
            raise self._wrong("a property is expected")
        return tuple(names)

    def _arguments(self, alias: str, count: int | None) -> list[Expression]:
        self._expect("(")
        found = [self._operand(alias)]
        while self._accept(","):
            found.append(self._operand(alias))
        self._expect(")")
        if count is not None and len(found) != count:
            raise self._wrong(f"{count} arguments are expected")
        return found

    def _order(self, alias: str) -> tuple[tuple[str, ...] | None, bool]:
        if not self._accept_word("ORDER"):
            return None, False
        self.word("BY")
        path = self._path(alias)
        descending = self._accept_word("DESC")
        if not descending:
            self._accept_word("ASC")
        return path, descending

    def _rewritten_projection(self) -> tuple[str, ...]:
        """c._rid, [{"item": c.path}] AS orderByItems, c AS payload: what a query plan asks each range for."""
        alias = self._name()
        for sign in (".", "_rid", ",", "[", "{", '"item"', ":"):
            self._expect(sign)
        path = self._path(alias)
        for sign in ("}", "]", "AS", "orderByItems", ",", alias, "AS", "payload"):
            self._expect(sign)
        return path

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "word" or RESERVED.fullmatch(text):
            raise self._wrong(f"{text!r} is no name here")
        return text

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at][:2] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        found = self._peek()
        self._at += 1
        return found

    def _accept(self, text: str) -> bool:
        if self._peek()[1] != text:
            return False
        self._at += 1
        return True

    def _accept_word(self, word: str) -> bool:
        kind, text = self._peek()
        if kind != "word" or text.upper() != word:
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._wrong(f"{text} is expected")

    def _position(self) -> int:
        return self._tokens[self._at][2] if self._at < len(self._tokens) else len(self._text)

    def _wrong(self, why: str) -> Exception:
        return bad_request(f"Syntax error near {self._text[self._position() :][:40]!r}: {why} (in {self._text!r})")


def _tokens(text: str) -> list[tuple[str, str, int]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise bad_request(f"Syntax error near {text[at : at + 40]!r}")
        found.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    return found
