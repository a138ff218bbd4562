"""Partial updates of a document.

Source: "Partial document update in Azure Cosmos DB" (1 to 10 operations; not of the id, the partition key, system
properties). Paths into arrays and `move` are not among what this double takes.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.doubles.cosmos.errors import CosmosError, bad_request
from tests.doubles.cosmos.sql import parse_condition

MAX_OPERATIONS = 10
SYSTEM = frozenset({"_rid", "_self", "_etag", "_ts", "_attachments"})


def patched(document: dict[str, Any], request: Any, partition_path: str) -> dict[str, Any]:
    """A changed copy. Raises CosmosError 412 when the request's condition does not hold, 400 for a wrong request."""
    if not isinstance(request, dict) or not isinstance(request.get("operations"), list):
        raise bad_request("a patch has a list of operations")
    operations = request["operations"]
    if not 1 <= len(operations) <= MAX_OPERATIONS:
        raise bad_request(f"a patch has 1 to {MAX_OPERATIONS} operations, not {len(operations)}")
    if "condition" in request and parse_condition(request["condition"])(document) is not True:
        raise CosmosError(412, "the condition of the patch does not hold", substatus=1110)
    result = copy.deepcopy(document)
    for operation in operations:
        _apply(result, operation, partition_path)
    return result


def _apply(document: dict[str, Any], operation: dict[str, Any], partition_path: str) -> None:
    path = operation.get("path", "")
    names = path.split("/")[1:]
    if not path.startswith("/") or names[0] in SYSTEM or path in ("/id", partition_path):
        raise bad_request(f"{path!r} cannot be patched")
    parent: Any = document
    for name in names[:-1]:
        parent = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(parent, dict):
        raise bad_request(f"the parent of {path!r} is not an object that is there")
    kind, name = operation.get("op"), names[-1]
    if kind in ("add", "set"):
        parent[name] = _value(operation)
        return
    if kind not in ("replace", "remove", "incr"):
        raise bad_request(f"{kind!r} is no operation that this double takes")
    if name not in parent:
        raise bad_request(f"nothing is at {path!r}")
    if kind == "remove":
        del parent[name]
    else:
        parent[name] = _value(operation) if kind == "replace" else parent[name] + _value(operation)


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise bad_request(f"the operation on {operation.get('path')!r} has no value")
    return operation["value"]
