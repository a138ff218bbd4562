"""`slipway model show`: everything that is known of one version."""

from __future__ import annotations

from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.options import Options, common_options
from shared.cli.references import model_reference

_FACTS = (
    *("type", "description", "stage", "framework", "framework_version", "tags", "properties", "path"),
    *("sample_input", "sample_output", "resource_configuration", "run_id", "experiment_name", "parent_model_id"),
)


@click.command("show")
@click.argument("reference", metavar="NAME[:VERSION|@LABEL]")
@common_options
def show(options: Options, reference: str) -> None:
    """Show one version, the latest when none is named."""
    name, version = model_reference(reference)
    with Api(options) as api:
        found = api.get(f"models/{segment(name)}/versions/{segment(version)}")
    output.show(options, found, describe(found))


def describe(version: dict[str, Any]) -> str:
    """A version for people; what it does not have is left out."""
    files = [f"{f['path']}  {output.size(f['size_bytes'])}  sha256:{f['sha256']}" for f in version["files"]]
    origin = version.get("origin") or {}
    return output.fields(
        [
            ("id", version["id"]),
            ("phase", version.get("phase")),
            ("archived", "yes, hidden from lists" if version.get("archived") else None),
            ("labels", ", ".join(version.get("labels", ()))),
            *((fact.replace("_", " "), version.get(fact)) for fact in _FACTS),
            ("flavors", ", ".join(version.get("flavors") or ())),
            ("datasets", [f"{d['purpose']}: {d['reference']}" for d in version.get("datasets", ())]),
            ("origin", f"{origin['system']} {origin['id']}" if origin else None),
            *_inspection(version.get("inspection") or {}),
            ("conditions", [_condition(c) for c in version.get("conditions", ())]),
            ("files", files),
            ("size", output.size(version["size_bytes"])),
            ("upload", version["upload_id"]),
            ("created", f"{output.moment(version['created_at'])} by {version['created_by']}"),
            ("modified", f"{output.moment(version['modified_at'])} by {version['modified_by']}"),
        ]
    )


def _condition(condition: dict[str, Any]) -> str:
    parts = (f"{condition['type']}={condition['status']}", condition.get("reason"), condition.get("message"))
    return "  ".join(str(part) for part in parts if part)


def _inspection(found: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("onnx", [line for graph in found.get("onnx", ()) for line in _onnx(graph)]),
        ("PICKLES", [f"WARNING: {_finding(one)}" for one in found.get("pickles", ())]),
        ("not inspected", [f"{one['path']}: {one['reason']}" for one in found.get("skipped", ())]),
        ("inspection", "INCOMPLETE: not every file was looked into" if found.get("complete") is False else None),
    ]


def _onnx(graph: dict[str, Any]) -> list[str]:
    lines = [f"{graph['path']}: {'valid' if graph['valid'] else 'NOT VALID'}"]
    lines += [f"  {graph['problem']}"] if graph.get("problem") else []
    for name in ("inputs", "outputs", "opsets"):
        for each in _entries(graph.get(name)):
            lines.append(f"  {name.removesuffix('s')} {each}")
    return lines


def _entries(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key or 'ai.onnx'} {each}" for key, each in value.items()]
    return [_line(each) if isinstance(each, dict) else str(each) for each in value or ()]


def _finding(found: dict[str, Any]) -> str:
    rest = {key: value for key, value in found.items() if key not in ("path", "severity")}
    return f"{found['path']}: {found['severity']}" + (f" ({_line(rest)})" if any(rest.values()) else "")


def _line(document: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in document.items() if value not in (None, "", [], {}))
