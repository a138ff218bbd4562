"""The lineage as a tree of text."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from shared.cli.output import one_line

if TYPE_CHECKING:
    from rich.tree import Tree

WIDTH = 400  # lines are not wrapped
SHOWN_FACTS = ("experiment", "status", "type", "framework", "stage", "repository", "branch", "dirty", "archived")


def tree(found: dict[str, Any]) -> str:
    """Two branches, what it came from and what came from it; each thing is unfolded once in each."""
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    nodes = {node["id"]: node for node in found["nodes"]}
    root = Tree(Text(one_line(_named(nodes[found["root"]]))))
    for title, near, far in (("came from", "source", "target"), ("led to", "target", "source")):
        near_edges = defaultdict(list)
        for edge in found["edges"]:
            near_edges[edge[near]].append((edge["relation"], edge[far]))
        if near_edges[found["root"]]:
            _unfold(root.add(Text(title)), found["root"], nodes, near_edges, {found["root"]}, up=near == "source")
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(root, soft_wrap=True)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # the StringIO from above
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _unfold(
    branch: Tree, id_: str, nodes: dict[str, Any], edges: dict[str, list[tuple[str, str]]], seen: set[str], *, up: bool
) -> None:
    from rich.text import Text

    for relation, other in edges[id_]:
        named = _named(nodes[other])
        line = f"{relation} {named}" if up else f"{named} {relation} it"
        known = other in seen
        below = branch.add(Text(one_line(line) + (" (see above)" if known and edges[other] else "")))
        if not known:
            seen.add(other)
            _unfold(below, other, nodes, edges, seen, up=up)


def _named(node: dict[str, Any]) -> str:
    facts = [node["facts"][name] for name in SHOWN_FACTS if name in node["facts"]]
    notes = [*facts, *(["deleted"] if node["state"] == "deleted" else [])]
    return f"{node['kind']} {node['label']}" + (f" ({', '.join(notes)})" if notes else "")
