"""What the local host reads of host.json, with the Functions host's own defaults (the rest means nothing here)."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import Fault, Invalid

DEFAULT_FUNCTION_TIMEOUT_S = 30 * 60.0  # the Flex Consumption plan's
_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(\.\d+)?\Z")


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """host.json, extensions.queues."""

    batch_size: int = 16  # 1..32
    new_batch_threshold: int = 8 * (os.cpu_count() or 1)  # batchSize / 2 x cores
    max_dequeue_count: int = 5
    visibility_timeout_s: float = 0  # how long a message that failed is hidden
    max_polling_interval_s: float = 60


@dataclass(frozen=True, slots=True)
class HostSettings:
    """host.json."""

    route_prefix: str = "api"  # "" is no prefix
    function_timeout_s: float | None = DEFAULT_FUNCTION_TIMEOUT_S  # None: unbounded
    queues: QueueSettings = field(default_factory=QueueSettings)


def read_host_json(path: Path) -> dict[str, Any]:
    """The document. Raises Invalid when it is not there, no JSON object, or not version 2.0."""
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise Invalid(
            f"{path} is missing", remedy="a function app needs a host.json next to function_app.py"
        ) from error
    except ValueError as error:
        raise Invalid(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("version") != "2.0":
        raise Invalid(f'{path} must be a JSON object with "version": "2.0"')
    return document


def parse_host_json(document: dict[str, Any]) -> HostSettings:
    """The settings. Raises Invalid with every wrong value; unknown keys are the business of others."""
    reader = _Reader(document)
    http, queues = "/extensions/http", "/extensions/queues"
    batch_size = reader.integer(f"{queues}/batchSize", 16, 1, 32)
    default_threshold = max(1, batch_size // 2) * (os.cpu_count() or 1)
    settings = HostSettings(
        route_prefix=reader.text(f"{http}/routePrefix", "api").strip("/"),
        function_timeout_s=_timeout(reader.span("/functionTimeout", DEFAULT_FUNCTION_TIMEOUT_S)),
        queues=QueueSettings(
            batch_size=batch_size,
            new_batch_threshold=reader.integer(f"{queues}/newBatchThreshold", default_threshold, 0, 10_000),
            max_dequeue_count=reader.integer(f"{queues}/maxDequeueCount", 5, 1, 1_000_000),
            visibility_timeout_s=reader.span(f"{queues}/visibilityTimeout", 0),
            max_polling_interval_s=max(0.1, reader.span(f"{queues}/maxPollingInterval", 60)),
        ),
    )
    if reader.faults:
        raise Invalid("host.json has wrong values", faults=tuple(reader.faults))
    return settings


def parse_span_s(text: str) -> float | None:
    """Seconds of a .NET time span ("[days.]hh:mm:ss[.fraction]"), or None for anything else."""
    match = _SPAN.match(text)
    if match is None:
        return None
    days, hours, minutes, seconds, fraction = match.groups()
    return ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds) + float(fraction or 0)


def _timeout(seconds: float) -> float | None:
    return None if seconds < 0 else seconds


class _Reader:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self.faults: list[Fault] = []

    def _value(self, pointer: str) -> Any:
        value: Any = self._document
        for part in pointer.strip("/").split("/"):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def _fault(self, pointer: str, value: Any, allowed: str) -> None:
        self.faults.append(Fault(f"{value!r} is not possible", pointer, "host.json", allowed=allowed))

    def text(self, pointer: str, default: str) -> str:
        value = self._value(pointer)
        if value is not None and not isinstance(value, str):
            self._fault(pointer, value, "a string")
        return value if isinstance(value, str) else default

    def integer(self, pointer: str, default: int, least: int, most: int) -> int:
        value = self._value(pointer)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self._fault(pointer, value, f"an integer from {least} to {most}")
            return default
        return value

    def span(self, pointer: str, default: float) -> float:
        value = self._value(pointer)
        if value is None:
            return default
        if value == "-1" and pointer == "/functionTimeout":
            return -1
        seconds = parse_span_s(value) if isinstance(value, str) else None
        if seconds is None:
            self._fault(pointer, value, 'a time span "hh:mm:ss"')
            return default
        return seconds
