"""Conditions in the query language of IoT hubs, as far as deployments use it."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'[^']*')|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<path>(?:\[\[[^\]]+\]\]|\$?[A-Za-z_]\w*)(?:\.(?:\[\[[^\]]+\]\]|\$?[A-Za-z_]\w*))*)"
    r"|(?P<sign><=|>=|!=|<>|[=<>()]))"
)
_SEGMENT = re.compile(r"\[\[([^\]]+)\]\]|([^.\[\]]+)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ABSENT = object()

Test = Callable[[Mapping[str, Any]], bool]
Value = Callable[[Mapping[str, Any]], Any]


def condition(text: str) -> Test:
    """What a condition says of a document. Raises ValueError for what is none."""
    parser = _Parser(_tokens(text))
    test = parser.either()
    if parser.tokens:
        raise ValueError(f"unexpected {parser.tokens[0][1]!r}")
    return test


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ValueError(f"unexpected {text[position:][:20]!r}")
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens

    def _is(self, *words: str) -> bool:
        return bool(self.tokens) and self.tokens[0][0] in ("path", "sign") and self.tokens[0][1].upper() in words

    def _take(self) -> tuple[str, str]:
        if not self.tokens:
            raise ValueError("it ends too early")
        return self.tokens.pop(0)

    def either(self) -> Test:
        tests = [self._both()]
        while self._is("OR"):
            self._take()
            tests.append(self._both())
        return lambda document: any(each(document) for each in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._is("AND"):
            self._take()
            tests.append(self._one())
        return lambda document: all(each(document) for each in tests)

    def _one(self) -> Test:
        if self._is("NOT"):
            self._take()
            test = self._one()
            return lambda document: not test(document)
        if self._is("("):
            self._take()
            test = self.either()
            if self._take()[1] != ")":
                raise ValueError("a parenthesis is not closed")
            return test
        left, sign, right = self._operand(), self._take()[1], self._operand()
        if sign not in _COMPARE:
            raise ValueError(f"unexpected {sign!r}")
        return lambda document: _compared(left(document), sign, right(document))

    def _operand(self) -> Value:
        kind, text = self._take()
        if kind == "path" and text.lower() not in ("true", "false"):
            return lambda document: _at(document, text)
        if kind not in ("path", "text", "number"):
            raise ValueError(f"unexpected {text!r}")
        value: Any = text[1:-1] if kind == "text" else float(text) if kind == "number" else text.lower() == "true"
        return lambda _: value


def _at(document: Mapping[str, Any], path: str) -> Any:
    found: Any = document
    for match in _SEGMENT.finditer(path):
        found = found.get(match[1] or match[2], _ABSENT) if isinstance(found, Mapping) else _ABSENT
    return found


def _compared(left: Any, sign: str, right: Any) -> bool:
    """What is not there, or of another type, compares to nothing."""
    kinds = [
        float if isinstance(one, int | float) and not isinstance(one, bool) else type(one) for one in (left, right)
    ]
    return left is not _ABSENT and right is not _ABSENT and kinds[0] is kinds[1] and _COMPARE[sign](left, right)
