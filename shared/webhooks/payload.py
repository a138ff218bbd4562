"""Reading a delivery's JSON, strictly where it matters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Payload:
    """A JSON object whose members are read by path; a wrong type is a BadRequest that names the place."""

    members: dict[str, Any]

    @classmethod
    def read(cls, body: bytes) -> Payload:
        """The object in `body`. Raises BadRequest."""
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadRequest(
                "the delivery's body is not JSON", remedy="set the content type to application/json"
            ) from error
        if not isinstance(value, dict):
            raise BadRequest("the delivery's body is not a JSON object")
        return cls(value)

    def optional(self, *path: str) -> Any:
        """The member at `path`, None when it or something on the way to it is absent."""
        value: Any = self.members
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def text(self, *path: str) -> str:
        """The text at `path`. Raises BadRequest when it is absent, empty or no text."""
        value = self.optional(*path)
        if not isinstance(value, str) or not value:
            raise BadRequest(f"/{'/'.join(path)} of the delivery is not a text")
        return value

    def number(self, *path: str) -> int:
        """The integer at `path`. Raises BadRequest."""
        value = self.optional(*path)
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadRequest(f"/{'/'.join(path)} of the delivery is not a whole number")
        return value

    def text_or_none(self, *path: str) -> str | None:
        """The text at `path`, None when there is none."""
        value = self.optional(*path)
        return value if isinstance(value, str) and value else None

    def commit(self, *path: str) -> str | None:
        """The commit id at `path`; None for git's all-zero id, which says "no commit". Raises BadRequest."""
        value = self.text(*path)
        if len(value) not in (40, 64) or not set(value) <= set("0123456789abcdef"):
            raise BadRequest(f"/{'/'.join(path)} of the delivery is not a commit id")
        return value if set(value) != {"0"} else None

    def head(self, *path: str) -> str:
        """The commit id at `path`, which must be one. Raises BadRequest."""
        value = self.commit(*path)
        if value is None:
            raise BadRequest(f"/{'/'.join(path)} of the delivery is the zero id")
        return value


def normalised_url(url: str) -> str:
    """`url` for comparison: scheme and host in lower case; no credentials, query, fragment, final `/` or `.git`.

    Raises BadRequest when it is not http(s)."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise BadRequest("a repository URL of the delivery is not a URL") from error
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise BadRequest("a repository URL of the delivery is not http(s)")
    return f"{parts.scheme.lower()}://{parts.hostname}{port}{parts.path.rstrip('/').removesuffix('.git')}"


def branch_ref(name: str) -> str:
    """The full ref of a branch that hosts give with or without refs/heads/."""
    return name if name.startswith("refs/") else f"refs/heads/{name}"
