"""ASP.NET Core route templates: `models/{name}`, `{id:int?}`, `{*rest}` (ASP.NET Core, "Routing": route templates,
constraints, precedence)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from shared.errors import Invalid

_PARAMETER = re.compile(r"(\*{0,2})([a-zA-Z_][\w\-]*)((?::[a-zA-Z]+(?:\([^()]*\))?)*)(?:(=)([^{}?]*))?(\?)?\Z")
_PLAIN_CONSTRAINTS = {
    "int": r"[+-]?\d{1,10}",
    "long": r"[+-]?\d{1,19}",
    "bool": r"(?i:true|false)",
    "decimal": r"[+-]?\d+(?:\.\d+)?",
    "double": r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?",
    "float": r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?",
    "guid": r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?|[0-9a-fA-F]{32}",
    "alpha": r"[a-zA-Z]*",
    "required": r"[\s\S]+",
}
_RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    constraints: tuple[tuple[str, str], ...]  # (name, argument)
    optional: bool
    default: str | None
    catch_all: bool

    def accepts(self, value: str) -> bool:
        return all(_holds(name, argument, value) for name, argument in self.constraints)


@dataclass(frozen=True, slots=True)
class _Segment:
    pattern: re.Pattern[str]  # of the whole segment, groups p0, p1...
    parameters: tuple[_Parameter, ...]
    rank: int  # 1 literal, 2 literal and parameters or constrained, 3 parameter, 4 constrained catch-all, 5 catch-all


class RouteTemplate:
    """A parsed template. Sort by `precedence` to try the more specific one first."""

    def __init__(self, template: str) -> None:
        """Raises Invalid for a template ASP.NET would refuse, or with a constraint that is not known here."""
        self.template = template
        self._segments = tuple(_segment(template, text) for text in _split(template))
        self.precedence = tuple(segment.rank for segment in self._segments)
        _check(template, self._segments)

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """The values of the route parameters, or None. Optional ones that are absent are left out."""
        values: dict[str, str] = {}
        for index, segment in enumerate(self._segments):
            parameter = segment.parameters[0] if segment.parameters else None
            if parameter is not None and parameter.catch_all:
                return _take(segment, "/".join(segments[index:]) or parameter.default or "", values)
            if index < len(segments):
                if _take(segment, segments[index], values) is None:
                    return None
            elif parameter is None or not (parameter.optional or parameter.default is not None):
                return None
            elif parameter.default is not None:
                values[parameter.name] = parameter.default
        return values if len(segments) <= len(self._segments) else None


def path_segments(raw_path: str) -> tuple[str, ...]:
    """The decoded segments of a request's path; `.` and `..` are resolved after decoding and %2F stays as it is, as
    Kestrel does. Empty segments at the end are dropped."""
    decoded = [
        "%2F".join(unquote(part, errors="replace") for part in re.split("%2[fF]", segment))
        for segment in raw_path.split("/")[1:]
    ]
    resolved: list[str] = []
    for segment in decoded:
        if segment == "..":
            del resolved[-1:]
        elif segment != ".":
            resolved.append(segment)
    while resolved and not resolved[-1]:
        resolved.pop()
    return tuple(resolved)


def _take(segment: _Segment, text: str, values: dict[str, str]) -> dict[str, str] | None:
    match = segment.pattern.fullmatch(text)
    if match is None:
        return None
    for index, parameter in enumerate(segment.parameters):
        value = match[f"p{index}"]
        if not value and not parameter.catch_all:
            return None
        if value and not parameter.accepts(value):
            return None
        if value:
            values[parameter.name] = value
    return values


def _split(template: str) -> list[str]:
    if template.startswith(("/", "~")) or "//" in template:
        raise Invalid(f"the route {template!r} must not start with '/' or '~' nor have empty segments")
    return [text for text in template.split("/") if text]


def _segment(template: str, text: str) -> _Segment:
    parts = re.split(r"\{([^{}]*)\}", text)
    if any("{" in literal or "}" in literal for literal in parts[::2]):
        raise Invalid(f"the route {template!r} has unbalanced braces in {text!r}")
    parameters = tuple(_parameter(template, part) for part in parts[1::2])
    pattern = "".join(
        re.escape(part) if index % 2 == 0 else f"(?P<p{index // 2}>[\\s\\S]*)" for index, part in enumerate(parts)
    )
    return _Segment(re.compile(pattern, re.IGNORECASE), parameters, _rank(parameters, any(parts[::2])))


def _rank(parameters: tuple[_Parameter, ...], has_literal: bool) -> int:
    if not parameters:
        return 1
    if parameters[0].catch_all:
        return 4 if parameters[0].constraints else 5
    return 2 if has_literal or parameters[0].constraints else 3


def _parameter(template: str, text: str) -> _Parameter:
    match = _PARAMETER.match(text)
    if match is None:
        raise Invalid(f"the route {template!r} has a parameter that cannot be read: {{{text}}}")
    stars, name, constraints, _, default, optional = match.groups()
    parsed = tuple(re.findall(r":([a-zA-Z]+)(?:\(([^()]*)\))?", constraints or ""))
    if unknown := [c for c, _ in parsed if c not in _PLAIN_CONSTRAINTS and c not in _BOUNDS]:
        known = ", ".join(sorted([*_PLAIN_CONSTRAINTS, *_BOUNDS]))
        raise Invalid(f"the route {template!r} has constraints the local host does not know: {unknown}; known: {known}")
    return _Parameter(name, parsed, bool(optional), default, bool(stars))


def _check(template: str, segments: tuple[_Segment, ...]) -> None:
    names = [parameter.name.lower() for segment in segments for parameter in segment.parameters]
    if len(names) != len(set(names)):
        raise Invalid(f"the route {template!r} has a parameter twice")
    for segment in segments[:-1]:
        if any(parameter.catch_all or parameter.optional for parameter in segment.parameters):
            raise Invalid(f"the route {template!r} has a catch-all or optional parameter before its last segment")


_BOUNDS: dict[str, Callable[..., bool]] = {
    "minlength": lambda value, low: len(value) >= low,
    "maxlength": lambda value, low: len(value) <= low,
    "length": lambda value, low, high=None: low <= len(value) <= (low if high is None else high),
    "min": lambda value, low: int(value) >= low,
    "max": lambda value, low: int(value) <= low,
    "range": lambda value, low, high: low <= int(value) <= high,
}


def _holds(name: str, argument: str, value: str) -> bool:
    if name in _PLAIN_CONSTRAINTS:
        if not re.fullmatch(_PLAIN_CONSTRAINTS[name], value):
            return False
        low, high = _RANGES.get(name, (None, None))
        return low is None or high is None or low <= int(value) <= high
    if name in ("min", "max", "range") and not re.fullmatch(r"[+-]?\d{1,19}", value):
        return False
    return _BOUNDS[name](value, *(int(number) for number in argument.split(",")))
