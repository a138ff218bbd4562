"""Reads the Bicep files as data: declarations by kind, values as Python's, and what is no literal as Code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).resolve().parents[2]
BICEP = ROOT / "infra" / "bicep"
MODULES = BICEP / "modules"
FILES = sorted(BICEP.rglob("*.bicep"))
_PARSER = Parser(Language(tree_sitter_bicep.language()))


class Code(str):
    """An expression, as it is written."""

    __slots__ = ()


@dataclass(frozen=True)
class Declaration:
    """A parameter, variable, resource, module or output."""

    name: str
    kind: str  # parameter, variable, resource, module, output
    node: Node
    decorators: dict[str, Any] = field(default_factory=dict)
    type: str = ""  # of a resource `A/b@1`, of a module its path, else the written one
    value: Any = None  # of a resource or module its body
    items: tuple[Any, ...] | None = None  # of a loop over literals what it is over
    condition: Code | None = None
    existing: bool = False


@dataclass(frozen=True)
class BicepFile:
    """What a file declares."""

    path: Path
    root: Node
    declarations: tuple[Declaration, ...]

    def of(self, kind: str) -> dict[str, Declaration]:
        """The declarations of a kind by name."""
        return {each.name: each for each in self.declarations if each.kind == kind}

    def resources(self, resource_type: str) -> list[Declaration]:
        """What the file creates of a resource type, in any API version."""
        wanted = resource_type.lower()
        return [r for r in self.of("resource").values() if r.type.split("@")[0].lower() == wanted and not r.existing]


@cache
def read_bicep(path: Path) -> BicepFile:
    """The file at `path`. Raises ValueError with the line of a syntax error."""
    root = _PARSER.parse(path.read_bytes()).root_node
    for node in walk(root):
        if node.type == "ERROR" or node.is_missing:
            raise ValueError(f"{path.name}:{node.start_point[0] + 1}: syntax error")
    found, decorators = [], {}
    for node in root.named_children:
        if node.type == "decorators":
            decorators = dict(_decorator(each) for each in node.named_children)
        elif node.type.endswith("_declaration"):
            found.append(_declaration(node, decorators))
            decorators = {}
    return BicepFile(path, root, tuple(found))


def walk(node: Node) -> Iterator[Node]:
    """The node and everything in it."""
    yield node
    for child in node.children:
        yield from walk(child)


def text_of(node: Node) -> str:
    """The node as it is written."""
    assert node.text is not None
    return node.text.decode()


def value_of(node: Node) -> Any:
    """Literals as Python's values, everything else as Code."""
    if node.type == "string" and not any(child.type == "interpolation" for child in node.named_children):
        return text_of(node)[1:-1].replace("\\'", "'").replace("\\$", "$")
    if node.type in ("number", "boolean", "null"):
        return {"true": True, "false": False, "null": None}.get(text_of(node)) if node.type != "number" else _int(node)
    if node.type == "array":
        return [value_of(child) for child in node.named_children if child.type != "comment"]
    if node.type == "object":
        pairs = [child.named_children for child in node.named_children if child.type == "object_property"]
        return {text_of(pair[0]).strip("'"): value_of(pair[-1]) for pair in pairs}
    return Code(text_of(node))


def _int(node: Node) -> int:
    return int(text_of(node))


def _decorator(node: Node) -> tuple[str, Any]:
    call = node.named_children[0]
    arguments = [value_of(each) for each in call.named_children[1].named_children] if call.named_children[1:] else []
    return text_of(call.named_children[0]), arguments[0] if arguments else None


def _declaration(node: Node, decorators: dict[str, Any]) -> Declaration:
    kind = node.type.removesuffix("_declaration")
    names, parts = node.named_children[0], node.named_children[1:]
    items: tuple[Any, ...] | None = None
    condition = None
    declared = ""
    if kind in ("resource", "module"):
        declared = str(value_of(parts.pop(0)))
    elif kind in ("parameter", "output") and parts and parts[0].type == "type":
        declared = text_of(parts.pop(0))
    body = parts[-1] if parts else None
    while body is not None and body.type in ("for_statement", "if_statement"):
        if body.type == "if_statement":
            condition = Code(text_of(body.named_children[0]))
        else:
            over = value_of(body.named_children[-2])
            items = tuple(over) if isinstance(over, list) else (over,)
        body = body.named_children[-1]
    return Declaration(
        name=text_of(names),
        kind=kind,
        node=node,
        decorators=decorators,
        type=declared,
        value=None if body is None else value_of(body),
        items=items,
        condition=condition,
        existing="existing" in text_of(node).split("{")[0].split("=")[0],
    )
