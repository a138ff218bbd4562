"""The MLmodel file that MLflow writes beside a model (MLflow documentation, "MLflow Models", Storage Format)."""

from __future__ import annotations

import json
from typing import Any

from shared.declarations.source import Source, load_source
from shared.errors import Fault, Invalid
from shared.resources.inspection import MlflowInspection

FILE_NAME = "MLmodel"
_TEXTS = ("run_id", "model_uuid", "mlflow_version", "utc_time_created")


def read_mlmodel(text: str, file: str) -> MlflowInspection:
    """What the file says. Raises Invalid, with the place, for what is no MLmodel: not YAML, no flavors, or a signature
    that is no JSON."""
    source = load_source(text, file)
    if not isinstance(source.value, dict) or not isinstance(source.value.get("flavors"), dict):
        fault = source.fault("/flavors", "there are no flavors", "a mapping of flavors, as MLflow writes it")
        raise Invalid(f"{file} is not an MLmodel file", faults=(fault,))
    said = {name: str(source.value[name]) for name in _TEXTS if source.value.get(name) is not None}
    return MlflowInspection(path=file, flavors=source.value["flavors"], signature=_signature(source), **said)


def _signature(source: Source) -> dict[str, Any] | None:
    """Inputs, outputs and params are JSON in a string each."""
    signature = source.value.get("signature")
    if not isinstance(signature, dict):
        return None
    faults: list[Fault] = []
    read: dict[str, Any] = {}
    for name, value in signature.items():
        try:
            read[name] = json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            faults.append(source.fault(f"/signature/{name}", f"is not JSON: {error}", "JSON, as MLflow writes it"))
    if faults:
        raise Invalid(f"{source.file} has a signature that cannot be read", faults=tuple(faults))
    return read
