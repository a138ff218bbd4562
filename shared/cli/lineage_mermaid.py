"""The lineage as a Mermaid flowchart (Mermaid, "Flowcharts - Basic Syntax")."""

from __future__ import annotations

from typing import Any

from shared.cli.output import one_line

# What has a meaning inside of a quoted label, as Mermaid's entity codes. "#" first: it begins them.
_ENTITIES = {"#": "#35;", "&": "#amp;", "<": "#lt;", ">": "#gt;", '"': "#quot;", "`": "#96;", "\\": "#92;"}
_TABLE = str.maketrans(_ENTITIES)


def mermaid(found: dict[str, Any]) -> str:
    """From right to left: an arrow points to what its source came from, so that time runs from left to right."""
    names = {node["id"]: f"n{index}" for index, node in enumerate(found["nodes"])}
    lines = ["flowchart RL"]
    for node in found["nodes"]:
        lines.append(f'    {names[node["id"]]}["{_escaped(node["kind"])}<br/>{_escaped(node["label"])}{_note(node)}"]')
    for edge in found["edges"]:
        lines.append(f'    {names[edge["source"]]} -->|"{_escaped(edge["relation"])}"| {names[edge["target"]]}')
    lines += ["    classDef root stroke-width:3px", "    classDef deleted stroke-dasharray:4 3"]
    lines.append(f"    class {names[found['root']]} root")
    gone = [names[node["id"]] for node in found["nodes"] if node["state"] == "deleted"]
    if gone:
        lines.append(f"    class {','.join(gone)} deleted")
    return "\n".join(lines) + "\n"


def _note(node: dict[str, Any]) -> str:
    return "<br/>deleted" if node["state"] == "deleted" else ""


def _escaped(text: str) -> str:
    return one_line(text).translate(_TABLE)
