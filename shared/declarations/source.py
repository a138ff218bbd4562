"""Reading a YAML or JSON file with the place of every value in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import yaml

from shared.errors import Fault, Invalid

MAX_BYTES = 1024 * 1024
MAX_NODES = 100_000  # aliases counted each time they are used: bounds "billion laughs"
MAX_DEPTH = 100
MAX_CHARACTERS = 8 * MAX_BYTES  # of all scalars and pointers, aliases counted each time: what memory it takes
CERTAINLY_SHALLOW = 2000  # a bound of the nesting that libyaml's composer bears without looking first
MAX_INTEGER_BITS = 1024  # a larger one is no JSON number to most readers: it overflows a double

_MERGE = "tag:yaml.org,2002:merge"
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Source:
    """A loaded document. `positions` maps JSON pointers to (line, column), both 1-based."""

    file: str
    value: Any
    positions: dict[str, tuple[int, int]] = field(default_factory=dict)

    def fault(self, pointer: str, message: str, allowed: str | None = None) -> Fault:
        """A fault at `pointer`, or at the nearest enclosing place that is in the file."""
        place = pointer
        while place and place not in self.positions:
            place = place.rpartition("/")[0]
        line, column = self.positions.get(place, (1, 1))
        return Fault(message, pointer, self.file, line, column, allowed)


def escape(key: str) -> str:
    """A key as a reference token of a JSON pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def load_source(text: str, file: str) -> Source:
    """The document. Raises Invalid, with the places, for bad syntax, duplicate keys, unknown tags, and documents
    that are too big, too deep or more than one."""
    if len(text.encode()) > MAX_BYTES:
        raise _invalid(file, Fault(f"the file is larger than {MAX_BYTES} bytes", file=file, line=1, column=1))
    if not _is_shallow(text):
        _check_depth(text, file)
    loader = _LOADER(text)
    try:
        node = loader.get_single_node()
        builder = _Builder(file, loader)
        value = builder.build(node, "", 0) if node is not None else None
    except yaml.YAMLError as error:
        raise _not_yaml(file, error) from error
    finally:
        loader.dispose()
    if builder.faults:
        raise _invalid(file, *builder.faults)
    return Source(file, value, builder.positions)


def _is_shallow(text: str) -> bool:
    """Whether the nesting is certainly not too deep for the composer: each flow collection has its bracket, and in
    block style at most two collections begin in one column (YAML 1.2.2, section 8.2). Most brackets are bindings."""
    brackets = text.count("[") + text.count("{")
    if brackets - 2 * text.count("${{") > MAX_DEPTH:
        return False
    return brackets + 2 * max(map(len, text.splitlines()), default=0) <= CERTAINLY_SHALLOW


def _check_depth(text: str, file: str) -> None:
    """Refuses deep nesting before a node graph is made of it: libyaml's composer recurses until the process dies."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MAX_DEPTH:
                raise _invalid(file, Fault(f"nested more than {MAX_DEPTH} deep", "", file, *_place(event.start_mark)))
    except yaml.YAMLError as error:
        raise _not_yaml(file, error) from error


def _not_yaml(file: str, error: yaml.YAMLError) -> Invalid:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    why = getattr(error, "problem", None) or getattr(error, "reason", None) or getattr(error, "context", None)
    return _invalid(file, Fault(f"not YAML: {why or error}", "", file, *_place(mark)))


def _place(mark: Any) -> tuple[int, int]:
    """Line and column, 1-based; the beginning when it is not known."""
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _invalid(file: str, *faults: Fault) -> Invalid:
    return Invalid(f"{file} cannot be read", faults=faults, remedy="correct the file and upload it again")


def _storable(value: Any) -> Any:
    """`value` if it can be written as JSON in UTF-8. Raises ValueError for what can't: infinities, NaN, surrogates,
    huge integers."""
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise ValueError(f"an integer of more than {MAX_INTEGER_BITS} bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if isinstance(value, str):
        value.encode()
    if value is not None and not isinstance(value, str | int | float | bool):
        raise ValueError(f"a {type(value).__name__}")
    return value


class _Builder:
    """Builds plain values from a node graph, noting where each one stands."""

    def __init__(self, file: str, loader: Any) -> None:
        self.file = file
        self.loader = loader
        self.positions: dict[str, tuple[int, int]] = {}
        self.faults: list[Fault] = []
        self.nodes = 0
        self.characters = 0

    def build(self, node: yaml.Node, pointer: str, depth: int) -> Any:
        self.nodes += 1
        self.characters += len(pointer) + (len(node.value) if isinstance(node, yaml.ScalarNode) else 0)
        mark = node.start_mark
        if self.characters > MAX_CHARACTERS:
            problem = f"more than {MAX_CHARACTERS} characters, counting aliases and the keys above each value"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        self.positions.setdefault(pointer, (mark.line + 1, mark.column + 1))
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            what = f"nested more than {MAX_DEPTH} deep" if depth > MAX_DEPTH else f"more than {MAX_NODES} values"
            raise yaml.MarkedYAMLError(problem=what, problem_mark=mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, pointer, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, f"{pointer}/{i}", depth + 1) for i, item in enumerate(node.value)]
        return self._scalar(node, pointer)

    def _scalar(self, node: yaml.Node, pointer: str) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value  # a date is meant as it is written
        try:
            return _storable(self.loader.construct_object(node))
        except (yaml.constructor.ConstructorError, ValueError, OverflowError) as error:
            message = getattr(error, "problem", None) or str(error)
            self._fault(node, pointer, f"not a plain value: {message}", "strings, numbers, booleans, lists, mappings")
            return None

    def _mapping(self, node: yaml.MappingNode, pointer: str, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        if node.tag != "tag:yaml.org,2002:map":
            self._fault(node, pointer, f"the tag {node.tag} is not accepted", "plain mappings")
        explicit: set[str] = set()
        for key_node, value_node in sorted(node.value, key=lambda pair: pair[0].tag != _MERGE):
            if key_node.tag == _MERGE:
                result = self._merged(value_node, pointer, depth) | result
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(key_node, pointer, "a key must be a plain string", "strings")
                continue
            key = str(key_node.value)
            child = f"{pointer}/{escape(key)}"
            if key in explicit:
                self._fault(key_node, child, f"the key {key!r} stands here twice", "each key once")
                continue
            explicit.add(key)
            self.positions[child] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = self.build(value_node, child, depth + 1)
        return result

    def _merged(self, node: yaml.Node, pointer: str, depth: int) -> dict[str, Any]:
        """What `<<` brings in (YAML 1.1, merge type): the first of several wins, written keys win over all."""
        result: dict[str, Any] = {}
        for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            found = self.build(each, pointer, depth + 1)
            if isinstance(found, dict):
                result = found | result
            else:
                self._fault(each, pointer, "`<<` brings in no mapping", "an alias of a mapping, or a list of them")
        return result

    def _fault(self, node: yaml.Node, pointer: str, message: str, allowed: str) -> None:
        mark = node.start_mark
        self.faults.append(Fault(message, pointer, self.file, mark.line + 1, mark.column + 1, allowed))
