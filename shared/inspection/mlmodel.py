"""The MLmodel file that MLflow writes beside a model (MLflow documentation, "MLflow Models", Storage Format)."""

from __future__ import annotations

import json
from typing import Any

from shared.declarations.source import MAX_DEPTH, MAX_INTEGER_BITS, Source, load_source
from shared.errors import Fault, Invalid
from shared.resources.inspection import MlflowInspection

FILE_NAME = "MLmodel"
MAX_TEXT = 1024
_TEXTS = ("run_id", "model_uuid", "mlflow_version", "utc_time_created", "artifact_path", "model_id")


def read_mlmodel(text: str, file: str) -> MlflowInspection:
    """What the file says. Raises Invalid, with the place, for what is no MLmodel: not YAML, no flavors, or a signature
    that is no JSON or could not be stored as JSON."""
    source = load_source(text, file)
    if not isinstance(source.value, dict) or not isinstance(source.value.get("flavors"), dict):
        fault = source.fault("/flavors", "there are no flavors", "a mapping of flavors, as MLflow writes it")
        raise Invalid(f"{file} is not an MLmodel file", faults=(fault,))
    found = source.value
    example = found.get("saved_input_example_info")
    return MlflowInspection(
        path=file,
        flavors=found["flavors"],
        signature=_signature(source),
        saved_input_example_info=example if isinstance(example, dict) else None,
        **{name: str(found[name])[:MAX_TEXT] for name in _TEXTS if isinstance(found.get(name), str | int | float)},
    )


def _signature(source: Source) -> dict[str, Any] | None:
    """Inputs, outputs and params are JSON in a string each."""
    signature = source.value.get("signature")
    if signature is None:
        return None
    if not isinstance(signature, dict):
        fault = source.fault("/signature", "is not a mapping", "inputs, outputs and params, as MLflow writes them")
        raise Invalid(f"{source.file} has a signature that cannot be read", faults=(fault,))
    faults: list[Fault] = []
    read: dict[str, Any] = {}
    for name, value in signature.items():
        try:
            read[name] = _json(value) if isinstance(value, str) else value
        except (ValueError, RecursionError) as error:
            faults.append(source.fault(f"/signature/{name}", f"is not JSON: {error}", "JSON, as MLflow writes it"))
    if faults:
        raise Invalid(f"{source.file} has a signature that cannot be read", faults=tuple(faults))
    return read


def _json(text: str) -> Any:
    """The value, which can be written as JSON in UTF-8 again. Raises ValueError or RecursionError."""
    value = json.loads(text)
    level = [value]
    for _ in range(MAX_DEPTH):
        if any(isinstance(one, int) and one.bit_length() > MAX_INTEGER_BITS for one in level):
            raise ValueError(f"an integer of more than {MAX_INTEGER_BITS} bits")
        level = [item for one in level for item in _items(one)]
    if level:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
