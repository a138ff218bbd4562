"""What is written of an endpoint on this machine: the router's file, and which processes serve a deployment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.adapters.local.endpoint_credentials import write_private
from shared.adapters.local.process_types import DesiredProcess
from shared.errors import NotSupported
from shared.ports import EndpointAccess


def access_fields(access: EndpointAccess | None) -> dict[str, Any]:
    """Who may call, for the router. Raises NotSupported for what this machine can't check."""
    if access is None:
        return {}
    if access.auth_mode == "key":
        return {"access": {"mode": "key", "key_sha256": list(access.key_sha256)}}
    if access.auth_mode == "aml_token":
        said = {"mode": "aml_token", "token_secret": access.token_secret, "audience": access.audience}
        return {"access": said}
    remedy = "let `auth_mode` be key or aml_token"
    raise NotSupported(f"this machine can't check callers by {access.auth_mode}: there is no Entra ID", remedy=remedy)


def process_document(process: DesiredProcess) -> dict[str, Any]:
    """A process as JSON."""
    return {
        "name": process.name,
        "arguments": list(process.arguments),
        "environ": dict(process.environ),
        "folder": str(process.folder),
        "ready_url": process.ready_url,
    }


def process_of(document: Mapping[str, Any]) -> DesiredProcess:
    """The process of a document."""
    fields = {**document, "arguments": tuple(document["arguments"]), "folder": Path(document["folder"])}
    return DesiredProcess(**fields)


def read_json(path: Path) -> dict[str, Any] | None:
    """The file's content; None when it is not there, or damaged."""
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return document


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Only its owner's, and only when it changes: the router reads it again when it does."""
    text = json.dumps(document, sort_keys=True)
    if path.exists() and path.read_text() == text:
        return
    write_private(path, text)


def tail(path: Path, lines: int) -> str:
    """The last lines of a file."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
