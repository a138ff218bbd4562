"""`slipway model diff`: what two versions differ in."""

from __future__ import annotations

from typing import Any

import click

from shared.cli import output
from shared.cli.api import Api, segment
from shared.cli.options import Options, common_options
from shared.cli.references import model_reference

_FACTS = (
    *("type", "description", "stage", "framework", "framework_version", "flavors", "sample_input", "sample_output"),
    *("resource_configuration", "datasets", "run_id", "experiment_name", "parent_model_id", "path"),
)
_MAPS = ("tags", "properties")


@click.command("diff")
@click.argument("first", metavar="NAME:VERSION")
@click.argument("second", metavar="[NAME:]VERSION")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when they differ, as git does.")
@common_options
def diff(options: Options, first: str, second: str, exit_code: bool) -> None:
    """Show what two versions differ in: facts, tags, properties, files by SHA-256, inputs and outputs of ONNX files."""
    name, version = model_reference(first)
    other, other_version = (name, second) if second.isdecimal() else model_reference(second)
    with Api(options) as api:
        before = api.get(f"models/{segment(name)}/versions/{segment(version)}")
        after = api.get(f"models/{segment(other)}/versions/{segment(other_version)}")
    changes = differences(before, after)
    rows = [(c["what"], c["change"], _text(c["before"]), _text(c["after"])) for c in changes]
    table = output.table(("WHAT", "CHANGE", before["id"], after["id"]), rows, empty="They do not differ.")
    output.show(options, {"before": before["id"], "after": after["id"], "changes": changes}, table)
    if exit_code and changes:
        raise click.exceptions.Exit(1)


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """[{"what", "change", "before", "after"}], [] when two versions hold the same; `change` is added, removed or
    changed."""
    old, new = _flat(before), _flat(after)
    return [
        {"what": what, "change": _change(old.get(what), new.get(what)), "before": old.get(what), "after": new.get(what)}
        for what in dict.fromkeys([*old, *new])
        if old.get(what) != new.get(what)
    ]


def _change(before: Any, after: Any) -> str:
    return "added" if before is None else "removed" if after is None else "changed"


def _flat(version: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {fact: version.get(fact) or None for fact in _FACTS}
    for field in _MAPS:
        flat |= {f"{field}/{key}": value for key, value in version[field].items()}
    flat |= {f"files/{file['path']}": f"sha256:{file['sha256']}" for file in version["files"]}
    for graph in (version.get("inspection") or {}).get("onnx", ()):
        flat |= {f"onnx/{graph['path']}/{part}": graph.get(part) for part in ("inputs", "outputs", "opsets")}
    return flat


def _text(value: Any) -> str:
    return "" if value is None else str(value)
