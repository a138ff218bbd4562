"""Which access key a request carries, compared in constant time (Azure Functions, "Work with access keys")."""

from __future__ import annotations

import hmac

from aiohttp import web

from shared.adapters.local.secrets import LocalSecrets

MASTER = "master"  # the name of the master key
EVENT_GRID = "eventgrid_extension"  # the name of the system key of the Event Grid endpoint


def presented_key(request: web.Request) -> str:
    """The x-functions-key header, else ?code=, else ""."""
    return request.headers.get("x-functions-key") or request.query.get("code", "")


def host_key_name(secrets: LocalSecrets, key: str) -> str | None:
    """The name of the key that opens functions: "master" or a host key's name; None when it is neither."""
    return _matching({**secrets.host_keys, MASTER: secrets.master_key}, key)


def is_master(secrets: LocalSecrets, key: str) -> bool:
    """Whether it is the master key."""
    return _matching({MASTER: secrets.master_key}, key) is not None


def opens_event_grid(secrets: LocalSecrets, key: str) -> bool:
    """Whether it opens /runtime/webhooks/eventgrid: that extension's system key, or the master key."""
    return _matching({EVENT_GRID: secrets.eventgrid_key, MASTER: secrets.master_key}, key) is not None


def _matching(keys: dict[str, str], key: str) -> str | None:
    given = key.encode(errors="surrogateescape")
    found = None
    for name, value in keys.items():  # no early exit: the time taken must not tell how many were tried
        if hmac.compare_digest(value.encode(), given) and value:
            found = name
    return found
