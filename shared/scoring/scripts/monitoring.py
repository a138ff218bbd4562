"""`azureml.ai.monitoring` for scripts where that package is not installed (azureml-ai-monitoring 1.0.0).

What it collects goes to the server's own collector. A context that a script does not give has the id of the request
that is served, so that all that is collected of a request can be joined.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from shared.scoring.collector.collector import NOT_SAMPLED, DataCollector
from shared.scoring.collector.plan import REQUEST, RESPONSE
from shared.scoring.request_ids import new_id

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")  # that is served in this thread


class _Bound:
    """The collector of the process; one, as scripts know it."""

    collector: DataCollector | None = None


def bind(collector: DataCollector | None) -> None:
    """What scripts collect goes there; with None a Collector says that nothing is collected."""
    _Bound.collector = collector


class CorrelationContext:
    """What rows that belong together have in common."""

    def get_id(self) -> str:
        """Their id."""
        return ""

    def __str__(self) -> str:
        return self.get_id()

    __repr__ = __str__


class BasicCorrelationContext(CorrelationContext):
    """An id, seconds since 1970, and further fields of the lines."""

    def __init__(
        self, id: str | None = None, timestamp: int | None = None, headers: Mapping[str, Any] | None = None
    ) -> None:
        """What is not given: the id of the request, or a new one; now; none."""
        self.id = id or REQUEST_ID.get() or new_id()
        self.timestamp = timestamp or int(time.time())
        self.headers = dict(headers or {})

    def get_id(self) -> str:
        """The id."""
        return self.id

    def get_timestamp(self) -> int:
        """Seconds since 1970."""
        return self.timestamp

    def get_headers(self) -> dict[str, Any]:
        """Further fields."""
        return self.headers


def get_context() -> CorrelationContext:
    """One for the request that is served."""
    return BasicCorrelationContext()


def _raise(error: Exception) -> None:
    raise error


class Collector:
    """Collects pandas' frames under one name."""

    def __init__(self, *, name: str, on_error: Callable[[Exception], Any] | None = None) -> None:
        """`on_error` is given what is wrong; without it that is raised. A name that is not collected is an error."""
        self.name = name
        self.on_error = on_error or _raise
        self._usable()

    def collect(self, data: Any, correlation_context: CorrelationContext | None = None) -> CorrelationContext:
        """Keep a frame's rows, for the answer need not wait; the context comes back for what belongs to it."""
        context = correlation_context or get_context()
        collector = self._usable()
        if collector is None:
            return context
        pandas = sys.modules.get("pandas")
        if pandas is None or not isinstance(data, pandas.DataFrame):
            kind = type(data).__name__
            self.on_error(TypeError(f"data type ({kind}) not supported, supported types: pandas.DataFrame"))
            return context
        dropped = collector.offer_document(
            self.name.lower(),
            data.to_json(orient="records").encode(),
            REQUEST_ID.get() or context.get_id(),
            context.get_id(),
            moment_s=getattr(context, "get_timestamp", time.time)(),
            **_fields(getattr(context, "get_headers", dict)()),
        )
        if dropped and dropped != NOT_SAMPLED:
            self.on_error(Exception(dropped))
        return context

    def _usable(self) -> DataCollector | None:
        """The collector, when this name is collected; else the error was told."""
        collector = _Bound.collector
        if not self.name:
            self.on_error(Exception("collection name is not provided"))
        elif collector is None or not collector.plan.collections - {REQUEST, RESPONSE}:
            self.on_error(Exception("custom logging is not enabled, drop the data"))
        elif self.name.lower() not in collector.plan.collections:
            known = ", ".join(sorted(collector.plan.collections))
            self.on_error(Exception(f"collection {self.name} is not enabled, drop the data; enabled are: {known}"))
        else:
            return collector
        return None


_RESERVED = frozenset({"collection", "content", "content_encoding", "request_id", "correlation_id", "moment_s"})


def _fields(headers: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in headers.items() if name not in _RESERVED}
