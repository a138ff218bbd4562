"""The JSON Schemas in schemas/, generated from the shapes: `python -m shared.declarations.json_schemas [--check]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from shared.resources.automation import AutomationPolicy
from shared.resources.base import Document
from shared.resources.forms import FORMS

DRAFT = "https://json-schema.org/draft/2020-12/schema"
BASE_ID = "https://slipway.dev/schemas/"
FOLDER = Path(__file__).resolve().parents[2] / "schemas"


def generate() -> dict[str, dict[str, Any]]:
    """File name -> JSON Schema, one for every form of declared file, and for the policy of what is done by itself."""
    shapes = {name: form.shape for name, form in FORMS.items()} | {"automationPolicy": AutomationPolicy}
    return {f"{name}.schema.json": _schema(name, shape) for name, shape in shapes.items()}


def _schema(name: str, shape: type[Document]) -> dict[str, Any]:
    schema = shape.model_json_schema(by_alias=True, mode="validation")
    head = {"$schema": DRAFT, "$id": f"{BASE_ID}{name}.schema.json"}
    return {**head, **_loosened(schema)}


def _loosened(node: Any) -> Any:
    """Branches that are told apart by more than their shape may both fit: anyOf, not oneOf. A `default: null` says
    nothing to an editor."""
    if isinstance(node, list):
        return [_loosened(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {("anyOf" if key == "oneOf" else key): _loosened(value) for key, value in node.items()}
    if "default" in found and found["default"] is None:
        del found["default"]
    return found


def main(arguments: list[str]) -> int:
    """Write the files, or with --check print those that are stale; the exit code."""
    texts = {name: json.dumps(schema, indent=2) + "\n" for name, schema in generate().items()}
    present = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    if "--check" in arguments:
        stale = sorted(name for name in texts.keys() | present.keys() if texts.get(name) != present.get(name))
        if stale:
            sys.stderr.write(f"stale: {', '.join(stale)} (run `make schemas`)\n")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in present.keys() - texts.keys():
        (FOLDER / name).unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
