"""Structured logs: one JSON object in a line on standard error."""

from __future__ import annotations

import logging
import time
from typing import Any

import orjson

LOGGER = logging.getLogger("slipway.scoring")
_FIELDS = ("request_id", "route", "status", "duration_ms", "fields")


class JsonFormatter(logging.Formatter):
    """time (UTC), level, logger, message, then what the call gave as extra, then the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        document: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        document |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(document, default=str).decode()


def set_up(level: str) -> None:
    """Send the root logger's records, and so those of scripts, to standard error in this form."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
