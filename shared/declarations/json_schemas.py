"""The JSON Schemas in schemas/, generated from the shapes: `python -m shared.declarations.json_schemas [--check]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from shared.resources.kinds import KINDS

DRAFT = "https://json-schema.org/draft/2020-12/schema"
BASE_ID = "https://slipway.dev/schemas/"
FOLDER = Path(__file__).resolve().parents[2] / "schemas"


def generate() -> dict[str, dict[str, Any]]:
    """File name -> JSON Schema, one for every kind that people declare."""
    schemas = {}
    for name, kind in KINDS.items():
        if kind.declaration is not None:
            schema = kind.declaration.model_json_schema(by_alias=True, mode="validation")
            schemas[f"{name}.schema.json"] = {"$schema": DRAFT, "$id": f"{BASE_ID}{name}.schema.json", **schema}
    return schemas


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
