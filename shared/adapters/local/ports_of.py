"""Which port each process of an endpoint has: chosen once, and kept over restarts."""

from __future__ import annotations

import json
import secrets
import socket
from pathlib import Path


class PortBook:
    """The ports of one endpoint, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._ports: dict[str, int] = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            self._ports = {}

    def port(self, name: str) -> int:
        """The process's port; a free one of loopback the first time."""
        if name not in self._ports:
            self._ports[name] = _free_port()
            partial = self._path.with_name(f".{self._path.name}-{secrets.token_hex(4)}")
            partial.write_text(json.dumps(self._ports))
            partial.rename(self._path)
        return self._ports[name]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
