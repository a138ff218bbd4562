"""azure-functions' own converters, so that a function gets and gives exactly what it would on Azure."""

from __future__ import annotations

from typing import Any

import azure.functions as func
from azure.functions.meta import Datum

GENERIC = "generic"


class _Generic:
    """The worker's converter for parameters annotated str or bytes (azure-functions-runtime, bindings/generic.py)."""

    @classmethod
    def decode(cls, data: Datum, *, trigger_metadata: Any) -> Any:
        """The raw value; raises ValueError for an HTTP request."""
        if data.type not in ("string", "bytes", "json"):
            raise ValueError(f'unexpected type of data received for the "generic" binding {data.type!r}')
        return data.value


def converter(binding_type: str | None) -> Any:
    """The converter of that kind of binding: it has decode(Datum, trigger_metadata=...) or encode(object,
    expected_type=...). Raises KeyError for one that azure-functions does not know."""
    if binding_type == GENERIC:
        return _Generic
    found = func.get_binding_registry().get(binding_type)
    if found is None:
        raise KeyError(binding_type)
    return found
